package contract_test

import (
	"net/http"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func authSessions() []proof {
	return []proof{
		{says: `POST /auth/login {"email", "password"} → 200 {"access_token", "refresh_token", "token_type": "bearer", "expires_in"} (whole seconds of the access token).`, prove: func(s *stage) {
			got := s.members(s.api.Post("/auth/login", map[string]string{"email": strings.ToUpper(s.user.Email), "password": s.user.Password}).Status(http.StatusOK))
			require.Equal(s.T, []string{"access_token", "expires_in", "refresh_token", "token_type"}, names(got))
			require.Equal(s.T, "bearer", got["token_type"])
			claims := s.claims(got["access_token"])
			require.InDelta(s.T, claims["exp"].(float64)-claims["iat"].(float64), got["expires_in"], 0)
		}},
		{says: `The e-mail's syntax is validated, the password only for presence and raw size; 400 INVALID_CREDENTIALS for every wrong pair, in the same time whether or not the account exists; 429.`, prove: func(s *stage) {
			logIn := func(address, password string) *testkit.Response {
				return s.api.Post("/auth/login", map[string]string{"email": address, "password": password})
			}
			logIn("nobody", "").Invalid("#/email invalid_format", "#/password required")
			logIn("nobody@example.com", strings.Repeat("x", 4097)).Invalid("#/password too_long")
			invited := invitation("has-no-password@example.com")
			s.asAdmin().Post("/users", invited).Status(http.StatusCreated)
			hashing := s.api.App.Stores.Passwords.Stats
			for _, c := range [][2]string{{s.user.Email, "x"}, {s.user.Email, strings.Repeat("x", 4096)}, {s.user.Email, strings.ToLower(s.user.Password)}, {"nobody@example.com", s.user.Password}, {invited["email"], "x"}, {s.user.Email, "\x00"}} {
				before := hashing().Done
				logIn(c[0], c[1]).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
				require.Equal(s.T, before+1, hashing().Done, "the same work for everybody: %q", c)
			}
			api := s.limited("ratelimit.login=1/1m")
			api.Post("/auth/login", "{}").Status(http.StatusBadRequest)
			s.refused(api.Post("/auth/login", "{}"))
		}, elsewhere: []string{"test/faults TestAnswersTakeTheSameTimeForKnownAndUnknownAccounts", "test/e2e TestStatement5LoginTakesAsLongForWhomNobodyKnows"}},
		{says: `POST /auth/refresh {"refresh_token"} → 200, same shape, both tokens new.`, prove: func(s *stage) {
			u := s.signIn(s.user)
			got := s.members(s.refresh(u.RefreshToken).Status(http.StatusOK))
			require.Equal(s.T, []string{"access_token", "expires_in", "refresh_token", "token_type"}, names(got))
			require.NotEqual(s.T, u.RefreshToken, got["refresh_token"])
			require.NotEqual(s.T, u.AccessToken, got["access_token"])
			require.Equal(s.T, s.claims(u.AccessToken)["sid"], s.claims(got["access_token"])["sid"])
			s.api.WithToken(got["access_token"].(string)).Get("/users/me").Status(http.StatusOK)
		}},
		{says: `A refresh token works once.`, prove: func(s *stage) {
			strict := s.with("auth.session.reuse_leeway=0s")
			u := s.signIn(s.user)
			in := map[string]string{"refresh_token": u.RefreshToken}
			strict.Post("/auth/refresh", in).Status(http.StatusOK)
			strict.Post("/auth/refresh", in).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}, elsewhere: []string{"modules/sessions TestAHundredUsesAtOnceAreOne"}},
		{says: `Every further use within 10 s of the first (reuse_leeway) gets the same successor again, as long as that successor is itself unused; any other reuse revokes the session.`, prove: func(s *stage) {
			next := func(token string) string {
				return s.members(s.refresh(token).Status(http.StatusOK))["refresh_token"].(string)
			}
			first := s.signIn(s.user)
			second := next(first.RefreshToken)
			s.clk.Advance(5 * time.Second)
			require.Equal(s.T, second, next(first.RefreshToken))
			s.clk.Advance(5 * time.Second)
			require.Equal(s.T, second, next(first.RefreshToken))
			s.clk.Advance(time.Second) // counted from the first use, not from the latest
			s.refresh(first.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.refresh(second).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.api.As(first).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")

			early := s.signIn(s.user)
			used := next(early.RefreshToken)
			unused := next(used)
			s.refresh(early.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.refresh(unused).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}, elsewhere: []string{"modules/auth TestFiftyRefreshesAtOnceOverTwoInstances", "modules/sessions TestAnyOrderOfUsesLeavesOneLiveTokenPerSession"}},
		{says: `401 for an unknown, expired, used or revoked one; a string that is not one of our tokens is an unknown token, never a format error (likewise at reset and verify).`, prove: func(s *stage) {
			revoked, expired, used := s.signIn(s.user), s.signIn(s.user), s.signIn(s.user)
			s.api.As(revoked).Post("/auth/logout", nil).Status(http.StatusNoContent)
			s.refresh(used.RefreshToken).Status(http.StatusOK)
			s.clk.Advance(11 * time.Second)
			s.refresh(used.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.clk.Advance(24 * time.Hour)
			for _, text := range []string{revoked.RefreshToken, expired.RefreshToken, "", "x", "gtr_", "gtr_" + strings.Repeat("A", 100), expired.RefreshToken + "A", expired.AccessToken, "ä\x00", strings.Repeat("x", 100_000)} {
				s.refresh(text).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			}
			for _, text := range []string{"", "x", "gtm_", "gtm_" + strings.Repeat("A", 100), expired.RefreshToken, "ä\x00", strings.Repeat("x", 100_000)} {
				for path, body := range map[string]map[string]string{
					"/auth/reset-password": {"token": text, "new_password": testkit.Password}, "/auth/verify-email": mailedToken(text), "/auth/confirm-email": mailedToken(text),
				} {
					p := s.api.Post(path, body).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
					require.Equal(s.T, "invalid_token", p.Reason, "%s %.20q", path, text)
					require.Empty(s.T, p.Errors)
				}
			}
		}},
		{says: `POST /auth/logout no body → 204.`, prove: func(s *stage) {
			s.emptyBody(s.api.As(s.signIn(s.user)).Post("/auth/logout", nil).Status(http.StatusNoContent))
			s.emptyBody(s.api.As(s.signIn(s.user)).Post("/auth/logout", "{}").Status(http.StatusNoContent))
		}},
		{says: `The session of the token ends: its refresh tokens die, its access tokens are refused from then on by the instance that answered, and by every other within a second, five where the channel between them has failed.`, prove: func(s *stage) {
			other := s.with("http.max_body=2MiB") // another instance on the same database
			out, stays := s.signIn(s.user), s.signIn(s.user)
			renewed := s.members(s.refresh(out.RefreshToken).Status(http.StatusOK))
			other.As(out).Get("/users/me").Status(http.StatusOK)
			s.api.As(out).Post("/auth/logout", nil).Status(http.StatusNoContent)
			for _, token := range []string{out.AccessToken, renewed["access_token"].(string)} {
				s.api.WithToken(token).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			}
			for _, token := range []string{out.RefreshToken, renewed["refresh_token"].(string)} {
				s.refresh(token).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			}
			started := time.Now()
			for other.As(out).Get("/users/me").StatusCode != http.StatusUnauthorized { // it hears of it, or forgets in the second that the clock lets pass
				require.Less(s.T, time.Since(started), 10*time.Second)
				s.clk.Advance(20 * time.Millisecond)
			}
			s.api.As(stays).Get("/users/me").Status(http.StatusOK)
			s.refresh(stays.RefreshToken).Status(http.StatusOK)
		}, elsewhere: []string{"modules/auth TestLogoutEndsTheSessionHereAtOnceAndElsewhereWithinASecond", "app TestWhatEndsElsewhereIsRefusedHere", "test/faults TestInstancesGoOnWithoutTheirChannel"}},
		{says: `{"all": true} ends all the user's sessions.`, prove: func(s *stage) {
			u := s.api.User()
			second, third := s.signIn(u), s.signIn(u)
			s.api.As(third).Post("/auth/logout", `{"all":"true"}`).Invalid("#/all wrong_type")
			s.api.As(third).Post("/auth/logout", `{"all":null}`).Invalid("#/all wrong_type")
			s.api.As(third).Post("/auth/logout", `{"All":true}`).Invalid("#/All unknown_field")
			s.api.As(third).Post("/auth/logout", `{"all":false}`).Status(http.StatusNoContent)
			s.api.As(third).Get("/users/me").Status(http.StatusUnauthorized)
			s.api.As(second).Get("/users/me").Status(http.StatusOK)
			s.api.As(second).Post("/auth/logout", `{"all":true}`).Status(http.StatusNoContent)
			for _, ended := range []testkit.User{u, second} {
				s.api.As(ended).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
				s.refresh(ended.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			}
			s.asUser().Get("/users/me").Status(http.StatusOK)
		}},
	}
}

func (s *stage) refresh(token string) *testkit.Response {
	return s.api.Post("/auth/refresh", map[string]string{"refresh_token": token})
}
