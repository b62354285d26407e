package contract_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

// TestSecretsNeverShow sends a marker wherever a secret can stand, provokes every kind of answer, and looks for it, and for
// what the service itself keeps secret, in every answer, every log line, the events and the metrics. What spans hold is core/telemetry's test.
func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		const marker = "Marker-7f3a9c"
		api := testkit.Serve(t, db)
		u := api.User(func(u *testkit.User) { u.Password = marker + "-Password" })
		var answers strings.Builder
		keep := func(r *testkit.Response) { fmt.Fprintf(&answers, "%d %v %s\n", r.StatusCode, r.Header, r.Body) }
		for _, body := range []string{
			`{"email":"` + u.Email + `","password":"` + marker + `-wrong"}`,
			`{"email":"` + u.Email + `","password":"` + marker,
			`{"email":"` + u.Email + `","password":["` + marker + `"]}`,
			`{"email":"` + marker + `","password":"` + marker + `","full_name":"` + marker + "\\u0000" + `"}`,
			`{"refresh_token":"` + marker + `"}`,
			`{"refresh_token":"gtr_` + marker + `","all":"` + marker + `"}`,
			`{"refresh_token":"` + u.RefreshToken + `","x":"` + u.AccessToken + `"}`,
			`"` + marker + `"`,
			marker,
			strings.Repeat(marker, 1<<17),
		} {
			for _, path := range []string{"/auth/login", "/auth/register", "/auth/forgot-password", "/auth/reset-password", "/auth/verify-email", "/auth/confirm-email", "/auth/verify-email/resend", "/auth/refresh", "/auth/logout", "/users/me", "/nothing"} {
				keep(api.Post(path, body))
				keep(api.WithHeader("Content-Type", "text/plain").Post(path, body))
			}
		}
		for _, body := range []string{
			`{"current_password":"` + marker + `-wrong","new_password":"` + marker + `-Password-1"}`,
			`{"current_password":"` + u.Password + `","new_password":"gatehouse-` + marker + `"}`,
			`{"current_password":["` + marker + `"],"new_password":"` + marker + `\u0000"}`,
			marker,
		} {
			keep(api.As(u).Put("/users/me/password", body))
			keep(api.As(u).Post("/users/me/email", strings.Replace(body, "new_password", "new_email", 1)))
		}
		mailed := mailedTokens(t, api, api.User())
		keep(api.Post("/auth/reset-password", map[string]string{"token": mailed["/reset-password"], "new_password": "gatehouse-" + marker}))
		keep(api.Post("/auth/reset-password", map[string]string{"token": mailed["/verify-email"], "new_password": marker + "-Password-1"}))
		for path, token := range mailed {
			for _, form := range []string{"token=" + marker, "token=" + token + "&new_password=gatehouse-" + marker, "token=" + token + marker, "token=" + marker + "&x=" + token, "%zz=" + token} {
				r := api.WithHeader("Content-Type", "application/x-www-form-urlencoded").Post(path, form)
				r.Body = bytes.ReplaceAll(r.Body, []byte(`name="token" value="`+token+`"`), nil) // the one place for it
				keep(r)
			}
			keep(api.Get(path + "?token=" + token + marker))
			keep(api.Get(path + "?x=" + token))
		}
		require.Contains(t, answers.String(), "<form")
		keep(api.Post("/auth/verify-email", map[string]string{"token": mailed["/verify-email"]}).Status(http.StatusNoContent))
		for _, header := range []string{"Bearer " + marker, "Basic " + marker, "Bearer gtr_" + marker, marker} {
			keep(api.WithHeader("Authorization", header).Get("/users/me"))
		}
		keep(api.WithHeader("Cookie", marker).WithHeader("X-Forwarded-For", marker).WithHeader("User-Agent", marker).Get("/users/me"))
		keep(api.WithHeader("X-Request-ID", marker+"!").Get("/users/me"))
		keep(api.Get("/users/me?limit=" + marker))
		keep(api.WithToken(u.AccessToken + marker).Get("/users/me"))
		keep(api.As(u).Get("/users/me").Status(http.StatusOK))
		keep(api.As(u).Patch("/users/me", `{"full_name":"Ada","password":"`+marker+`","locale":"`+marker+`"}`))
		admin := api.As(api.Admin())
		keep(admin.Get("/users/" + u.ID.String()).Status(http.StatusOK))
		keep(admin.Patch("/users/"+u.ID.String(), `{"full_name":"Ada King"}`).Status(http.StatusOK))
		keep(admin.Patch("/users/"+u.ID.String(), `{"password_hash":"`+marker+`"}`))
		keep(api.As(u).Get("/users/me/sessions").Status(http.StatusOK))
		keep(api.As(u).Get("/users/me/export").Status(http.StatusOK))
		keep(admin.Get("/users").Status(http.StatusOK))
		used := u
		api.LogIn(&used)
		var next struct {
			RefreshToken string `json:"refresh_token"`
		}
		api.Post("/auth/refresh", map[string]string{"refresh_token": used.RefreshToken}).Status(http.StatusOK).JSON(&next)
		api.Post("/auth/refresh", map[string]string{"refresh_token": next.RefreshToken}).Status(http.StatusOK)
		keep(api.Post("/auth/refresh", map[string]string{"refresh_token": used.RefreshToken})) // the session's end
		var hash string
		require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT password_hash FROM users WHERE id = ?`, u.ID).Scan(&hash))
		metrics := httptest.NewRecorder()
		api.App.Metrics().ServeHTTP(metrics, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
		require.Contains(t, metrics.Body.String(), `route="/auth/login"`)
		events := strings.Join(rowsOf(t, api.App.Stores.DB)["gatehouse_events"], "\n")
		require.Contains(t, events, "gatehouse.session.reuse_detected.v1")
		require.NoError(t, api.App.Stores.Audit.Flush(t.Context(), true))
		acts := strings.Join(rowsOf(t, api.App.Stores.DB)["gatehouse_audit"], "\n")
		for _, action := range []string{"login failed", "login done", "user.confirm_password", "user.password_reset", "session.reuse"} {
			require.Contains(t, acts, action)
		}
		acts = strings.ReplaceAll(acts, marker+" ", "") // the program that called itself so
		api.App.Stores.DB.Close()
		keep(api.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}))
		keep(api.Post("/auth/refresh", map[string]string{"refresh_token": u.RefreshToken}).Status(http.StatusServiceUnavailable))
		for place, text := range map[string]string{"an answer": answers.String(), "the log": api.Logs.String(), "the metrics": metrics.Body.String(), "the events": events, "the audit trail": acts} {
			for what, secret := range map[string]string{
				"the marker": marker, "a password": u.Password, "an access token": u.AccessToken, "a refresh token": u.RefreshToken, "a used refresh token": used.RefreshToken, "its successor": next.RefreshToken, "a hash": hash, "argon2": "argon2", "a mailed token": "gtm_",
			} {
				require.NotContains(t, text, secret, "%s in %s", what, place)
			}
		}
		for _, secret := range []string{u.Email, "SELECT ", "INSERT "} {
			require.NotContains(t, api.Logs.String(), secret, "%q in the log", secret)
		}
	})
}
