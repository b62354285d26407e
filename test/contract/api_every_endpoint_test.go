package contract_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
)

func TestContractEveryEndpoint(t *testing.T) {
	t.Parallel()
	proveChapter(t, everyEndpoint())
}

func everyEndpoint() []proof {
	return slices.Concat([]proof{
		{says: `Order of checks: 404, 405; address limit (counts every request that reaches the route, before its body is read; refresh and logout count once their token has been read); 401; 403; 415; 413; 400; account limit; the work.`, prove: func(s *stage) {
			s.checksComeInOrder()
			s.addressLimitsComeFirst()
			s.accountLimitsComeLast()
		}},
		{says: `validation | every field of every body, path, query and header before any work; all faults of a request come back at once, up to a hundred of its query and a hundred of its body, where detail says that there may be more`, prove: func(s *stage) {
			s.asAdmin().WithHeader("If-Match", "x").Patch("/users/x?y=1", `{"full_name":" ","role":"god","is_active":1,"shoe":1}`).Invalid(
				"id invalid_format", "y unknown_field", "If-Match invalid_format", "#/full_name too_short", "#/role not_allowed", "#/is_active wrong_type", "#/shoe unknown_field")
			for count, want := range map[int]int{99: 99 + 2, 100: 100, 1000: 100} { // the two that are missing stand behind them
				p := s.api.Post("/auth/login?"+strings.Repeat("x&", count), "{"+strings.TrimPrefix(strings.Repeat(`,"x":1`, count), ",")+"}").Problem(http.StatusBadRequest, "VALIDATION_ERROR")
				require.Len(s.T, p.Errors, min(count, 100)+min(want, 100))
				require.Contains(s.T, p.Detail, "; there may be more")
			}
			few := s.api.Post("/auth/register?x", `{"email":"ada@example.com","password":"short"}`).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			require.Len(s.T, few.Errors, 5)
			require.Equal(s.T, "3 fields are invalid", few.Detail, "of which one has three faults")
			before := s.asAdmin().Get("/users/" + s.user.ID.String()).Header.Get("ETag")
			s.asAdmin().Patch("/users/"+s.user.ID.String(), `{"full_name":"Changed","role":"god"}`).Invalid("#/role not_allowed")
			require.Equal(s.T, before, s.asAdmin().Get("/users/"+s.user.ID.String()).Header.Get("ETag"))
		}},
		{says: `unknown or duplicate JSON member, unknown or repeated query parameter, trailing data, wrong type, malformed JSON, invalid UTF-8, a query string that does not parse whole (;, bad %), wrong case of a name | 400 VALIDATION_ERROR naming the place`, prove: func(s *stage) {
			for body, faults := range map[string][]string{
				`{"email":"a@example.com","password":"x","more":1}`:                {"#/more unknown_field"},
				`{"email":"a@example.com","password":"x","password":"x"}`:          {"#/password duplicate"},
				`{"email":"a@example.com","password":"x"} {}`:                      {"# invalid_format"},
				`{"email":1,"password":["x"]}`:                                     {"#/email wrong_type", "#/password wrong_type"},
				`{"email":null,"password":"x"}`:                                    {"#/email wrong_type"},
				`[]`:                                                               {"# wrong_type"},
				`{"Email":"a@example.com","password":"x"}`:                         {"#/Email unknown_field", "#/email required"},
				`{"email":"a@example.com","password":"x","a/b":{"c":[{}]},"ä":""}`: {"#/a~1b unknown_field", "#/%C3%A4 unknown_field"},
			} {
				s.api.Post("/auth/login", body).Invalid(faults...)
			}
			for _, body := range []string{`{"email":"a@example.com"`, `{"email":"a@example.com",}`, `{'email':1}`, "{\"email\":\"\xff\"}", `{"email":"\ud800"}`, "\ufeff{}", "nil"} {
				p := s.api.Post("/auth/login", body).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
				require.Len(s.T, p.Errors, 1, body)
				require.Equal(s.T, "invalid_format", string(p.Errors[0].Code), body)
				require.True(s.T, strings.HasPrefix(p.Errors[0].Pointer, "#"), body)
			}
			for query, faults := range map[string][]string{
				"more=1&ended=true&also=2": {"more unknown_field", "also unknown_field"}, "ended=true&ended=true": {"ended duplicate"}, "ended=true;more=1": {"ended invalid_format"},
				"ended=%zz": {"ended invalid_format"}, "ended=%ff": {"ended invalid_format"}, "%zz=1": {"query invalid_format"}, "Ended=true": {"Ended unknown_field"}, "ended=True": {"ended invalid_format"}, "ended": {"ended invalid_format"},
			} {
				s.asUser().Get("/users/me/sessions?" + query).Invalid(faults...)
			}
			s.api.Post("/auth/login?x=1", `{}`).Invalid("x unknown_field", "#/email required", "#/password required")
		}},
		{says: `body that is not the declared media type | 415 UNSUPPORTED_MEDIA_TYPE`, prove: func(s *stage) {
			const body = `{"token":"x"}`
			for _, contentType := range []string{"text/plain", "application/xml", "", "application/json; charset=iso-8859-1", "application/x-www-form-urlencoded", "json"} {
				s.api.WithHeader("Content-Type", contentType).Post("/auth/verify-email", body).Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
			}
			s.api.WithHeader("Content-Encoding", "gzip").Post("/auth/verify-email", body).Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
			for _, contentType := range []string{"application/json", "application/json; charset=UTF-8", "Application/JSON"} {
				s.api.WithHeader("Content-Type", contentType).Post("/auth/verify-email", body).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			}
			s.asUser().WithHeader("Content-Type", "text/plain").Put("/users/me/avatar", "x").Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		}},
		{says: `body over the limit (JSON 1 MiB, avatar 5 MiB; settings) | 413 PAYLOAD_TOO_LARGE, without reading the rest`, prove: func(s *stage) {
			const json, picture = 1 << 20, 5 << 20
			padded := func(size int) string { return `{"token":"x"}` + strings.Repeat(" ", size-len(`{"token":"x"}`)) }
			s.api.Post("/auth/verify-email", padded(json)).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			r := s.api.Post("/auth/verify-email", padded(json+1))
			r.Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
			images := s.asUser().WithHeader("Content-Type", "image/png")
			damaged := append(smallPNG(s.T), make([]byte, picture)...)
			images.Put("/users/me/avatar", damaged[:picture+1]).Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
			require.NotEqual(s.T, http.StatusRequestEntityTooLarge, images.Put("/users/me/avatar", damaged[:picture]).StatusCode)
			for _, head := range []string{"Content-Length: 1099511627776\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n100001\r\n" + strings.Repeat(" ", json+1)} {
				s.firstLine(s.api.URL, "POST /auth/verify-email HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+head, "HTTP/1.1 413")
			}
			small := s.with("http.max_body=1KiB", "users.avatar.max_size=1KiB")
			small.Post("/auth/verify-email", padded(1<<10)).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			small.Post("/auth/verify-email", padded(1<<10+1)).Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
			small.As(s.user).WithHeader("Content-Type", "image/png").Put("/users/me/avatar", damaged[:1<<10+1]).Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
		}, elsewhere: []string{"test/faults TestStatement22LargeAndDeepInputIsRefusedAtOnce"}},
		{says: `headers | up to 64 KiB (setting); above it, and for what HTTP itself refuses (a malformed request line or header, an unknown expectation, transfer coding or version), the HTTP layer answers 431, 400, 417, 501 or 505 without a problem body: the only exceptions`, prove: func(s *stage) {
			public, _ := s.wholly("http.max_header=64KiB")
			const most, head, end = 64 << 10, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", "\r\n\r\n"
			sized := func(size int) string { return head + strings.Repeat("x", size-len(head)-len(end)) + end }
			s.firstLine(public, sized(most), "HTTP/1.1 200")
			for request, status := range map[string]string{
				sized(most + 2): "431", "GARBAGE\r\n\r\n": "400", "GET /healthz HTTP/1.1\r\nHost: x\r\nX y: z\r\n\r\n": "400", "GET /healthz HTTP/1.1\r\n\r\n": "400",
				"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n": "417", "POST /auth/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n": "501", "GET /healthz HTTP/3.0\r\nHost: x\r\n\r\n": "505",
			} {
				require.NotContains(s.T, s.firstLine(public, request, "HTTP/1.1 "+status), "problem+json")
			}
		}},
		{says: `unknown path / wrong method | 404 NOT_FOUND / 405 METHOD_NOT_ALLOWED with Allow; no path is cleaned, redirected or matched in another case`, prove: func(s *stage) {
			for _, path := range []string{"/nothing", "/users/me/", "/users//me", "/users/../users/me", "/users/me/.", "/USERS/me", "/Docs", "/docs/", "/users/me/nothing"} {
				s.asUser().Get(path).Problem(http.StatusNotFound, "NOT_FOUND")
			}
			for path, allow := range map[string]string{
				"/users/me": "DELETE, GET, HEAD, PATCH", "/auth/login": "POST", "/users/me/sessions": "GET, HEAD", "/docs": "GET, HEAD", "/users/x/sessions/y": "DELETE", "/reset-password": "GET, HEAD, POST",
			} {
				for _, method := range []string{"OPTIONS", "PUT", "BREW"} {
					r := s.asUser().Do(method, path, nil)
					r.Problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
					require.Equal(s.T, allow, r.Header.Get("Allow"), path)
				}
			}
		}},
		{says: `missing, malformed, expired, revoked or wrongly signed token | 401 AUTHENTICATION_ERROR with WWW-Authenticate: Bearer and its error (RFC 6750), which a missing token has none of`, prove: func(s *stage) {
			const worthless = `Bearer error="invalid_token", error_description="the token is malformed, expired, revoked or not ours"`
			var said []string // of the tokens that are worth nothing
			challenge := func(token string) string {
				r := s.api.WithToken(token).Get("/users/me")
				said = append(said, r.Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR").Detail)
				return r.Header.Get("WWW-Authenticate")
			}
			r := s.api.Get("/users/me")
			r.Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			require.Equal(s.T, "Bearer", r.Header.Get("WWW-Authenticate"))
			revoked, expired := s.signIn(s.user), s.signIn(s.user)
			s.api.As(revoked).Post("/auth/logout", nil).Status(http.StatusNoContent)
			signature := strings.LastIndexByte(s.user.AccessToken, '.') + 1
			forged := s.user.AccessToken[:signature] + strings.Map(func(r rune) rune {
				if r == 'A' {
					return 'B'
				}
				return 'A'
			}, s.user.AccessToken[signature:])
			for _, token := range []string{"x", "a.b.c", s.user.AccessToken + "x", s.user.RefreshToken, revoked.AccessToken, forged} {
				require.Equal(s.T, worthless, challenge(token))
			}
			s.clk.Advance(16 * time.Minute) // its 15, and one for clocks that differ
			require.Equal(s.T, worthless, challenge(expired.AccessToken))
			require.Len(s.T, slices.Compact(said), 1, "nothing tells why")
			require.Equal(s.T, worthless, s.refresh("x").Header.Get("WWW-Authenticate"))
		}},
		{says: `valid token without the permission | 403 AUTHORIZATION_ERROR`, prove: func(s *stage) {
			for _, op := range s.api.App.Router.Operations() {
				if op.Access != "public" && op.Access != "signed in" {
					s.asUser().Do(op.Method, op.Path, nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
				}
			}
		}},
		{says: `An operation that takes no body reads none.`, prove: func(s *stage) {
			u := s.api.User()
			for _, body := range []string{"{", `{"x":1}`, strings.Repeat("x", 2<<20)} {
				s.asAdmin().WithHeader("Content-Type", "text/plain").Post("/users/"+u.ID.String()+"/password-reset", body).Status(http.StatusAccepted)
				s.asUser().Delete("/users/me/avatar", body).Status(http.StatusNoContent)
			}
		}},
		{says: `Pages, documents and health take any query.`, prove: func(s *stage) {
			for _, path := range []string{"/", "/docs", "/openapi.json", "/openapi.yaml", "/healthz", "/errors/conflict"} {
				s.api.Get(path + "?utm=1&utm=2&x=%zz").Status(http.StatusOK)
			}
			u := s.api.User()
			s.api.Post("/auth/verify-email/resend", email(u.Email)).Status(http.StatusAccepted)
			s.api.Get("/verify-email?utm=1&token=" + s.mailed(u.Email, "/verify-email")).Status(http.StatusOK)
		}},
	}, everyAnswer())
}

// checksComeInOrder sends what is wrong in every way, and mends one thing after the other.
func (s *stage) checksComeInOrder() {
	small := s.with("http.max_body=1KiB")
	nobody := account.NewID().String()
	long, valid := strings.Repeat("x", 2<<10), `{"full_name":"Ada King"}`
	plain := small.WithHeader("Content-Type", "text/plain")
	plain.Patch("/user/"+nobody+"?x=1", long).Problem(http.StatusNotFound, "NOT_FOUND")
	plain.Put("/users/"+nobody+"?x=1", long).Problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	plain.Patch("/users/"+nobody+"?x=1", long).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	plain.As(s.user).Patch("/users/"+nobody+"?x=1", long).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
	plain.As(s.admin).Patch("/users/"+nobody+"?x=1", long).Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
	small.As(s.admin).Patch("/users/"+nobody+"?x=1", long).Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
	small.As(s.admin).Patch("/users/"+nobody+"?x=1", valid).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
	small.As(s.admin).Patch("/users/"+nobody, valid).Problem(http.StatusNotFound, "NOT_FOUND")
	small.As(s.admin).WithHeader("If-Match", `"x"`).Patch("/users/"+s.user.ID.String(), `{"email":"`+s.admin.Email+`"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
}

// addressLimitsComeFirst uses limits of one up with requests that are wrong.
func (s *stage) addressLimitsComeFirst() {
	once := []string{"ratelimit.login=1/1m", "ratelimit.logout=1/1m", "ratelimit.refresh=1/1m"}
	api := s.limited(once...)
	api.Get("/auth/login").Problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	api.WithHeader("Content-Type", "text/plain").Post("/auth/login", "{}").Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
	s.refused(api.WithHeader("Content-Type", "text/plain").Post("/auth/login", strings.Repeat("x", 2<<20)))

	api.Post("/auth/logout", nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	s.refused(api.Post("/auth/logout", nil))
	out := s.signIn(s.user)
	api.As(out).Post("/auth/logout", nil).Status(http.StatusNoContent) // counts on its session

	api.Post("/auth/refresh", `{"refresh_token":"x"}`).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	s.refused(api.Post("/auth/refresh", `{"refresh_token":"x"}`))
	s.refused(api.WithHeader("Content-Type", "text/plain").Post("/auth/refresh", "{}"))
	api.Post("/auth/refresh", map[string]string{"refresh_token": s.signIn(s.user).RefreshToken}).Status(http.StatusOK)
}

// accountLimitsComeLast has a user's limit spared by what is invalid, and used by what is about to be done.
func (s *stage) accountLimitsComeLast() {
	api := s.limited("ratelimit.current_password=1/1m")
	u := s.api.User()
	for range 3 {
		api.As(u).Put("/users/me/password", "{}").Problem(http.StatusBadRequest, "VALIDATION_ERROR")
	}
	api.As(u).Put("/users/me/password", newPassword("wrong")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
	api.As(u).Put("/users/me/password", "{}").Problem(http.StatusBadRequest, "VALIDATION_ERROR")
	s.refused(api.As(u).Put("/users/me/password", newPassword(u.Password)))
	s.api.LogIn(&u) // with the old password still
}
