package contract_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func TestContractAuth(t *testing.T) {
	t.Parallel()
	proveChapter(t, authentication())
}

func authentication() []proof {
	return slices.Concat(authLimits(), authRegistration(), authSessions(), authRecovery())
}

func authLimits() []proof {
	return []proof{
		{says: `/auth/register | POST | none | 201 | 5/min`, prove: func(s *stage) {
			s.limitedRow("/auth/register", "register", 5, "{}", func(api *testkit.API) {
				s.policy(api.Post("/auth/register", registration("row@example.com")).Status(http.StatusCreated), "register", 5)
			})
		}},
		{says: `/auth/login | POST | none | 200 | 10/min`, prove: func(s *stage) {
			s.limitedRow("/auth/login", "login", 10, "{}", func(api *testkit.API) {
				s.policy(api.Post("/auth/login", map[string]string{"email": s.user.Email, "password": s.user.Password}).Status(http.StatusOK), "login", 10)
			})
		}},
		{says: `/auth/refresh | POST | refresh token (body) | 200 | 20/min`, prove: func(s *stage) {
			s.limitedRow("/auth/refresh", "refresh", 20, `{"refresh_token":"x"}`, nil)
			r := s.limited().Post("/auth/refresh", map[string]string{"refresh_token": s.signIn(s.user).RefreshToken})
			s.policy(r.Status(http.StatusOK), "refresh", 20)
		}},
		{says: `/auth/logout | POST | JWT | 204 | 20/min`, prove: func(s *stage) {
			s.limitedRow("/auth/logout", "logout", 20, nil, nil)
			api := s.limited()
			api.Post("/auth/logout", nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.policy(api.As(s.signIn(s.user)).Post("/auth/logout", nil).Status(http.StatusNoContent), "logout", 20)
		}},
		{says: `/auth/forgot-password | POST | none | 202 | 3/min`, prove: func(s *stage) {
			s.limitedRow("/auth/forgot-password", "forgot", 3, "{}", func(api *testkit.API) {
				s.policy(api.Post("/auth/forgot-password", email("row@example.com")).Status(http.StatusAccepted), "forgot", 3)
			})
		}},
		{says: `/auth/reset-password | POST | reset token (body) | 204 | 3/min`, prove: func(s *stage) {
			u := s.api.User()
			s.api.Post("/auth/forgot-password", email(u.Email)).Status(http.StatusAccepted)
			s.limitedRow("/auth/reset-password", "reset", 3, "{}", func(api *testkit.API) {
				r := api.Post("/auth/reset-password", map[string]string{"token": s.mailed(u.Email, "/reset-password"), "new_password": testkit.Password})
				s.policy(r.Status(http.StatusNoContent), "reset", 3)
			})
		}},
		{says: `Limits count per client address (refresh and logout: a token whose tag or signature is genuine counts on its session alone, so that an office behind one address is not logged out; anything else counts on the address).`, prove: func(s *stage) {
			once := []string{"ratelimit.register=1/1m", "ratelimit.refresh=2/1m", "ratelimit.logout=2/1m"}
			api := s.limited(once...)
			api.Post("/auth/register", "{}").Status(http.StatusBadRequest)
			s.refused(api.Post("/auth/register", "{}"))
			s.limited(once...).Post("/auth/register", "{}").Status(http.StatusBadRequest)

			refresh := func(token string) *testkit.Response {
				return api.Post("/auth/refresh", map[string]string{"refresh_token": token})
			}
			for range 2 {
				refresh("gtr_forged").Status(http.StatusUnauthorized)
				api.WithToken("forged").Post("/auth/logout", nil).Status(http.StatusUnauthorized)
			}
			s.refused(refresh("gtr_forged"))
			s.refused(refresh(s.user.RefreshToken + "x"))
			s.refused(api.WithToken("forged").Post("/auth/logout", nil))
			for range 3 { // colleagues
				colleague := s.signIn(s.user)
				refresh(colleague.RefreshToken).Status(http.StatusOK)
				refresh(colleague.RefreshToken).Status(http.StatusOK) // again, within the leeway
				s.refused(refresh(colleague.RefreshToken))
				api.As(colleague).Post("/auth/logout", nil).Status(http.StatusNoContent)
				api.As(colleague).Post("/auth/logout", nil).Status(http.StatusUnauthorized)
				s.refused(api.As(colleague).Post("/auth/logout", nil))
			}
		}, elsewhere: []string{"core/ratelimit TestKeyForAddress", "modules/auth TestLimitsCountAcrossInstancesThatShareRedis"}},
		{says: `Forgot counts per account as well.`, prove: func(s *stage) {
			for _, address := range []string{s.user.Email, "nobody-at-all@example.com"} {
				for range 3 {
					s.limited().Post("/auth/forgot-password", email(address)).Status(http.StatusAccepted)
				}
				s.refused(s.limited().Post("/auth/forgot-password", email(strings.ToUpper(address))))
			}
			s.limited().Post("/auth/forgot-password", email("somebody-else@example.com")).Status(http.StatusAccepted)
		}},
		{says: `Failed logins count per canonical account, existing or not: 10 in 15 minutes, then 429 with growing Retry-After, before any hashing; addresses from which that account logged in during the last 30 days have a budget of their own, so strangers cannot lock the owner out.`, prove: func(s *stage) {
			service := s.with("ratelimit.enabled=true", "ratelimit.login=1000/1m")
			u := s.api.User(func(u *testkit.User) { u.Email = "Guessed@example.com" })
			logIn := func(api *testkit.API, address, password string) *testkit.Response {
				return api.Post("/auth/login", map[string]string{"email": address, "password": password})
			}
			home := s.elsewhere(service)
			logIn(home, u.Email, u.Password).Status(http.StatusOK)
			for _, address := range []string{u.Email, "nobody-guessed@example.com"} {
				for i := range 10 { // from everywhere, in every spelling
					logIn(s.elsewhere(service), []string{address, strings.ToUpper(address)}[i%2], "guess").Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
				}
				hashed := service.App.Stores.Passwords.Stats().Done
				require.Equal(s.T, "30", s.refused(logIn(s.elsewhere(service), address, u.Password)))
				require.Equal(s.T, hashed, service.App.Stores.Passwords.Stats().Done)
				s.clk.Advance(30 * time.Second)
				logIn(s.elsewhere(service), address, "guess").Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
				require.Equal(s.T, "60", s.refused(logIn(s.elsewhere(service), address, "guess")))
			}
			logIn(home, u.Email, "mistyped").Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			logIn(home, u.Email, u.Password).Status(http.StatusOK)
			s.refused(logIn(s.elsewhere(service), u.Email, u.Password))
			s.clk.Advance(30*24*time.Hour + time.Second)
			logIn(home, u.Email, u.Password).Status(http.StatusOK) // what strangers did is over by now
		}, elsewhere: []string{"modules/auth TestWaitsDoubleUpToAnHour", "modules/auth TestAHundredGuessesAtOnceAreTen", "modules/auth TestAKnownAddressHasABudgetOfItsOwn"}},
		{says: `Whatever checks a current password: 5/min per user.`, prove: func(s *stage) {
			u, other := s.api.User(), s.user
			tries := func(u testkit.User) []*testkit.Response {
				api := s.limited().As(u)
				return []*testkit.Response{
					api.Put("/users/me/password", newPassword("wrong")), api.Post("/users/me/email", newEmail("other@example.com", "wrong")), api.Delete("/users/me", leavingWith("wrong")),
				}
			}
			for i, r := range append(tries(u), tries(u)...) {
				if i < 5 {
					s.policy(r.Status(http.StatusBadRequest), "current_password", 5)
				} else {
					s.refused(r)
				}
			}
			for _, r := range tries(u) {
				s.refused(r)
			}
			tries(other)[0].Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}},
		{says: `Verify, confirm: 10/min.`, prove: func(s *stage) {
			s.limitedRow("/auth/verify-email", "verify", 10, "{}", nil)
			s.limitedRow("/auth/confirm-email", "confirm", 10, "{}", nil)
		}},
		{says: `Limits are settings; these are the defaults.`, prove: func(s *stage) {
			for name, want := range map[string]string{
				"register": "5/1m", "login": "10/1m", "refresh": "20/1m", "logout": "20/1m", "forgot": "3/1m", "forgot_account": "3/1m", "reset": "3/1m", "verify": "10/1m",
				"resend": "3/1m", "confirm": "10/1m", "current_password": "5/1m", "login_failure": "10/15m",
			} {
				text, _ := s.api.App.Stores.Limits.Setting(name)
				require.Equal(s.T, want, text, name)
			}
			require.Equal(s.T, `"login";q=2;w=3600`, s.limited("ratelimit.login=2/1h").Post("/auth/login", "{}").Header.Get("RateLimit-Policy"))
		}},
	}
}

// limitedRow uses a limit up at one address: with a success, if there is one, and then with what is refused. Each counts.
func (s *stage) limitedRow(path, name string, count int, wrong any, succeed func(api *testkit.API)) {
	api := s.limited()
	api.Get(path).Problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
	if succeed != nil {
		succeed(api)
		count--
	}
	for range count {
		require.Less(s.T, api.Post(path, wrong).StatusCode, http.StatusTooManyRequests)
	}
	over := api.Post(path, wrong)
	wait, err := strconv.Atoi(s.refused(over))
	require.NoError(s.T, err)
	require.True(s.T, wait >= 1 && wait <= 60, wait)
	require.Contains(s.T, over.Header.Get("RateLimit"), `"`+name+`";r=0;t=`)
	require.NotEqual(s.T, http.StatusTooManyRequests, s.limited().Post(path, wrong).StatusCode, "at another address")
}
