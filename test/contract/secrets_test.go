package contract_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/testkit"
)

// TestStatement25SecretsNeverShow sends a marker wherever a secret can stand, provokes every kind of answer, and looks for it,
// and for what the service itself keeps secret, in every answer, every log line, the events and the metrics. What spans hold is
// core/telemetry's test.
func TestStatement25SecretsNeverShow(t *testing.T) {
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
		metrics := metricsOf(t, api)
		require.Contains(t, metrics, `route="/auth/login"`)
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
		for place, text := range map[string]string{"an answer": answers.String(), "the log": api.Logs.String(), "the metrics": metrics, "the events": events, "the audit trail": acts} {
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

// metricsOf gives what a scrape gets.
func metricsOf(t *testing.T, api *testkit.API) string {
	t.Helper()
	out := httptest.NewRecorder()
	api.App.Metrics().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return out.Body.String()
}

// destination is the setting of one destination of events.
func destination(url, connection string) string {
	return fmt.Sprintf(`[{"name":"accounts","url":%q,"connection_string":%q}]`, url, connection)
}

// TestStatement25WhatOthersAreReachedWithNeverShows has webhooks that are made, refused, changed, tested and not reached, and a
// broker that is away. It looks for their secrets, for what stands before the host of a URL and for the connection string in
// every answer but the two that give a secret, in every log line, the metrics, and all that a back-up has. The rest of a URL,
// which may be secret too, is shown to administrators alone.
func TestStatement25WhatOthersAreReachedWithNeverShows(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		const key, userinfo, rest = "broker-7f3a9c", "userinfo-7f3a9c", "path-7f3a9c"
		away := destination("servicebus:///accounts", "Endpoint=sb://localhost:1;SharedAccessKeyName=x;SharedAccessKey="+key+";UseDevelopmentEmulator=true")
		api := testkit.Serve(t, db, toNobody(), testkit.WithSetting("events.destinations", away))
		admin := api.As(api.Admin())
		var answers strings.Builder
		keep := func(r *testkit.Response) { fmt.Fprintf(&answers, "%d %v %s\n", r.StatusCode, r.Header, r.Body) }
		var made, next struct {
			ID     string `json:"id"`
			Secret string `json:"secret"`
		}
		admin.Post("/webhooks", `{"url":"https://hooks.example.com/`+rest+`?key=`+rest+`"}`).Status(http.StatusCreated).JSON(&made)
		hook := "/webhooks/" + made.ID
		admin.Post(hook+"/secret", nil).Status(http.StatusOK).JSON(&next)
		for _, user := range []string{userinfo, userinfo + ":" + userinfo, ":" + userinfo} {
			body := `{"url":"https://` + user + `@hooks.example.com/"}`
			keep(admin.Post("/webhooks", body).Status(http.StatusBadRequest))
			keep(admin.Patch(hook, body).Status(http.StatusBadRequest))
			keep(admin.Patch(hook, body+body).Status(http.StatusBadRequest))
		}
		keep(admin.Patch(hook, `{"secret":"`+made.Secret+`"}`).Status(http.StatusBadRequest))
		api.User()
		api.WorkJobs() // no name resolves, and nobody listens where the broker should be
		keep(admin.Post(hook+"/test", nil).Status(http.StatusOK))
		keep(admin.Patch(hook, `{"description":"ours"}`).Status(http.StatusOK))
		for _, path := range []string{hook, "/webhooks", hook + "/deliveries", "/audit"} {
			keep(admin.Get(path).Status(http.StatusOK))
		}
		require.NoError(t, api.App.Stores.Audit.Flush(t.Context(), true))
		tables, metrics, logs := rowsOf(t, api.App.Stores.DB), metricsOf(t, api), api.Logs.String()
		told := strings.Join(slices.Concat(tables["gatehouse_events"], tables["gatehouse_audit"]), "\n")
		require.Contains(t, told, "webhook.rotate_secret")
		require.Contains(t, metrics, `destination="servicebus.accounts"`)
		require.Contains(t, logs, `"destination":"servicebus.accounts"`, "it was tried")
		var backup strings.Builder
		for table, rows := range tables {
			fmt.Fprintln(&backup, table, rows)
		}
		secrets := map[string]string{"what stands before a host": userinfo, "the broker's key": key, "a connection string": "SharedAccess"}
		for _, text := range []string{made.Secret, next.Secret} {
			encoded := strings.TrimPrefix(text, "whsec_")
			bare, err := base64.StdEncoding.DecodeString(encoded)
			require.NoError(t, err)
			secrets["the secret "+text], secrets["the key of "+text] = encoded, hex.EncodeToString(bare)
		}
		for place, text := range map[string]string{"an answer": answers.String(), "the log": logs, "the metrics": metrics, "a back-up": backup.String()} {
			for what, secret := range secrets {
				require.NotContains(t, strings.ToLower(text), strings.ToLower(secret), "%s in %s", what, place)
			}
		}
		for place, text := range map[string]string{"the log": logs, "the metrics": metrics, "the events and the audit trail": told} {
			require.NotContains(t, text, rest, place)
		}
	})
}

// TestStatement25ADestinationIsRefusedWithoutBeingQuoted has settings that the start fails for.
func TestStatement25ADestinationIsRefusedWithoutBeingQuoted(t *testing.T) {
	t.Parallel()
	const marker, namespace = "marker-7f3a9c", "example.servicebus.windows.net"
	for _, setting := range []string{
		destination("servicebus://x:"+marker+"@"+namespace+"/accounts", ""),
		destination("servicebus://"+namespace+"/accounts?key="+marker, ""),
		destination("servicebus:///accounts", marker),
		destination("servicebus:///accounts", "Endpoint="+marker+";SharedAccessKeyName=x;SharedAccessKey="+marker),
		destination("servicebus://"+namespace+"/accounts", "Endpoint=sb://"+marker+"/;SharedAccessKeyName=x;SharedAccessKey="+marker),
	} {
		logs := &logtest.Logs{}
		a, err := app.New(app.Standard, app.Options{Logs: logs})
		require.NoError(t, err)
		_, err = a.Load(config.Source{Args: map[string]string{"data_dir": t.TempDir(), "events.destinations": setting}})
		require.ErrorContains(t, err, "events.destinations[0].")
		require.NotContains(t, err.Error()+logs.String(), marker)
	}
}
