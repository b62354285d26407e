package contract_test

import (
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func authRecovery() []proof {
	return []proof{
		{says: `POST /auth/forgot-password {"email"} → 202 without body, always, in the same time, whether or not the account exists.`, prove: func(s *stage) {
			hashed := s.api.App.Stores.Passwords.Stats().Done
			for _, address := range []string{s.user.Email, "nobody@example.com", s.user.Email} {
				s.emptyBody(s.api.Post("/auth/forgot-password", email(address)).Status(http.StatusAccepted))
			}
			require.Equal(s.T, hashed, s.api.App.Stores.Passwords.Stats().Done)
			s.api.Post("/auth/forgot-password", "{}").Invalid("#/email required")
		}, elsewhere: []string{"test/faults TestAnswersTakeTheSameTimeForKnownAndUnknownAccounts", "test/contract TestEachOperationRunsTheStatementsThatWeKnow"}},
		{says: `Mails <public_url>/reset-password?token=…, single use, valid 10 minutes; a new one voids the old.`, prove: func(s *stage) {
			u := s.api.User()
			public := s.with("http.public_url=https://auth.example.com")
			public.Post("/auth/forgot-password", email(u.Email)).Status(http.StatusAccepted)
			public.WorkJobs()
			require.Regexp(s.T, `^https://auth\.example\.com/reset-password\?token=gtm_[A-Za-z0-9_-]+$`, s.api.LastMailTo(u.Email).Links[0])
			first := s.mailed(u.Email, "/reset-password")
			s.clk.Advance(10*time.Minute - time.Second)
			second := s.reset(u.Email)
			s.setPassword(first, testkit.Password, "invalid_token")
			s.setPassword(second, testkit.Password, "")
			s.setPassword(second, testkit.Password, "invalid_token")
			third := s.reset(u.Email)
			s.clk.Advance(10*time.Minute - time.Second)
			s.api.Post("/auth/reset-password", map[string]string{"token": third, "new_password": "x"}).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			s.setPassword(third, testkit.Password, "")
			fourth := s.reset(u.Email)
			s.clk.Advance(10 * time.Minute)
			s.setPassword(fourth, testkit.Password, "invalid_token")
		}, elsewhere: []string{"modules/auth TestThirtyUsesOfOneTokenAreOne", "modules/auth TestALinkCarriesThePublicURLWhateverTheRequestSays"}},
		{says: `POST /auth/reset-password {"token", "new_password"} → 204.`, prove: func(s *stage) {
			u := s.api.User()
			s.emptyBody(s.setPassword(s.reset(u.Email), "Analytical-Engine-1843", ""))
			s.api.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			s.api.Post("/auth/login", map[string]string{"email": u.Email, "password": "Analytical-Engine-1843"}).Status(http.StatusOK)
			s.api.Post("/auth/reset-password", "{}").Invalid("#/token required", "#/new_password required")
		}},
		{says: `Same password rules.`, prove: func(s *stage) {
			token := s.reset(s.api.User(func(u *testkit.User) { u.Email = "lovelace@example.net" }).Email)
			for password, faults := range passwordRules {
				if faults != nil {
					s.judged(s.api.Post("/auth/reset-password", map[string]string{"token": token, "new_password": password}), "#/new_password", faults)
				}
			}
			s.setPassword(token, "Kqzvwx1y", "") // none of that has used the token up
		}},
		{says: `All sessions end; a notice is mailed.`, prove: func(s *stage) {
			u := s.api.User()
			second := s.signIn(u)
			s.setPassword(s.reset(u.Email), testkit.Password, "")
			for _, ended := range []testkit.User{u, second} {
				s.api.As(ended).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
				s.refresh(ended.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			}
			s.api.WorkJobs()
			require.Len(s.T, s.api.MailTo(u.Email, 2), 2)
			require.Empty(s.T, s.api.LastMailTo(u.Email).Links)
		}},
		{says: `400 VALIDATION_ERROR (reason: invalid_token) for an unknown, used or expired token.`, prove: func(s *stage) {
			u := s.api.User()
			s.setPassword("unknown", testkit.Password, "invalid_token")
			used := s.reset(u.Email)
			s.setPassword(used, testkit.Password, "")
			s.setPassword(used, testkit.Password, "invalid_token")
			expired := s.reset(u.Email)
			s.clk.Advance(10 * time.Minute)
			s.setPassword(expired, testkit.Password, "invalid_token")
		}},
		{says: `POST /auth/verify-email {"token"} → 204 (400 invalid_token otherwise, used ones included).`, prove: func(s *stage) {
			u := s.api.User()
			verify := func(token string) *testkit.Response { return s.api.Post("/auth/verify-email", mailedToken(token)) }
			s.api.Post("/auth/verify-email/resend", email(u.Email)).Status(http.StatusAccepted)
			token := s.mailed(u.Email, "/verify-email")
			s.emptyBody(verify(token).Status(http.StatusNoContent))
			require.Equal(s.T, true, s.members(s.api.As(u).Get("/users/me"))["email_verified"])
			for _, text := range []string{token, "unknown", s.reset(u.Email)} {
				require.Equal(s.T, "invalid_token", verify(text).Problem(http.StatusBadRequest, "VALIDATION_ERROR").Reason)
			}
		}},
		{says: `POST /auth/verify-email/resend {"email"} → 202 always, 3/min.`, prove: func(s *stage) {
			for _, address := range []string{"nobody@example.com", s.user.Email} {
				s.emptyBody(s.api.Post("/auth/verify-email/resend", email(address)).Status(http.StatusAccepted))
			}
			s.limitedRow("/auth/verify-email/resend", "resend", 3, "{}", func(api *testkit.API) {
				s.policy(api.Post("/auth/verify-email/resend", email("nobody@example.com")).Status(http.StatusAccepted), "resend", 3)
			})
		}},
		{says: `POST /auth/confirm-email {"token"} → 204, 409 if taken meanwhile.`, prove: func(s *stage) {
			u := s.api.User()
			for to, taken := range map[string]bool{"confirmed@example.com": false, "taken-meanwhile@example.org": true} {
				s.api.As(u).Post("/users/me/email", newEmail(to, u.Password)).Status(http.StatusAccepted)
				token := s.mailed(to, "/confirm-email")
				if taken {
					s.api.User(func(faster *testkit.User) { faster.Email = to })
					require.Equal(s.T, "email_already_exists", s.api.Post("/auth/confirm-email", mailedToken(token)).Problem(http.StatusConflict, "CONFLICT").Reason)
					continue
				}
				s.emptyBody(s.api.Post("/auth/confirm-email", mailedToken(token)).Status(http.StatusNoContent))
				require.Equal(s.T, "invalid_token", s.api.Post("/auth/confirm-email", mailedToken(token)).Problem(http.StatusBadRequest, "VALIDATION_ERROR").Reason)
			}
			require.Equal(s.T, "confirmed@example.com", s.members(s.api.As(u).Get("/users/me"))["email"])
		}},
		{says: `GET /.well-known/jwks.json → 200 with the public keys.`, prove: func(s *stage) {
			keys := s.members(s.api.Get("/.well-known/jwks.json").Status(http.StatusOK))["keys"].([]any)
			require.NotEmpty(s.T, keys)
			for _, k := range keys {
				require.Equal(s.T, []string{"alg", "crv", "kid", "kty", "use", "x", "y"}, names(k.(map[string]any)), "public members alone")
			}
		}},
		{says: `Whether login needs a verified e-mail is a setting, off by default.`, prove: func(s *stage) {
			u := s.api.User()
			asked := map[string]string{"email": u.Email, "password": u.Password}
			s.api.Post("/auth/login", asked).Status(http.StatusOK)
			strict := s.with("auth.login.require_verified_email=true")
			strict.Post("/auth/login", asked).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
			s.api.Post("/auth/verify-email/resend", email(u.Email)).Status(http.StatusAccepted)
			s.api.Post("/auth/verify-email", mailedToken(s.mailed(u.Email, "/verify-email"))).Status(http.StatusNoContent)
			strict.Post("/auth/login", asked).Status(http.StatusOK)
		}},
	}
}

// reset has a link mailed, and gives its token.
func (s *stage) reset(address string) string {
	s.api.Post("/auth/forgot-password", email(address)).Status(http.StatusAccepted)
	return s.mailed(address, "/reset-password")
}

// setPassword uses a token, and wants success, or a refusal for this reason.
func (s *stage) setPassword(token, password, reason string) *testkit.Response {
	r := s.api.Post("/auth/reset-password", map[string]string{"token": token, "new_password": password})
	if reason == "" {
		return r.Status(http.StatusNoContent)
	}
	require.Equal(s.T, reason, r.Problem(http.StatusBadRequest, "VALIDATION_ERROR").Reason)
	return r
}
