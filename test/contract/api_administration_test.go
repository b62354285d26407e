package contract_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
)

func TestContractAdministration(t *testing.T) {
	t.Parallel()
	proveChapter(t, administration())
}

func administration() []proof {
	return []proof{
		{says: `POST /users {"email", "full_name", "role"} → 201 User, an invitation is mailed (<public_url>/reset-password?token=…, valid 7 days; POST /auth/reset-password takes it too and marks the address as verified; no password is ever chosen by an administrator).`, prove: func(s *stage) {
			s.administratorsOnly(http.MethodPost, "/users")
			public := s.with("http.public_url=https://auth.example.com")
			admin := s.admin
			public.LogIn(&admin) // its tokens name another issuer
			got := s.isUser(public.As(admin).Post("/users", map[string]string{"email": "Invited@example.com", "full_name": " Charles Babbage ", "role": "admin"}), 201)
			require.Equal(s.T, []any{"Invited@example.com", "Charles Babbage", "admin", true, false}, []any{got["email"], got["full_name"], got["role"], got["is_active"], got["email_verified"]})
			public.WorkJobs()
			require.Regexp(s.T, `^https://auth\.example\.com/reset-password\?token=gtm_[A-Za-z0-9_-]+$`, public.LastMailTo("Invited@example.com").Links[0])
			token := s.mailed("Invited@example.com", "/reset-password")
			s.clk.Advance(7*24*time.Hour - time.Second)
			s.setPassword(token, "Analytical-Engine-1843", "")
			s.setPassword(token, "Analytical-Engine-1843", "invalid_token")
			logged := s.members(s.api.Post("/auth/login", map[string]string{"email": "invited@example.com", "password": "Analytical-Engine-1843"}).Status(http.StatusOK))
			require.Equal(s.T, true, s.members(s.api.WithToken(logged["access_token"].(string)).Get("/users/me"))["email_verified"])

			s.api.LogIn(&admin)
			s.api.As(admin).Post("/users", invitation("late@example.com")).Status(http.StatusCreated)
			token = s.mailed("late@example.com", "/reset-password")
			s.clk.Advance(7 * 24 * time.Hour)
			s.setPassword(token, "Analytical-Engine-1843", "invalid_token")

			s.api.LogIn(&admin)
			chosen := invitation("chosen@example.com")
			chosen["password"] = "Difference-Engine-1842"
			s.api.As(admin).Post("/users", chosen).Invalid("#/password unknown_field")
			s.api.As(admin).Post("/users", "{}").Invalid("#/email required", "#/full_name required", "#/role required")
			s.api.As(admin).Post("/users", invitation("LATE@example.com")).Problem(http.StatusConflict, "CONFLICT")
			s.api.As(admin).Patch("/users/"+s.user.ID.String(), `{"password":"Difference-Engine-1842"}`).Invalid("#/password unknown_field")
		}},
		{says: `POST /users/{id}/password-reset → 202.`, prove: func(s *stage) {
			u := s.api.User()
			at := "/users/" + u.ID.String() + "/password-reset"
			s.administratorsOnly(http.MethodPost, at)
			s.emptyBody(s.asAdmin().Post(at, nil).Status(http.StatusAccepted))
			s.api.As(u).Get("/users/me").Status(http.StatusOK) // nothing has changed yet
			s.setPassword(s.mailed(u.Email, "/reset-password"), "Analytical-Engine-1843", "")
			s.asAdmin().Post("/users/"+account.NewID().String()+"/password-reset", nil).Problem(http.StatusNotFound, "NOT_FOUND")
		}},
		{says: `GET /users/{id}/sessions → 200, as the user is shown them.`, prove: func(s *stage) {
			at := "/users/" + s.user.ID.String() + "/sessions"
			s.administratorsOnly(http.MethodGet, at)
			ended := s.signIn(s.user)
			s.api.As(ended).Post("/auth/logout", nil).Status(http.StatusNoContent)
			for _, query := range []string{"", "?ended=true"} {
				own, theirs := s.items(s.asUser().Get("/users/me/sessions"+query)), s.items(s.asAdmin().Get(at+query))
				require.NotEmpty(s.T, own)
				for _, item := range own {
					item["current"] = false // none is the administrator's
				}
				require.Equal(s.T, own, theirs)
			}
			s.asAdmin().Get("/users/"+account.NewID().String()+"/sessions").Problem(http.StatusNotFound, "NOT_FOUND")
		}},
		{says: `DELETE /users/{id}/sessions and DELETE /users/{id}/sessions/{sid} → 204.`, prove: func(s *stage) {
			u := s.api.User()
			second, third := s.signIn(u), s.signIn(u)
			at := "/users/" + u.ID.String() + "/sessions"
			one := at + "/" + sessionOf(s.T, s.api.As(second))
			s.administratorsOnly(http.MethodDelete, at)
			s.administratorsOnly(http.MethodDelete, one)
			s.emptyBody(s.asAdmin().Delete(one, nil).Status(http.StatusNoContent))
			s.api.As(second).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.api.As(third).Get("/users/me").Status(http.StatusOK)
			s.asAdmin().Delete(one, nil).Problem(http.StatusNotFound, "NOT_FOUND")
			s.asAdmin().Delete(at+"/"+sessionOf(s.T, s.asUser()), nil).Problem(http.StatusNotFound, "NOT_FOUND")
			s.emptyBody(s.asAdmin().Delete(at, nil).Status(http.StatusNoContent))
			s.api.As(third).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.refresh(u.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.emptyBody(s.asAdmin().Delete(at, nil).Status(http.StatusNoContent))
			s.asAdmin().Delete("/users/"+account.NewID().String()+"/sessions", nil).Problem(http.StatusNotFound, "NOT_FOUND")
			s.api.As(s.signIn(u)).Get("/users/me").Status(http.StatusOK)
		}},
	}
}
