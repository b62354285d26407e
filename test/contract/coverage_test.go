// Package contract_test holds the tests that look at the whole API at once: every documented answer was produced, every
// statement is known and uses an index, no secret ever shows, and the code keeps its own rules.
package contract_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

// TestEveryDocumentedAnswerIsProduced fails for an operation × status that no case here gives, and for one that the
// document does not name.
func TestEveryDocumentedAnswerIsProduced(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		recorder := &testkit.Recorder{}
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithRecorder(recorder), testkit.WithSetting("http.max_body", "4KiB"), testkit.WithClock(clk), toNobody())
		u := api.User()
		owner, boss, gone := api.User(), api.Admin(), api.User()
		admin := api.As(boss)
		goneAt := "/users/" + gone.ID.String()
		mailed := mailedTokens(t, api, owner)
		leaving, other := u, u
		api.LogIn(&leaving)
		api.LogIn(&other)
		sid, goneSID := sessionOf(t, api.As(other)), sessionOf(t, api.As(gone))
		for _, c := range []struct {
			name   string
			as     *testkit.API
			method string
			path   string
			body   any
			want   int
		}{
			{"register", api, "POST", "/auth/register", registration("new@example.com"), 201},
			{"register, invalid", api, "POST", "/auth/register", "{}", 400},
			{"register, known", api, "POST", "/auth/register", registration("NEW@example.com"), 409},
			{"register, large", api, "POST", "/auth/register", strings.Repeat(" ", 5<<10), 413},
			{"register, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/register", "{}", 415},
			{"login", api, "POST", "/auth/login", map[string]string{"email": u.Email, "password": u.Password}, 200},
			{"login, wrong", api, "POST", "/auth/login", map[string]string{"email": u.Email, "password": "x"}, 400},
			{"login, large", api, "POST", "/auth/login", strings.Repeat(" ", 5<<10), 413},
			{"login, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/login", "{}", 415},
			{"forgot", api, "POST", "/auth/forgot-password", map[string]string{"email": u.Email}, 202},
			{"forgot, invalid", api, "POST", "/auth/forgot-password", "{}", 400},
			{"forgot, large", api, "POST", "/auth/forgot-password", strings.Repeat(" ", 5<<10), 413},
			{"forgot, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/forgot-password", "{}", 415},
			{"reset", api, "POST", "/auth/reset-password", map[string]string{"token": mailed["/reset-password"], "new_password": "Analytical-Engine-1843"}, 204},
			{"reset, used", api, "POST", "/auth/reset-password", map[string]string{"token": mailed["/reset-password"], "new_password": "Analytical-Engine-1843"}, 400},
			{"reset, large", api, "POST", "/auth/reset-password", strings.Repeat(" ", 5<<10), 413},
			{"reset, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/reset-password", "{}", 415},
			{"verify", api, "POST", "/auth/verify-email", map[string]string{"token": mailed["/verify-email"]}, 204},
			{"verify, used", api, "POST", "/auth/verify-email", map[string]string{"token": mailed["/verify-email"]}, 400},
			{"verify, large", api, "POST", "/auth/verify-email", strings.Repeat(" ", 5<<10), 413},
			{"verify, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/verify-email", "{}", 415},
			{"resend", api, "POST", "/auth/verify-email/resend", map[string]string{"email": u.Email}, 202},
			{"resend, invalid", api, "POST", "/auth/verify-email/resend", "{}", 400},
			{"resend, large", api, "POST", "/auth/verify-email/resend", strings.Repeat(" ", 5<<10), 413},
			{"resend, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/verify-email/resend", "{}", 415},
			{"refresh", api, "POST", "/auth/refresh", map[string]string{"refresh_token": u.RefreshToken}, 200},
			{"refresh, invalid", api, "POST", "/auth/refresh", "{}", 400},
			{"refresh, unknown", api, "POST", "/auth/refresh", map[string]string{"refresh_token": "x"}, 401},
			{"refresh, large", api, "POST", "/auth/refresh", strings.Repeat(" ", 5<<10), 413},
			{"refresh, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/refresh", "{}", 415},
			{"logout, invalid", api.As(leaving), "POST", "/auth/logout", "[]", 400},
			{"logout, large", api.As(leaving), "POST", "/auth/logout", strings.Repeat(" ", 5<<10), 413},
			{"logout, not JSON", api.As(leaving).WithHeader("Content-Type", "text/plain"), "POST", "/auth/logout", "{}", 415},
			{"logout", api.As(leaving), "POST", "/auth/logout", nil, 204},
			{"logout, ended", api.As(leaving), "POST", "/auth/logout", nil, 401},
			{"sessions", api.As(u), "GET", "/users/me/sessions", nil, 200},
			{"sessions, invalid", api.As(u), "GET", "/users/me/sessions?ended=1", nil, 400},
			{"sessions, anonymous", api, "GET", "/users/me/sessions", nil, 401},
			{"end session", api.As(u), "DELETE", "/users/me/sessions/" + sid, nil, 204},
			{"end session, again", api.As(u), "DELETE", "/users/me/sessions/" + sid, nil, 404},
			{"end session, invalid", api.As(u), "DELETE", "/users/me/sessions/x", nil, 400},
			{"end session, anonymous", api, "DELETE", "/users/me/sessions/" + sid, nil, 401},
			{"me", api.As(u), "GET", "/users/me", nil, 200},
			{"me, unknown parameter", api.As(u), "GET", "/users/me?fields=id", nil, 400},
			{"me, anonymous", api, "GET", "/users/me", nil, 401},
			{"patch me", api.As(u), "PATCH", "/users/me", `{"locale":"de"}`, 200},
			{"patch me, invalid", api.As(u), "PATCH", "/users/me", "{}", 400},
			{"patch me, anonymous", api, "PATCH", "/users/me", "{}", 401},
			{"patch me, another version", api.As(u).WithHeader("If-Match", `"x"`), "PATCH", "/users/me", `{"locale":"de"}`, 412},
			{"patch me, large", api.As(u), "PATCH", "/users/me", strings.Repeat(" ", 5<<10), 413},
			{"patch me, not JSON", api.As(u).WithHeader("Content-Type", "text/plain"), "PATCH", "/users/me", "{}", 415},
			{"user", admin, "GET", "/users/" + u.ID.String(), nil, 200},
			{"user, invalid", admin, "GET", "/users/x", nil, 400},
			{"user, anonymous", api, "GET", "/users/" + u.ID.String(), nil, 401},
			{"user, by no administrator", api.As(u), "GET", "/users/" + u.ID.String(), nil, 403},
			{"user, unknown", admin, "GET", "/users/" + account.NewID().String(), nil, 404},
			{"patch user", admin, "PATCH", "/users/" + u.ID.String(), `{"full_name":"Ada King"}`, 200},
			{"patch user, invalid", admin, "PATCH", "/users/" + u.ID.String(), "{}", 400},
			{"patch user, anonymous", api, "PATCH", "/users/" + u.ID.String(), "{}", 401},
			{"patch user, by no administrator", api.As(u), "PATCH", "/users/" + u.ID.String(), `{"role":"admin"}`, 403},
			{"patch user, unknown", admin, "PATCH", "/users/" + account.NewID().String(), `{"role":"user"}`, 404},
			{"patch user, last administrator", admin, "PATCH", "/users/" + boss.ID.String(), `{"role":"user"}`, 409},
			{"patch user, another version", admin.WithHeader("If-Match", `"x"`), "PATCH", "/users/" + u.ID.String(), `{"role":"user"}`, 412},
			{"patch user, large", admin, "PATCH", "/users/" + u.ID.String(), strings.Repeat(" ", 5<<10), 413},
			{"patch user, not JSON", admin.WithHeader("Content-Type", "text/plain"), "PATCH", "/users/" + u.ID.String(), "{}", 415},
			{"export", api.As(u), "GET", "/users/me/export", nil, 200},
			{"export, invalid", api.As(u), "GET", "/users/me/export?format=zip", nil, 400},
			{"export, anonymous", api, "GET", "/users/me/export", nil, 401},
			{"sessions of a user", admin, "GET", goneAt + "/sessions", nil, 200},
			{"sessions of a user, invalid", admin, "GET", "/users/x/sessions", nil, 400},
			{"sessions of a user, anonymous", api, "GET", goneAt + "/sessions", nil, 401},
			{"sessions of a user, not allowed", api.As(u), "GET", goneAt + "/sessions", nil, 403},
			{"sessions of a user, unknown", admin, "GET", "/users/" + sid + "/sessions", nil, 404},
			{"end a user's session", admin, "DELETE", goneAt + "/sessions/" + goneSID, nil, 204},
			{"end a user's session, again", admin, "DELETE", goneAt + "/sessions/" + goneSID, nil, 404},
			{"end a user's session, invalid", admin, "DELETE", goneAt + "/sessions/x", nil, 400},
			{"end a user's session, anonymous", api, "DELETE", goneAt + "/sessions/" + goneSID, nil, 401},
			{"end a user's session, not allowed", api.As(u), "DELETE", goneAt + "/sessions/" + goneSID, nil, 403},
			{"end a user's sessions", admin, "DELETE", goneAt + "/sessions", nil, 204},
			{"end a user's sessions, invalid", admin, "DELETE", "/users/x/sessions", nil, 400},
			{"end a user's sessions, anonymous", api, "DELETE", goneAt + "/sessions", nil, 401},
			{"end a user's sessions, not allowed", api.As(u), "DELETE", goneAt + "/sessions", nil, 403},
			{"end a user's sessions, unknown", admin, "DELETE", "/users/" + sid + "/sessions", nil, 404},
			{"delete", admin, "DELETE", goneAt, nil, 204},
			{"delete, again", admin, "DELETE", goneAt, nil, 404},
			{"delete, the last administrator", admin, "DELETE", "/users/" + boss.ID.String(), nil, 409},
			{"delete oneself, the last administrator", admin, "DELETE", "/users/me", leavingWith(boss.Password), 409},
			{"delete, invalid", admin, "DELETE", "/users/x", nil, 400},
			{"delete, anonymous", api, "DELETE", goneAt, nil, 401},
			{"delete, not allowed", api.As(u), "DELETE", goneAt, nil, 403},
			{"avatar, not a picture", api.As(u).WithHeader("Content-Type", "image/png"), "PUT", "/users/me/avatar", strings.Repeat("x", 40), 415},
			{"avatar, empty", api.As(u).WithHeader("Content-Type", "image/png"), "PUT", "/users/me/avatar", "", 400},
			{"avatar, large", api.As(u).WithHeader("Content-Type", "image/png"), "PUT", "/users/me/avatar", strings.Repeat("x", 5<<20+1), 413},
			{"avatar, anonymous", api, "PUT", "/users/me/avatar", nil, 401},
			{"avatar, another version", api.As(u).WithHeader("Content-Type", "image/png").WithHeader("If-Match", `"x"`), "PUT", "/users/me/avatar", smallPNG(t), 412},
			{"remove avatar", api.As(u), "DELETE", "/users/me/avatar", nil, 204},
			{"remove avatar, invalid", api.As(u), "DELETE", "/users/me/avatar?x=1", nil, 400},
			{"remove avatar, another version", api.As(u).WithHeader("If-Match", `"x"`), "DELETE", "/users/me/avatar", nil, 412},
			{"remove avatar, anonymous", api, "DELETE", "/users/me/avatar", nil, 401},
			{"users", admin, "GET", "/users", nil, 200},
			{"users, invalid", admin, "GET", "/users?limit=0", nil, 400},
			{"users, anonymous", api, "GET", "/users", nil, 401},
			{"users, not allowed", api.As(u), "GET", "/users", nil, 403},
			{"audit", admin, "GET", "/audit", nil, 200},
			{"audit, invalid", admin, "GET", "/audit?limit=0", nil, 400},
			{"audit, anonymous", api, "GET", "/audit", nil, 401},
			{"audit, not allowed", api.As(u), "GET", "/audit", nil, 403},
			{"keys", api, "GET", "/.well-known/jwks.json", nil, 200},
			{"keys, unknown parameter", api, "GET", "/.well-known/jwks.json?kid=1", nil, 400},
		} {
			require.Equal(t, c.want, c.as.Do(c.method, c.path, c.body).StatusCode, c.name)
		}
		ownAnswers(t, api)
		confirmAnswers(t, api)
		webhookAnswers(t, api)
		for _, path := range []string{"/users/me", "/users/" + u.ID.String(), "/.well-known/jwks.json"} {
			tag := admin.Get(path).Header.Get("ETag")
			require.NotEmpty(t, tag)
			r := admin.WithHeader("If-None-Match", tag).Get(path).Status(http.StatusNotModified)
			require.Empty(t, r.Body)
		}
		setAvatar(t, api.As(u)).Status(http.StatusOK)
		limited := testkit.Serve(t, db, testkit.WithRecorder(recorder), testkit.WithLimits())
		opaque := testkit.Serve(t, db, testkit.WithRecorder(recorder), testkit.WithSetting("auth.registration.existing_email", "opaque"))
		opaque.Post("/auth/register", registration("new@example.com")).Status(http.StatusAccepted)
		strict := testkit.Serve(t, db, testkit.WithRecorder(recorder), testkit.WithSetting("auth.registration.enabled", "false"), testkit.WithSetting("auth.login.require_verified_email", "true"))
		strict.Post("/auth/register", registration("closed@example.com")).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		strict.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		for _, path := range []string{"/auth/register", "/auth/login", "/auth/refresh", "/auth/logout", "/auth/forgot-password", "/auth/reset-password", "/auth/verify-email", "/auth/verify-email/resend"} {
			require.Eventually(t, func() bool { return limited.Post(path, "{}").StatusCode == http.StatusTooManyRequests }, time.Minute, time.Millisecond)
		}
		ownLimits(t, limited, u)
		webhookLimits(t, limited, boss)
		api.App.Stores.DB.Close()
		clk.Advance(time.Minute) // so that nothing is remembered
		for _, c := range append([]*testkit.Response{
			api.Post("/auth/register", registration("other@example.com")),
			api.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}),
			api.Post("/auth/forgot-password", map[string]string{"email": u.Email}),
			api.Post("/auth/reset-password", map[string]string{"token": mailed["/reset-password"], "new_password": "Analytical-Engine-1843"}),
			api.Post("/auth/verify-email", map[string]string{"token": mailed["/verify-email"]}),
			api.Post("/auth/verify-email/resend", map[string]string{"email": u.Email}),
			api.Post("/auth/refresh", map[string]string{"refresh_token": u.RefreshToken}),
			api.As(u).Post("/auth/logout", nil),
			api.As(u).Get("/users/me"),
			api.As(u).Patch("/users/me", `{"locale":"de"}`),
			admin.Get("/users/" + u.ID.String()),
			admin.Patch("/users/"+u.ID.String(), `{"role":"user"}`),
			setAvatar(t, api.As(u)),
			api.As(u).Delete("/users/me/avatar", nil),
			admin.Get("/users"),
			admin.Get("/audit"),
			api.As(u).Get("/users/me/sessions"),
			api.As(u).Get("/users/me/export"),
			admin.Get(goneAt + "/sessions"),
			admin.Delete(goneAt+"/sessions", nil),
			admin.Delete(goneAt+"/sessions/"+sid, nil),
			admin.Delete(goneAt, nil),
			api.As(u).Delete("/users/me/sessions/"+sid, nil),
			api.As(u).Put("/users/me/password", newPassword(u.Password)),
			api.As(u).Delete("/users/me", leavingWith(u.Password)),
			api.As(u).Post("/users/me/email", newEmail("away@example.com", u.Password)),
			api.Post("/auth/confirm-email", mailedToken(mailed["/confirm-email"])),
			admin.Post("/users", invitation("away@example.com")),
			admin.Post("/users/"+u.ID.String()+"/password-reset", nil),
		}, webhookRequests(admin)...) {
			c.Problem(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
			require.Equal(t, "1", c.Header.Get("Retry-After"))
		}
		require.Empty(t, recorder.Missing(api.App), "documented, and never produced")
		require.Empty(t, recorder.Undocumented(api.App), "produced, and not documented")
	})
}

func registration(email string) map[string]string {
	return map[string]string{"email": email, "password": testkit.Password, "full_name": "Ada Lovelace"}
}

// mailedTokens asks for every link that a user can be mailed, and gives the tokens by the pages that the links lead to.
func mailedTokens(t *testing.T, api *testkit.API, u testkit.User) map[string]string {
	t.Helper()
	for _, path := range []string{"/auth/forgot-password", "/auth/verify-email/resend"} {
		api.Post(path, map[string]string{"email": u.Email}).Status(http.StatusAccepted)
	}
	api.As(u).Post("/users/me/email", newEmail("next-"+u.Email, u.Password)).Status(http.StatusAccepted)
	api.WorkJobs()
	tokens := map[string]string{"/confirm-email": lastToken(t, api, testkit.User{Email: "next-" + u.Email}, "/confirm-email")}
	for _, page := range []string{"/reset-password", "/verify-email"} {
		tokens[page] = lastToken(t, api, u, page)
	}
	return tokens
}

// lastToken gives the token of the newest link to a page that a user was mailed.
func lastToken(t *testing.T, api *testkit.API, u testkit.User, page string) string {
	t.Helper()
	for _, m := range slices.Backward(api.MailTo(u.Email, 1)) {
		for _, text := range m.Links {
			link, err := url.Parse(text)
			require.NoError(t, err)
			if link.Path == page {
				return link.Query().Get("token")
			}
		}
	}
	require.Fail(t, "no mail leads to "+page)
	return ""
}

// sessionOf gives the id of the client's own session.
func sessionOf(t *testing.T, api *testkit.API) string {
	t.Helper()
	var list struct {
		Items []struct {
			ID      string `json:"id"`
			Current bool   `json:"current"`
		} `json:"items"`
	}
	api.Get("/users/me/sessions").Status(http.StatusOK).JSON(&list)
	for _, s := range list.Items {
		if s.Current {
			return s.ID
		}
	}
	t.Fatal("no session is the current one")
	return ""
}
