package contract_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/testkit"
)

// everyAnswer is the rest of the section's table: what is said of all answers.
func everyAnswer() []proof {
	return []proof{
		{says: `too many requests | 429 RATE_LIMITED with Retry-After; limited endpoints carry RateLimit-Policy: "login";q=10;w=60 and RateLimit: "login";r=7;t=42 (the IETF draft) on every answer, the latter of a user's limit once the user is known; absent when limits are off`, prove: func(s *stage) {
			api := s.limited()
			for _, r := range []*testkit.Response{
				api.Post("/auth/login", map[string]string{"email": s.user.Email, "password": s.user.Password}).Status(200), api.Post("/auth/login", "{}").Status(400),
				api.WithHeader("Content-Type", "text/plain").Post("/auth/login", "{}").Status(415), api.Post("/auth/login", strings.Repeat("x", 2<<20)).Status(413),
			} {
				s.policy(r, "login", 10)
			}
			for left := 5; left >= 0; left-- {
				require.Contains(s.T, api.Post("/auth/login", "{}").Status(400).Header.Get("RateLimit"), `"login";r=`+string(rune('0'+left))+";t=")
			}
			over := api.Post("/auth/login", "{}")
			require.Equal(s.T, "6", s.refused(over))
			require.Equal(s.T, `"login";r=0;t=60`, over.Header.Get("RateLimit"))
			s.policy(over, "login", 10)

			for status, client := range map[int]*testkit.API{400: api.As(s.user), 415: api.As(s.user).WithHeader("Content-Type", "text/plain"), 401: api} {
				r := client.Put("/users/me/password", "{}").Status(status)
				if status != 401 {
					s.policy(r, "current_password", 5)
				}
				require.Equal(s.T, `"current_password";q=5;w=60`, r.Header.Get("RateLimit-Policy"))
				require.Equal(s.T, status == 401, r.Header.Get("RateLimit") == "", "nobody knows whose")
			}
			require.Empty(s.T, api.Get("/healthz").Header.Get("RateLimit-Policy"))
			off := s.api.Post("/auth/login", "{}")
			require.Empty(s.T, off.Header.Get("RateLimit-Policy")+off.Header.Get("RateLimit"))
		}},
		{says: `overload (queue for password hashing or database full past its deadline) | 503 SERVICE_UNAVAILABLE with Retry-After, quickly, instead of a growing queue`, prove: func(s *stage) {
			api := s.with("password.permits=1", "password.queue_deadline=1ms")
			const callers = 8
			answers := make(chan *testkit.Response, callers)
			for range callers {
				go func() {
					answers <- api.Post("/auth/login", map[string]string{"email": s.user.Email, "password": s.user.Password})
				}()
			}
			shed := 0
			for range callers {
				if r := <-answers; r.StatusCode != http.StatusOK {
					r.Problem(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
					require.NotEmpty(s.T, r.Header.Get("Retry-After"))
					shed++
				}
			}
			require.Positive(s.T, shed)
		}, elsewhere: []string{
			"core/gate TestWhoWouldWaitTooLongIsSentAwayAtOnce", "core/gate TestGoodputHoldsUnderTenTimesTheLoad", "core/database TestExhaustedPoolAnswersWithinTheDeadline",
		}},
		{says: `a store or provider that is away | 503, never 401, 403, 404, 409 or success`, prove: func(s *stage) {
			api := s.away()
			asUser, asAdmin := api.As(s.user), api.As(s.admin)
			for _, r := range []*testkit.Response{
				asUser.Get("/users/me"), asUser.Patch("/users/me", `{"locale":"de"}`), asUser.Post("/auth/logout", nil), asUser.Get("/users/me/export"), asAdmin.Get("/users"),
				asAdmin.Delete("/users/"+s.user.ID.String(), nil), api.Post("/auth/register", registration("away@example.com")), api.Post("/auth/register", registration(s.user.Email)),
				api.Post("/auth/login", map[string]string{"email": "nobody@example.com", "password": "x"}), api.Post("/auth/forgot-password", email("nobody@example.com")),
				api.Post("/auth/refresh", map[string]string{"refresh_token": s.user.RefreshToken}),
			} {
				r.Problem(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
				require.NotEmpty(s.T, r.Header.Get("Retry-After"))
			}
		}, elsewhere: []string{"test/contract TestEveryDocumentedAnswerIsProduced", "modules/users TestAStoreThatIsAwayRefusesAndChangesNothing", "test/faults TestPostgreSQLMayRestart", "test/faults TestRedisMayBeAwaySlowOrEmpty"}},
		{says: `a panic or an unexpected error | 500 INTERNAL_ERROR, nothing of the inside; logged once with stack and request id`, prove: func(s *stage) {
			api := s.broken()
			for _, how := range []string{"panic", "error"} {
				id := "broken-" + how + s.address()
				r := api.WithHeader("X-Request-ID", id).Get("/broken/" + how)
				r.Problem(http.StatusInternalServerError, "INTERNAL_ERROR")
				for _, secret := range []string{inside, "api_broken_test.go", "goroutine"} {
					require.NotContains(s.T, string(r.Body), secret)
				}
				failures := 0
				for _, line := range s.lines(api, id) {
					if line["level"] == "ERROR" {
						failures++
						require.Contains(s.T, line["stack"], "core/httpapi", how)
					}
				}
				require.Equal(s.T, 1, failures, how)
			}
		}},
		{says: `X-Request-ID | taken if it is 1 to 128 of A-Z a-z 0-9 . _ -, else made; on every answer, every log line, every problem`, prove: func(s *stage) {
			for _, id := range []string{"a", "Az09._-", strings.Repeat("x", 128)} {
				require.Equal(s.T, id, s.asUser().WithHeader("X-Request-ID", id).Get("/users/me").Header.Get("X-Request-ID"))
			}
			for _, id := range []string{"", strings.Repeat("x", 129), "a b", "a/b", "ä", "a,b"} {
				require.Regexp(s.T, contractID, s.asUser().WithHeader("X-Request-ID", id).Get("/users/me").Header.Get("X-Request-ID"))
			}
			require.Regexp(s.T, contractID, s.asUser().WithHeader("X-Request-ID", "a").WithHeader("X-Request-ID", "b").Get("/users/me").Header.Get("X-Request-ID"))
			for what, r := range s.answers() {
				id := r.Header.Get("X-Request-ID")
				require.NotEmpty(s.T, id, what)
				if r.Header.Get("Content-Type") == "application/problem+json" {
					require.Equal(s.T, id, s.members(r)["request_id"], what)
				}
			}
			for _, line := range s.lines(s.broken(), "") {
				if msg, _ := line["msg"].(string); strings.HasPrefix(msg, "request") || msg == "panic" {
					require.NotEmpty(s.T, line["request_id"], line)
				}
			}
		}, elsewhere: []string{"core/telemetry TestEveryLineOfARequestCarriesItsID"}},
		{says: `Server-Timing | app;dur=<ms> on every answer`, prove: func(s *stage) {
			for what, r := range s.answers() {
				require.Regexp(s.T, `^app;dur=\d+(\.\d{1,3})?$`, r.Header.Get("Server-Timing"), what)
			}
		}},
		{says: `access log | one line a request at info on stderr: method, route pattern, status, ms, request_id; never query, body, token or e-mail`, prove: func(s *stage) {
			id, secret := "access-log-1", "query-7f3a9c"
			s.asAdmin().WithHeader("X-Request-ID", id).Get("/users/" + s.user.ID.String() + "?" + secret + "=1").Status(http.StatusBadRequest)
			found := s.lines(s.api, id)
			require.Len(s.T, found, 1)
			require.Equal(s.T, []string{"level", "method", "ms", "msg", "request_id", "route", "status", "time"}, names(found[0]))
			delete(found[0], "time")
			delete(found[0], "ms")
			require.Equal(s.T, map[string]any{"level": "INFO", "msg": "request", "method": "GET", "route": "/users/{id}", "status": 400.0, "request_id": id}, found[0])
			s.api.Post("/auth/login", map[string]string{"email": s.user.Email, "password": "body-7f3a9c"}).Status(http.StatusBadRequest)
			for _, never := range []string{secret, "body-7f3a9c", s.user.Email, s.user.AccessToken, s.user.RefreshToken, s.user.Password} {
				require.NotContains(s.T, s.api.Logs.String(), never)
			}
		}, elsewhere: []string{"test/contract TestStatement25SecretsNeverShow", "test/e2e TestStatement21NoRequestGives5xx"}},
		{says: `security headers | X-Content-Type-Options: nosniff, Cache-Control: no-store on all that is personal, Referrer-Policy: no-referrer, a strict CSP on pages; HSTS when public_url is https`, prove: func(s *stage) {
			public := []string{"keys", "document", "home", "docs", "error page", "avatar"} // the same for everybody
			for what, r := range s.answers() {
				require.Equal(s.T, "nosniff", r.Header.Get("X-Content-Type-Options"), what)
				require.Equal(s.T, "no-referrer", r.Header.Get("Referrer-Policy"), what)
				require.Equal(s.T, !slices.Contains(public, what), r.Header.Get("Cache-Control") == "no-store", what)
				require.Empty(s.T, r.Header.Get("Strict-Transport-Security"), what)
				if policy := r.Header.Get("Content-Security-Policy"); strings.HasPrefix(r.Header.Get("Content-Type"), "text/html") {
					require.Regexp(s.T, `default-src '(none|self)'`, policy, what)
					require.NotContains(s.T, policy, "unsafe-eval", what)
					require.NotContains(s.T, policy, "*", what)
				}
			}
			secure := s.with("http.public_url=https://auth.example.com")
			for _, path := range []string{"/users/me", "/nothing", "/docs", "/healthz"} {
				require.Contains(s.T, secure.Get(path).Header.Get("Strict-Transport-Security"), "max-age=", path)
			}
		}},
		{says: `CORS | off by default; an explicit list of origins, never * with credentials`, prove: func(s *stage) {
			const listed, asks = "https://app.example.com", "Access-Control-Request-Method"
			api := s.with("http.cors_origins=" + listed)
			for _, c := range []struct {
				api    *testkit.API
				origin string
				want   string
			}{{s.api, listed, ""}, {api, listed, listed}, {api, "https://evil.example.com", ""}, {api, "null", ""}, {api, listed + ":8443", ""}} {
				for _, r := range []*testkit.Response{
					c.api.WithHeader("Origin", c.origin).Get("/healthz"), c.api.WithHeader("Origin", c.origin).Get("/users/me"),
					c.api.WithHeader("Origin", c.origin).WithHeader(asks, "POST").Do(http.MethodOptions, "/auth/login", nil),
				} {
					require.Equal(s.T, c.want, r.Header.Get("Access-Control-Allow-Origin"), c.origin)
					require.Empty(s.T, r.Header.Get("Access-Control-Allow-Credentials"))
				}
			}
			a, err := app.New(app.Standard, app.Options{})
			require.NoError(s.T, err)
			_, err = a.Load(config.Source{Args: map[string]string{"http.cors_origins": "*"}})
			require.ErrorContains(s.T, err, "http.cors_origins")
		}},
		{says: `compression | large JSON answers; never answers that hold a token`, prove: func(s *stage) {
			zipped := s.broken().WithHeader("Accept-Encoding", "gzip")
			require.Equal(s.T, "gzip", zipped.Get("/large").Status(http.StatusOK).Header.Get("Content-Encoding"))
			require.Equal(s.T, "gzip", zipped.Get("/openapi.json").Header.Get("Content-Encoding"))
			require.Empty(s.T, s.broken().WithHeader("Accept-Encoding", "identity").Get("/large").Header.Get("Content-Encoding"))
			for _, r := range []*testkit.Response{
				zipped.Get("/token").Status(http.StatusOK), zipped.Post("/auth/login", map[string]string{"email": s.user.Email, "password": s.user.Password}).Status(http.StatusOK),
			} {
				require.Empty(s.T, r.Header.Get("Content-Encoding"))
			}
		}, elsewhere: []string{"core/httpapi TestAnswersThatHoldATokenAreNotCompressed"}},
	}
}

// answers gives one of every kind.
func (s *stage) answers() map[string]*testkit.Response {
	gone := s.signIn(s.user)
	over := s.limited("ratelimit.verify=1/1m")
	over.Post("/auth/verify-email", "{}")
	const origin = "https://app.example.com"
	asks := s.with("http.cors_origins="+origin).WithHeader("Origin", origin).WithHeader("Access-Control-Request-Method", "POST")
	picture, _ := s.members(setAvatar(s.T, s.asUser()).Status(200))["avatar_url"].(string)
	me := s.asUser().Get("/users/me")
	return map[string]*testkit.Response{
		"preflight": asks.Do(http.MethodOptions, "/auth/login", nil).Status(204), "avatar": s.api.Get(picture).Status(200), "503": s.away().As(s.user).Get("/users/me").Status(503),
		"200": me.Status(200), "304": s.asUser().WithHeader("If-None-Match", me.Header.Get("ETag")).Get("/users/me").Status(304),
		"HEAD": s.asUser().Do(http.MethodHead, "/users/me", nil).Status(200), "202": s.api.Post("/auth/forgot-password", email("nobody@example.com")).Status(202),
		"204": s.api.As(gone).Post("/auth/logout", nil).Status(204), "400": s.api.Post("/auth/login", "{").Status(400), "401": s.api.Get("/users/me").Status(401),
		"403": s.asUser().Get("/users").Status(403), "404": s.api.Get("/nothing").Status(404), "405": s.api.Get("/auth/login").Status(405),
		"413": s.api.Post("/auth/login", strings.Repeat("x", 2<<20)).Status(413), "415": s.api.WithHeader("Content-Type", "text/plain").Post("/auth/login", "x").Status(415),
		"429": over.Post("/auth/verify-email", "{}").Status(429), "500": s.broken().Get("/broken/error").Status(500), "a panic": s.broken().Get("/broken/panic").Status(500),
		"keys": s.api.Get("/.well-known/jwks.json").Status(200), "document": s.api.Get("/openapi.json").Status(200), "home": s.api.Get("/").Status(200), "docs": s.api.Get("/docs").Status(200),
		"error page": s.api.Get("/errors/conflict").Status(200), "form": s.api.Get("/reset-password?token=x").Status(400), "health": s.api.Get("/healthz").Status(200),
		"login": s.api.Post("/auth/login", map[string]string{"email": s.user.Email, "password": s.user.Password}).Status(200),
	}
}

// lines gives what an app has logged under a request's id, or all.
func (s *stage) lines(api *testkit.API, id string) (all []map[string]any) {
	for text := range strings.Lines(api.Logs.String()) {
		var line map[string]any
		require.NoError(s.T, json.Unmarshal([]byte(text), &line), text)
		if id == "" || line["request_id"] == id {
			all = append(all, line)
		}
	}
	return all
}

// firstLine sends bytes as they are, and wants the answer to begin so; it gives what came of it. What the request
// announces and does not send is never sent.
func (s *stage) firstLine(url, request, want string) string {
	dialer := net.Dialer{Timeout: 10 * time.Second}
	conn, err := dialer.DialContext(s.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(s.T, err)
	defer func() { _ = conn.Close() }()
	require.NoError(s.T, conn.SetDeadline(time.Now().Add(30*time.Second)))
	var sending sync.WaitGroup
	defer sending.Wait()
	defer func() { _ = conn.Close() }()
	sending.Go(func() { _, _ = io.WriteString(conn, request) }) // the answer may come before all is sent
	answer := make([]byte, 4096)
	n, err := io.ReadAtLeast(conn, answer, len(want))
	require.NoError(s.T, err, "%.60q", request)
	require.Equal(s.T, want, string(answer[:len(want)]), "%.60q", request)
	return string(answer[:n])
}
