package contract_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/picture"
	"github.com/gatehouse/gatehouse/modules/auth"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestContractErrors(t *testing.T) {
	t.Parallel()
	proveChapter(t, errorAnswers())
}

func errorAnswers() []proof {
	return slices.Concat([]proof{
		{says: `application/problem+json (RFC 9457) for every error:`, prove: func(s *stage) {
			failed := 0
			for what, r := range s.answers() {
				if r.StatusCode < 400 || what == "form" { // a page for people
					continue
				}
				failed++
				require.Equal(s.T, "application/problem+json", r.Header.Get("Content-Type"), what)
				p := s.members(r)
				require.Subset(s.T, []string{"code", "detail", "errors", "instance", "reason", "request_id", "status", "title", "type"}, names(p), what)
				require.InDelta(s.T, r.StatusCode, p["status"], 0, what)
			}
			require.Greater(s.T, failed, 9)
		}},
		{says: exampleProblem, prove: func(s *stage) {
			const id = "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"
			r := s.api.WithHeader("X-Request-ID", id).Post("/auth/register", map[string]string{"email": "ada@example.com", "password": "Ab1xyzw", "full_name": "Ada"})
			require.JSONEq(s.T, exampleProblem, string(r.Status(http.StatusBadRequest).Body))
		}},
		{says: `type is a path that answers with a page.`, prove: func(s *stage) {
			page, err := os.ReadFile(contractPage)
			require.NoError(s.T, err)
			codes := 0
			for _, st := range read(string(page)) {
				code, _, isRow := strings.Cut(st.text, " | ")
				if st.chapter != "Errors" || !isRow {
					continue
				}
				codes++
				at := s.api.Get(httpapi.TypePath(code)).Status(http.StatusOK)
				require.Equal(s.T, "text/html; charset=utf-8", at.Header.Get("Content-Type"))
				require.Contains(s.T, string(at.Body), code)
			}
			require.Equal(s.T, 13, codes)
			p := s.api.Get("/nothing").Problem(http.StatusNotFound, "NOT_FOUND")
			require.Equal(s.T, "/errors/not-found", p.Type)
			s.api.Get("/errors/nothing").Problem(http.StatusNotFound, "NOT_FOUND")
		}},
		{says: `reason is an optional top-level member, finer than code.`, prove: func(s *stage) {
			require.Equal(s.T, "email_already_exists", s.members(s.api.Post("/auth/register", registration(s.user.Email)).Status(http.StatusConflict))["reason"])
			require.Equal(s.T, "last_admin", s.members(s.asAdmin().Delete("/users/"+s.admin.ID.String(), nil).Status(http.StatusConflict))["reason"])
			require.NotContains(s.T, s.members(s.api.Get("/nothing").Status(http.StatusNotFound)), "reason")
		}},
		{says: `Each entry of errors has exactly one of pointer (body), parameter (query, path) or header; its codes: ` + faultCodes + `.`, prove: func(s *stage) {
			var listed []string
			for _, f := range errs.AllFaults {
				listed = append(listed, string(f))
			}
			require.Equal(s.T, faultCodes, strings.Join(listed, ", "))
			s.faultsOfEveryKind(listed)
		}},
		{says: `No input is echoed, but for the request's path and the names of places.`, prove: func(s *stage) {
			const marker = "marker-7f3a9c"
			for _, r := range []*testkit.Response{
				s.api.Post("/auth/login", `{"email":"`+marker+`","password":"`+marker+`"}`), s.api.Post("/auth/login", `{"email":["`+marker+`"]}`), s.api.Post("/auth/login", marker),
				s.api.Post("/auth/register", map[string]string{"email": marker + "@localhost", "password": marker, "full_name": marker + "\x00"}),
				s.asAdmin().Get("/users?cursor=" + marker + "&sort=" + marker + "&limit=" + marker + "&role=" + marker + "&created_after=" + marker),
				s.asUser().WithHeader("If-Match", marker).Patch("/users/me", `{"locale":"`+marker+`","timezone":"`+marker+`"}`),
				s.api.WithToken(marker).Get("/users/me"), s.api.WithHeader("Content-Type", marker).Post("/auth/login", "{}"), s.api.Post("/auth/refresh", `{"refresh_token":"`+marker+`"}`),
			} {
				require.GreaterOrEqual(s.T, r.StatusCode, 400)
				require.NotContains(s.T, string(r.Body), marker)
			}
			p := s.api.Post("/auth/login?"+marker+"=1", `{"`+marker+`":1,"email":"ada@example.com","password":"x"}`).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			require.Equal(s.T, []string{marker, "#/" + marker}, []string{p.Errors[0].Parameter, p.Errors[1].Pointer})
			require.Equal(s.T, "/"+marker, s.api.Get("/"+marker+"?"+marker).Problem(http.StatusNotFound, "NOT_FOUND").Instance)
		}},
		{says: `Six of them (INTERNAL_ERROR, VALIDATION_ERROR, AUTHENTICATION_ERROR, AUTHORIZATION_ERROR, NOT_FOUND, CONFLICT) are the hierarchy's roots, one Go type each carrying status and code; ours and modules' stand under them.`, prove: func(s *stage) {
			for root, status := range map[errs.Family]int{
				errs.InternalError{}: 500, errs.ValidationError{}: 400, errs.AuthenticationError{}: 401, errs.AuthorizationError{}: 403, errs.NotFoundError{}: 404, errs.ConflictError{}: 409,
			} {
				require.Equal(s.T, status, root.Status())
				require.Equal(s.T, root.Code(), errs.New(root, "", "x").Code())
			}
			for root, below := range map[string][]error{
				"INTERNAL_ERROR":       {errs.ErrInternal, errs.ErrRateLimited, errs.ErrUnavailable},
				"VALIDATION_ERROR":     {errs.ErrValidation, errs.ErrPayloadTooLarge, errs.ErrUnsupportedMediaType, auth.ErrInvalidCredentials, auth.ErrInvalidToken, picture.ErrFormat, picture.ErrTooLarge},
				"AUTHENTICATION_ERROR": {errs.ErrAuthentication, errs.ErrInvalidToken, sessions.ErrEnded, sessions.ErrRefreshToken},
				"AUTHORIZATION_ERROR":  {errs.ErrAuthorization, auth.ErrRegistrationClosed, auth.ErrEmailNotVerified},
				"NOT_FOUND":            {errs.ErrNotFound, errs.ErrMethodNotAllowed, users.ErrNotFound, sessions.ErrNotFound},
				"CONFLICT":             {errs.ErrConflict, errs.ErrPreconditionFailed, users.ErrEmailTaken, users.ErrLastAdmin, auth.ErrInactive},
			} {
				for _, err := range below {
					require.Equal(s.T, []string{root}, rootsOf(err), err)
				}
			}
		}},
	}, errorCodes())
}

const (
	exampleProblem = `{"type": "/errors/validation-error", "title": "Validation error", "status": 400, "code": "VALIDATION_ERROR", "detail": "1 field is invalid", "instance": "/auth/register", "request_id": "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d", "errors": [{"pointer": "#/password", "code": "too_short", "message": "must be at least 8 characters"}]}`
	faultCodes     = `required, wrong_type, too_short, too_long, out_of_range, invalid_format, unknown_field, duplicate, not_allowed, missing_upper, missing_lower, missing_digit, common_password, contains_context`
)

// rootsOf lists the codes of the roots that an error stands under.
func rootsOf(err error) (codes []string) {
	for _, find := range []func(error) (errs.Family, bool){under[errs.InternalError], under[errs.ValidationError], under[errs.AuthenticationError], under[errs.AuthorizationError], under[errs.NotFoundError], under[errs.ConflictError]} {
		if family, ok := find(err); ok {
			codes = append(codes, family.Code())
		}
	}
	return codes
}

func under[F errs.Family](err error) (errs.Family, bool) { return errors.AsType[F](err) }

// faultsOfEveryKind provokes each code, and looks at the place of each entry.
func (s *stage) faultsOfEveryKind(all []string) {
	register := func(password string) *testkit.Response {
		return s.api.Post("/auth/register", map[string]string{"email": s.user.Email, "password": password, "full_name": strings.Repeat("x", 101)})
	}
	var found []string
	for _, r := range []*testkit.Response{
		s.api.Post("/auth/login", `{"email":1,"email":2,"more":3}`), register("a"), register("A"), register("Password123"), register("Gatehouse-2024"),
		s.asAdmin().Get("/users?limit=0&created_after=x&role=god&more=1"), s.asAdmin().Get("/users/x"), s.asUser().WithHeader("If-Match", "x").Patch("/users/me", `{"locale":"de"}`),
	} {
		var p struct {
			Errors []map[string]string `json:"errors"`
		}
		require.NoError(s.T, json.Unmarshal(r.Status(http.StatusBadRequest).Body, &p))
		require.NotEmpty(s.T, p.Errors)
		for _, entry := range p.Errors {
			require.Len(s.T, entry, 3, "a place, a code and a message: %v", entry)
			require.NotEmpty(s.T, entry["message"])
			places := 0
			for _, place := range []string{"pointer", "parameter", "header"} {
				if entry[place] != "" {
					places++
				}
			}
			require.Equal(s.T, 1, places, entry)
			found = append(found, entry["code"])
		}
	}
	slices.Sort(found)
	slices.Sort(all)
	require.Equal(s.T, all, slices.Compact(found))
}

func errorCodes() []proof {
	return []proof{
		{says: `INTERNAL_ERROR | 500 | the base: whatever no other row covers`, prove: func(s *stage) {
			s.broken().Get("/broken/error").Problem(http.StatusInternalServerError, "INTERNAL_ERROR")
			require.Equal(s.T, "INTERNAL_ERROR", errs.From(errors.New("unforeseen")).Code())
		}},
		{says: `VALIDATION_ERROR | 400 | the input is wrong`, prove: func(s *stage) {
			s.api.Post("/auth/login", "{}").Problem(http.StatusBadRequest, "VALIDATION_ERROR")
		}},
		{says: `INVALID_CREDENTIALS | 400 | wrong e-mail or password, unknown or disabled account: one message; also a wrong current_password (pointer #/current_password)`, prove: func(s *stage) {
			disabled := s.api.User()
			s.asAdmin().Patch("/users/"+disabled.ID.String(), `{"is_active":false}`).Status(http.StatusOK)
			var messages []httpapi.Problem
			for address, password := range map[string]string{s.user.Email: "wrong", "nobody@example.com": s.user.Password, disabled.Email: disabled.Password} {
				p := s.api.Post("/auth/login", map[string]string{"email": address, "password": password}).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
				p.RequestID = ""
				messages = append(messages, p)
			}
			require.Equal(s.T, messages[0], messages[1])
			require.Equal(s.T, messages[0], messages[2])
			p := s.asUser().Put("/users/me/password", newPassword("wrong")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			require.Equal(s.T, "#/current_password", p.Errors[0].Pointer)
		}},
		{says: `AUTHENTICATION_ERROR | 401 | no valid token`, prove: func(s *stage) {
			s.api.Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.api.Post("/auth/refresh", `{"refresh_token":"x"}`).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}},
		{says: `AUTHORIZATION_ERROR | 403 | not allowed; at login also reason: email_not_verified (setting)`, prove: func(s *stage) {
			s.asUser().Get("/users").Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
			asked := map[string]string{"email": s.user.Email, "password": s.user.Password}
			strict := s.with("auth.login.require_verified_email=true")
			require.Equal(s.T, "email_not_verified", strict.Post("/auth/login", asked).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR").Reason)
			asked["password"] = "wrong"
			strict.Post("/auth/login", asked).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}},
		{says: `NOT_FOUND | 404`, prove: func(s *stage) {
			s.api.Get("/nothing").Problem(http.StatusNotFound, "NOT_FOUND")
			s.asAdmin().Get("/users/"+account.NewID().String()).Problem(http.StatusNotFound, "NOT_FOUND")
		}},
		{says: `METHOD_NOT_ALLOWED | 405`, prove: func(s *stage) {
			s.api.Get("/auth/login").Problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
		}},
		{says: `CONFLICT | 409 | unique value taken, last administrator, state does not allow it`, prove: func(s *stage) {
			inactive := s.api.User()
			at := "/users/" + inactive.ID.String()
			s.asAdmin().Patch(at, `{"is_active":false}`).Status(http.StatusOK)
			for reason, r := range map[string]*testkit.Response{
				"email_already_exists": s.asAdmin().Patch(at, `{"email":"`+s.user.Email+`"}`), "last_admin": s.asAdmin().Patch("/users/"+s.admin.ID.String(), `{"role":"user"}`),
				"user_inactive": s.asAdmin().Post(at+"/password-reset", nil),
			} {
				require.Equal(s.T, reason, r.Problem(http.StatusConflict, "CONFLICT").Reason)
			}
		}},
		{says: `PRECONDITION_FAILED | 412 | If-Match does not match`, prove: func(s *stage) {
			s.asUser().WithHeader("If-Match", `"x"`).Patch("/users/me", `{"locale":"de"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		}},
		{says: `PAYLOAD_TOO_LARGE | 413`, prove: func(s *stage) {
			s.api.Post("/auth/login", strings.Repeat(" ", 1<<20+1)).Problem(http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE")
		}},
		{says: `UNSUPPORTED_MEDIA_TYPE | 415`, prove: func(s *stage) {
			s.api.WithHeader("Content-Type", "text/plain").Post("/auth/login", "{}").Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		}},
		{says: `RATE_LIMITED | 429`, prove: func(s *stage) {
			api := s.limited("ratelimit.login=1/1m")
			api.Post("/auth/login", "{}").Status(http.StatusBadRequest)
			api.Post("/auth/login", "{}").Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		}},
		{says: `SERVICE_UNAVAILABLE | 503 | overloaded, or a needed store is away`, prove: func(s *stage) {
			s.away().As(s.user).Get("/users/me").Problem(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE")
		}, elsewhere: []string{"core/gate TestWhoWouldWaitTooLongIsSentAwayAtOnce"}},
	}
}
