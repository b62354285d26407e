package contract_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestTheDocumentIsValidAndWhole(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	raw := api.Get("/openapi.json").Status(http.StatusOK).Body
	doc, err := libopenapi.NewDocument(raw)
	require.NoError(t, err)
	v, errs := validator.NewValidator(doc)
	require.Empty(t, errs)
	ok, faults := v.ValidateDocument()
	for _, f := range faults {
		t.Log(f.Message, f.Reason)
	}
	require.True(t, ok)

	var parsed struct {
		Paths map[string]map[string]struct {
			OperationID string   `json:"operationId"`
			Summary     string   `json:"summary"`
			Description string   `json:"description"`
			Tags        []string `json:"tags"`
			Responses   map[string]struct {
				Description string `json:"description"`
				Content     map[string]struct {
					Schema   map[string]any `json:"schema"`
					Example  any            `json:"example"`
					Examples map[string]any `json:"examples"`
				} `json:"content"`
			} `json:"responses"`
		} `json:"paths"`
		Components struct {
			Schemas map[string]any `json:"schemas"`
		} `json:"components"`
	}
	require.NoError(t, json.Unmarshal(raw, &parsed))
	ids := map[string]bool{}
	for path, methods := range parsed.Paths {
		for method, op := range methods {
			at := method + " " + path
			require.NotEmpty(t, op.OperationID, at)
			require.False(t, ids[op.OperationID], at)
			ids[op.OperationID] = true
			require.NotEmpty(t, op.Summary, at)
			require.NotEmpty(t, op.Description, at)
			require.NotEmpty(t, op.Tags, at)
			require.Contains(t, op.Responses, "default", at)
			for status, r := range op.Responses {
				require.NotEmpty(t, r.Description, "%s %s", at, status)
				if status == "202" || status == "204" || status == "304" {
					require.Empty(t, r.Content)
					continue
				}
				require.NotEmpty(t, r.Content, "%s %s", at, status)
				for _, media := range r.Content {
					require.NotEmpty(t, media.Schema, "%s %s", at, status)
					require.True(t, media.Example != nil || len(media.Examples) > 0, "%s %s has no example", at, status)
				}
			}
		}
	}
	require.Len(t, ids, len(api.App.Router.Operations()))
	for _, name := range []string{"ErrorModel", "ErrorDetail"} {
		require.NotContains(t, parsed.Components.Schemas, name, "huma's own errors are nobody's")
	}
}

// TestAnswersMatchTheDocument holds real answers of every operation against the document's schemas.
func TestAnswersMatchTheDocument(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	u, admin, gone := api.User(), api.Admin(), api.User()
	doc, err := libopenapi.NewDocument(api.Get("/openapi.json").Body)
	require.NoError(t, err)
	v, errs := validator.NewValidator(doc)
	require.Empty(t, errs)
	client := &http.Client{Transport: checked{t, v}}
	send := func(method, path, token, body string) {
		req, err := http.NewRequestWithContext(t.Context(), method, api.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		if body != "" {
			req.Header.Set("Content-Type", "application/json")
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := client.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
	}
	for _, body := range []string{`{"email":"ada@example.com","password":"Difference-Engine-1842","full_name":"Ada"}`, `{}`, `{"email":1}`, `[]`, `{`} {
		send("POST", "/auth/register", "", body)
		send("POST", "/auth/login", "", body)
	}
	for _, path := range []string{"/auth/forgot-password", "/auth/verify-email/resend", "/auth/reset-password", "/auth/verify-email"} {
		for _, body := range []string{`{"email":"` + u.Email + `"}`, `{"token":"x","new_password":"Difference-Engine-1842"}`, `{"token":"x"}`, `{}`, `[]`, `{`} {
			send("POST", path, "", body)
		}
	}
	send("POST", "/auth/login", "", `{"email":"`+u.Email+`","password":"`+u.Password+`"}`)
	send("POST", "/auth/refresh", "", `{"refresh_token":"`+u.RefreshToken+`"}`)
	for _, body := range []string{`{"refresh_token":"x"}`, `{}`, `[]`} {
		send("POST", "/auth/refresh", "", body)
	}
	other := u
	api.LogIn(&other)
	send("DELETE", "/users/me/sessions/"+sessionOf(t, api.As(other)), u.AccessToken, "")
	send("DELETE", "/users/me/sessions/"+account.NewSessionID().String(), u.AccessToken, "")
	goneAt, goneSID := "/users/"+gone.ID.String(), sessionOf(t, api.As(gone))
	for _, token := range []string{u.AccessToken, "", "x", admin.AccessToken} {
		send("GET", "/users/me/export", token, "")
		send("GET", goneAt+"/sessions", token, "")
		send("GET", goneAt+"/sessions?ended=true", token, "")
		send("DELETE", goneAt+"/sessions/"+goneSID, token, "")
		send("DELETE", goneAt+"/sessions", token, "")
		send("DELETE", goneAt, token, "")
		send("GET", goneAt+"/sessions", token, "")
		send("DELETE", "/users/"+admin.ID.String(), token, "")
		send("GET", "/users/me", token, "")
		send("GET", "/users/me?x=1", token, "")
		send("GET", "/users/me/sessions", token, "")
		send("GET", "/users/me/sessions?ended=true", token, "")
		send("POST", "/auth/logout", token, `[]`)
	}
	send("POST", "/auth/logout", u.AccessToken, `{"all":true}`)
	send("GET", "/.well-known/jwks.json", "", "")
}

// checked validates each answer on its way.
type checked struct {
	t testing.TB
	v validator.Validator
}

// RoundTrip implements http.RoundTripper.
func (c checked) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	ok, faults := c.v.ValidateHttpResponse(r, res)
	for _, f := range faults {
		c.t.Log(r.Method, r.URL.Path, res.StatusCode, f.Message, f.Reason)
	}
	if !ok {
		c.t.Errorf("%s %s answers %d, which its document does not allow", r.Method, r.URL.Path, res.StatusCode)
	}
	return res, nil
}

// TestEveryPathIsAnOperationOrOnTheClosedList asks for every path of the document and for what stands beside it.
func TestEveryPathIsAnOperationOrOnTheClosedList(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	require.ElementsMatch(t, []string{
		"GET /{$}", "GET /docs", "GET /docs/assets/{name}", "GET /errors/{type}", "GET /openapi.json", "GET /openapi.yaml", "GET /healthz",
		"GET /reset-password", "POST /reset-password", "GET /verify-email", "POST /verify-email", "GET /confirm-email", "POST /confirm-email", "GET /avatars/{name}",
	}, api.App.Router.ClosedList())
	for _, path := range []string{"/metrics", "/debug/pprof/", "/readyz", "/swagger", "/schemas/User.json", "/openapi-3.0.json", "/.env", "/favicon.ico"} {
		api.Get(path).Problem(http.StatusNotFound, "NOT_FOUND")
	}
	mounted := map[string][]string{} // path → methods
	for _, op := range api.App.Router.Operations() {
		mounted[op.Path] = append(mounted[op.Path], op.Method)
	}
	for path, own := range mounted {
		allow := slices.Clone(own)
		if slices.Contains(own, "GET") {
			allow = append(allow, "HEAD")
		}
		slices.Sort(allow)
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			if !slices.Contains(own, method) {
				r := api.Do(method, path, nil)
				r.Problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
				require.Equal(t, strings.Join(allow, ", "), r.Header.Get("Allow"), "%s %s", method, path)
			}
		}
	}
}

// TestEveryErrorCodeHasAPage follows the type of each error that the document names.
func TestEveryErrorCodeHasAPage(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	types := regexp.MustCompile(`"/errors/[a-z-]+"`).FindAllString(string(api.Get("/openapi.json").Body), -1)
	slices.Sort(types)
	types = slices.Compact(types)
	require.Greater(t, len(types), 7)
	for _, quoted := range types {
		r := api.Get(strings.Trim(quoted, `"`)).Status(http.StatusOK)
		require.Contains(t, r.Header.Get("Content-Type"), "text/html")
	}
}
