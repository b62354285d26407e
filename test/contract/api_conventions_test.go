package contract_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func TestContractConventions(t *testing.T) {
	t.Parallel()
	proveChapter(t, conventions())
}

func conventions() []proof {
	return []proof{
		{says: `Paths are exact, at the root by default; http.base_path (say /api) moves them all.`, prove: func(s *stage) {
			for _, path := range []string{"/users/me/", "//users/me", "/users/./me", "/auth/../users/me", "/Users/me", "/openapi.json/"} {
				s.asUser().Get(path).Problem(http.StatusNotFound, "NOT_FOUND")
			}
			moved := s.with("http.base_path=/api")
			for _, op := range moved.App.Router.Operations() {
				moved.Do(op.Method, op.Path, nil).Problem(http.StatusNotFound, "NOT_FOUND")
				require.NotContains(s.T, []int{404, 405}, moved.Do(op.Method, "/api"+op.Path, nil).StatusCode, op.Path)
			}
			for _, pattern := range moved.App.Router.ClosedList() {
				if method, path, _ := strings.Cut(pattern, " "); !strings.Contains(path, "{name}") {
					path = strings.NewReplacer("{$}", "", "{type}", "conflict").Replace(path)
					moved.Do(method, path, nil).Problem(http.StatusNotFound, "NOT_FOUND")
					require.NotContains(s.T, []int{404, 405}, moved.Do(method, "/api"+path, nil).StatusCode, path)
				}
			}
			picture := moved.As(s.user).WithHeader("Content-Type", "image/png").Put("/api/users/me/avatar", smallPNG(s.T))
			at, _ := s.isUser(picture, http.StatusOK)["avatar_url"].(string)
			require.Regexp(s.T, `^/api/avatars/`, at)
			moved.Get(at).Status(http.StatusOK)
		}},
		{says: `A breaking change gets a new prefix (/v2/...) and the old one keeps answering.`, prove: func(s *stage) {
			for _, op := range s.api.App.Router.Operations() { // nothing has been broken yet
				require.NotRegexp(s.T, `^/v[0-9]`, op.Path)
			}
		}},
		{says: `JSON is UTF-8 with snake_case names; times are RFC 3339 in UTC with six fractional digits and Z; ids are lower-case UUID version 7.`, prove: func(s *stage) {
			s.asUser().Patch("/users/me", `{"full_name":"Ada Łœvélacé 愛"}`).Status(http.StatusOK)
			ended := s.signIn(s.user)
			s.api.As(ended).Post("/auth/logout", nil).Status(http.StatusNoContent)
			w := walked{t: s.T}
			for _, r := range []*testkit.Response{
				s.asUser().Get("/users/me"), s.asAdmin().Get("/users"), s.asUser().Get("/users/me/sessions"), s.asUser().Get("/users/me/sessions?ended=true"),
				s.asUser().Get("/users/me/export"), s.api.Get("/users/me"), s.api.Post("/auth/register", registration("conventions@example.com")),
				s.api.Post("/auth/login", map[string]string{"email": s.user.Email, "password": s.user.Password}),
			} {
				require.True(s.T, utf8.Valid(r.Body))
				var value any
				require.NoError(s.T, json.Unmarshal(r.Body, &value))
				w.walk(value)
			}
			require.Greater(s.T, w.times, 20)
			require.Greater(s.T, w.ids, 8)
		}},
		{says: `PATCH takes application/json or application/merge-patch+json.`, prove: func(s *stage) {
			for contentType, want := range map[string]int{
				"application/json": 200, "application/merge-patch+json": 200, "application/merge-patch+json; charset=utf-8": 200,
				"application/json-patch+json": 415, "text/json": 415,
			} {
				s.asUser().WithHeader("Content-Type", contentType).Patch("/users/me", `{"locale":"de"}`).Status(want)
			}
			s.api.WithHeader("Content-Type", "application/merge-patch+json").Post("/auth/login", "{}").Status(http.StatusUnsupportedMediaType)
		}},
	}
}

var (
	snakeCase    = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	likeATime    = regexp.MustCompile(`^\d{4}-\d\d-\d\d[Tt ]`)
	contractTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`)
	likeAnID     = regexp.MustCompile(`^[0-9A-Fa-f]{8}-?([0-9A-Fa-f]{4}-?){3}[0-9A-Fa-f]{12}$`)
	contractID   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
)

// walked has looked at every name and text of some JSON.
type walked struct {
	t          *testing.T
	times, ids int
}

func (w *walked) walk(value any) {
	switch v := value.(type) {
	case map[string]any:
		for name, member := range v {
			require.Regexp(w.t, snakeCase, name)
			w.walk(member)
		}
	case []any:
		for _, item := range v {
			w.walk(item)
		}
	case string:
		if likeATime.MatchString(v) {
			w.times++
			require.Regexp(w.t, contractTime, v)
		}
		if likeAnID.MatchString(v) {
			w.ids++
			require.Regexp(w.t, contractID, v)
		}
	}
}
