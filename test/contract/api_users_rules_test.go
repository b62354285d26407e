package contract_test

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/testkit"
)

func userRules() []proof {
	return []proof{
		{says: `Nobody demotes, deactivates or deletes the last active administrator (409 last_admin); deactivation ends all sessions at once, activation revives none; a role change holds from the next request.`, prove: func(s *stage) {
			deputy := s.api.User()
			at, boss := "/users/"+deputy.ID.String(), "/users/"+s.admin.ID.String()
			last := func(r *testkit.Response) {
				require.Equal(s.T, "last_admin", r.Problem(http.StatusConflict, "CONFLICT").Reason)
			}
			s.asAdmin().Patch(at, `{"role":"admin"}`).Status(http.StatusOK)
			s.api.As(deputy).Get("/users").Status(http.StatusOK)
			s.asAdmin().Patch(at, `{"role":"user"}`).Status(http.StatusOK)
			s.api.As(deputy).Get("/users").Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
			s.asAdmin().Patch(at, `{"role":"admin","is_active":false}`).Status(http.StatusOK) // one who is not active does not count
			last(s.asAdmin().Patch(boss, `{"role":"user"}`))
			last(s.asAdmin().Patch(boss, `{"is_active":false}`))
			last(s.asAdmin().Delete(boss, nil))
			last(s.asAdmin().Delete("/users/me", leavingWith(s.admin.Password)))
			gone := func() {
				s.api.As(deputy).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
				s.refresh(deputy.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			}
			gone()
			s.asAdmin().Patch(at, `{"is_active":true}`).Status(http.StatusOK)
			gone()
			s.api.As(s.signIn(deputy)).Delete("/users/me", leavingWith(deputy.Password)).Status(http.StatusNoContent)
		}, elsewhere: []string{"modules/users TestTwoAdministratorsAgainstEachOtherLeaveOne", "modules/users TestARoleHoldsFromTheNextRequestOnEveryInstance"}},
		{says: `GET /users/me/sessions → {"items": [{"id", "user_agent", "ip", "created_at", "last_used_at", "expires_at", "current": bool}]} (id is the sid claim).`, prove: func(s *stage) {
			u := s.api.User()
			here := s.api.WithHeader("User-Agent", "agent-of-the-second").WithHeader("X-Forwarded-For", "198.51.200.7")
			second := u
			here.LogIn(&second)
			items := s.items(s.api.As(second).Get("/users/me/sessions"))
			require.Len(s.T, items, 2)
			for _, item := range items {
				require.Equal(s.T, []string{"created_at", "current", "expires_at", "id", "ip", "last_used_at", "user_agent"}, names(item))
				mine := item["id"] == s.claims(second.AccessToken)["sid"]
				require.Equal(s.T, mine, item["current"])
				require.Equal(s.T, mine, item["user_agent"] == "agent-of-the-second")
				require.Equal(s.T, mine, item["ip"] == "198.51.200.7")
			}
			require.ElementsMatch(s.T, []any{s.claims(u.AccessToken)["sid"], s.claims(second.AccessToken)["sid"]}, []any{items[0]["id"], items[1]["id"]})
			s.signedInOnly(http.MethodGet, "/users/me/sessions")
		}},
		{says: `?ended=true lists those that ended in the last 30 days instead, with ended_at and ended_reason: logout, other_device, password_change, reset, reuse_detected, expired, administrator.`, prove: func(s *stage) {
			u := s.api.User()
			s.endInEveryWay(&u)
			items := s.items(s.api.As(u).Get("/users/me/sessions?ended=true"))
			var reasons []any
			for _, item := range items {
				require.Equal(s.T, []string{"created_at", "current", "ended_at", "ended_reason", "expires_at", "id", "ip", "last_used_at", "user_agent"}, names(item))
				reasons = append(reasons, item["ended_reason"])
			}
			require.Subset(s.T, reasons, []any{"logout", "other_device", "password_change", "reset", "reuse_detected", "expired", "administrator"})
			require.Len(s.T, s.items(s.api.As(u).Get("/users/me/sessions")), 1)
			s.clk.Advance(30*24*time.Hour + time.Second)
			s.api.LogIn(&u)
			for _, item := range s.items(s.api.As(u).Get("/users/me/sessions?ended=true")) {
				require.Equal(s.T, "expired", item["ended_reason"], "the one that lived until yesterday, 30 days ago")
			}
		}, elsewhere: []string{"modules/sessions TestAnEndIsShownForThirtyDaysAndThenDeleted"}},
		{says: `DELETE /users/me/sessions/{id} → 204, another's is 404.`, prove: func(s *stage) {
			other := s.signIn(s.user)
			at := "/users/me/sessions/" + sessionOf(s.T, s.api.As(other))
			s.emptyBody(s.asUser().Delete(at, nil).Status(http.StatusNoContent))
			s.api.As(other).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			for _, none := range []string{at, "/users/me/sessions/" + sessionOf(s.T, s.asAdmin()), "/users/me/sessions/" + account.NewSessionID().String()} {
				s.asUser().Delete(none, nil).Problem(http.StatusNotFound, "NOT_FOUND")
			}
			s.asAdmin().Get("/users/me").Status(http.StatusOK)
			s.asUser().Delete("/users/me/sessions/x", nil).Invalid("id invalid_format")
		}},
		{says: `POST /users/me/email {"new_email", "current_password"} → 202, changed once the new address confirms, the old one is told.`, prove: func(s *stage) {
			u := s.api.User()
			s.signedInOnly(http.MethodPost, "/users/me/email")
			s.api.As(u).Post("/users/me/email", newEmail("moved-on@example.com", "wrong")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			s.emptyBody(s.api.As(u).Post("/users/me/email", newEmail("moved-on@example.com", u.Password)).Status(http.StatusAccepted))
			token := s.mailed("moved-on@example.com", "/confirm-email")
			require.Len(s.T, s.api.MailTo(u.Email, 1), 1)
			require.Equal(s.T, u.Email, s.members(s.api.As(u).Get("/users/me"))["email"])
			s.api.Post("/auth/confirm-email", mailedToken(token)).Status(http.StatusNoContent)
			got := s.members(s.api.As(u).Get("/users/me"))
			require.Equal(s.T, []any{"moved-on@example.com", true}, []any{got["email"], got["email_verified"]})
			s.api.WorkJobs()
			require.Len(s.T, s.api.MailTo(u.Email, 2), 2, "when it was asked for, and when it changed")
		}},
		{says: `DELETE /users/me {"current_password"} → 204.`, prove: func(s *stage) {
			u := s.api.User()
			s.signedInOnly(http.MethodDelete, "/users/me")
			s.api.As(u).Delete("/users/me", nil).Invalid("# required")
			s.api.As(u).Delete("/users/me", leavingWith("wrong")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			s.emptyBody(s.api.As(u).Delete("/users/me", leavingWith(u.Password)).Status(http.StatusNoContent))
			s.api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.asAdmin().Get("/users/"+u.ID.String()).Problem(http.StatusNotFound, "NOT_FOUND")
		}},
		{says: `GET /users/me/export → 200, all that is held about the user.`, prove: func(s *stage) {
			s.signedInOnly(http.MethodGet, "/users/me/export")
			held := s.members(s.asUser().Get("/users/me/export").Status(http.StatusOK))
			modules := held["modules"].(map[string]any)
			require.Equal(s.T, []string{"audit", "auth", "events", "sessions", "users"}, names(modules))
			require.Equal(s.T, s.user.Email, modules["users"].(map[string]any)["email"])
			require.NotEmpty(s.T, modules["sessions"])
		}, elsewhere: []string{"modules/users TestTheExportGivesAllThatIsHeldAboutAUserByModule", "test/contract TestNothingIsLeftOfADeletedUser"}},
	}
}

func (s *stage) items(r *testkit.Response) (all []map[string]any) {
	for _, item := range s.members(r.Status(http.StatusOK))["items"].([]any) {
		all = append(all, item.(map[string]any))
	}
	return all
}

// endInEveryWay ends sessions for each reason that there is, and leaves one alive.
func (s *stage) endInEveryWay(u *testkit.User) {
	s.clk.Advance(24 * time.Hour) // the first expires
	out, device, reused, fallen := s.signIn(*u), s.signIn(*u), s.signIn(*u), s.signIn(*u)
	s.api.As(out).Post("/auth/logout", nil).Status(http.StatusNoContent)
	s.api.As(fallen).Delete("/users/me/sessions/"+sessionOf(s.T, s.api.As(device)), nil).Status(http.StatusNoContent)
	s.refresh(reused.RefreshToken).Status(http.StatusOK)
	s.clk.Advance(11 * time.Second)
	s.refresh(reused.RefreshToken).Status(http.StatusUnauthorized)
	s.api.LogIn(&s.theatre.admin)
	s.api.As(s.theatre.admin).Delete("/users/"+u.ID.String()+"/sessions", nil).Status(http.StatusNoContent)
	s.api.LogIn(u)
	other := s.signIn(*u)
	s.api.As(other).Put("/users/me/password", newPassword(u.Password)).Status(http.StatusNoContent)
	s.setPassword(s.reset(u.Email), u.Password, "")
	s.api.LogIn(u)
}
