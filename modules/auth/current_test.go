package auth_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/testkit"
)

func changing(current, next string) map[string]any {
	return map[string]any{"current_password": current, "new_password": next}
}

// wrongCurrent wants the answer for a current password that is not the account's.
func wrongCurrent(t *testing.T, r *testkit.Response) {
	t.Helper()
	p := r.Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
	require.Len(t, p.Errors, 1)
	require.Equal(t, "#/current_password", p.Errors[0].Pointer)
}

// elsewhere is the same user on another device.
func elsewhere(api *testkit.API, u testkit.User) testkit.User {
	api.LogIn(&u)
	return u
}

// atOnce counts the statuses of 30 requests that are sent together.
func atOnce(send func() *testkit.Response) map[int]int {
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			r := send()
			mu.Lock()
			defer mu.Unlock()
			statuses[r.StatusCode]++
		})
	}
	wg.Wait()
	return statuses
}

// patient lets 30 requests that are sent together wait for each other.
func patient() []testkit.Option {
	return []testkit.Option{testkit.WithSetting("password.queue_deadline", "1m"), testkit.WithSetting("database.acquire_deadline", "1m")}
}

func TestANewPasswordEndsTheOtherSessionsAndKeepsThisOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		other, third, stranger := elsewhere(api, u), elsewhere(api, u), api.User()
		require.Empty(t, api.As(u).Put("/users/me/password", changing(u.Password, nextPassword)).Status(http.StatusNoContent).Body)

		api.As(u).Get("/users/me").Status(http.StatusOK)
		api.Post("/auth/refresh", refreshBody(u.RefreshToken)).Status(http.StatusOK)
		for _, gone := range []testkit.User{other, third} {
			api.As(gone).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			refuse(t, api, gone.RefreshToken)
		}
		require.Equal(t, []string{"password_change", "password_change"}, endings(api.As(u)))
		api.As(stranger).Get("/users/me").Status(http.StatusOK)
		api.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		api.Post("/auth/login", credentials(u.Email, nextPassword)).Status(http.StatusOK)

		api.WorkJobs()
		require.Len(t, api.Mail(), 1)
		m := api.LastMailTo(u.Email)
		require.Equal(t, "Your password has changed", m.Subject)
		require.Empty(t, m.Links, "a notice asks nobody to open anything")
	})
}

func TestAWrongCurrentPasswordChangesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, invited := api.User(), api.User()
		other := elsewhere(api, u)
		change(t, api, `UPDATE users SET password_hash = NULL WHERE id = ?`, invited.ID)
		for _, wrong := range []string{"Not-The-Password-1", u.Password + " ", "\x07", nextPassword} {
			wrongCurrent(t, api.As(u).Put("/users/me/password", changing(wrong, nextPassword)))
		}
		wrongCurrent(t, api.As(invited).Put("/users/me/password", changing(invited.Password, nextPassword)))
		api.As(other).Get("/users/me").Status(http.StatusOK)
		api.LogIn(&u)
		api.WorkJobs()
		require.Empty(t, api.Mail())
	})
}

func TestAPasswordChangeIsValidatedBeforeAnyPasswordIsLookedAt(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithSetting("http.max_body", "64KiB"))
	u := api.User(func(u *testkit.User) { u.Email = "babbage@example.com" })
	for _, c := range []struct {
		body   any
		faults []string
	}{
		{`{}`, []string{"#/current_password required", "#/new_password required"}},
		{`{"current_password":null,"new_password":7}`, []string{"#/current_password wrong_type", "#/new_password wrong_type"}},
		{changing("", "short"), []string{"#/current_password required", "#/new_password too_short", "#/new_password missing_upper", "#/new_password missing_digit"}},
		{changing(string(make([]byte, 4<<10+1)), nextPassword), []string{"#/current_password too_long"}},
		{changing("wrong", "Password123"), []string{"#/new_password common_password"}},
		{changing("wrong", "My-Babbage-1791"), []string{"#/new_password contains_context"}},
		{`{"current_password":"x","new_password":"` + nextPassword + `","role":"admin","is_active":true}`, []string{"#/role unknown_field", "#/is_active unknown_field"}},
	} {
		api.As(u).Put("/users/me/password", c.body).Invalid(c.faults...)
	}
	api.Put("/users/me/password", changing(u.Password, nextPassword)).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	api.LogIn(&u)
}

func TestACurrentPasswordIsCheckedFiveTimesAMinute(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, attackable(clk)...)
		u, bystander := api.User(), api.User()
		other := elsewhere(api, u)
		for i := range 5 { // from anywhere, on any session: it is the user's own budget
			r := api.WithHeader("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i)).As([]testkit.User{u, other}[i%2]).Put("/users/me/password", changing("Wrong-Password-1", nextPassword))
			wrongCurrent(t, r)
			require.Equal(t, `"current_password";q=5;w=60`, r.Header.Get("RateLimit-Policy"))
			require.Contains(t, r.Header.Get("RateLimit"), fmt.Sprintf(`"current_password";r=%d;`, 4-i))
		}
		r := api.As(u).Put("/users/me/password", changing(u.Password, nextPassword))
		r.Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		require.NotEmpty(t, r.Header.Get("Retry-After"))
		api.As(bystander).Put("/users/me/password", changing(bystander.Password, nextPassword)).Status(http.StatusNoContent)
		clk.Advance(12 * time.Second)
		api.As(u).Put("/users/me/password", changing(u.Password, nextPassword)).Status(http.StatusNoContent)
	})
}

func TestThirtyChangesOfOnePasswordAtOnceAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(patient(), public())...)
		u := api.User()
		require.Equal(t, map[int]int{http.StatusNoContent: 1, http.StatusBadRequest: 29}, atOnce(func() *testkit.Response {
			return api.As(u).Put("/users/me/password", changing(u.Password, nextPassword))
		}))
		u.Password = nextPassword
		api.LogIn(&u)
		api.WorkJobs()
		require.Len(t, api.Mail(), 1)
	})
}

// TestALoginThatRenewsTheHashMakesNoCurrentPasswordWrong races each change that the current password gives the right to with
// logins that find its hash weak.
func TestALoginThatRenewsTheHashMakesNoCurrentPasswordWrong(t *testing.T) {
	t.Parallel()
	weak := password.NewHasher(password.Settings{Memory: 8 << 20, Time: 1, Parallel: 1, Permits: 1, QueueDeadline: time.Minute})
	hash, err := weak.Hash(t.Context(), secret.New(testkit.Password))
	require.NoError(t, err)
	for name, ask := range map[string]struct {
		send   func(api *testkit.API) *testkit.Response
		status int
	}{
		"password": {func(api *testkit.API) *testkit.Response {
			return api.Put("/users/me/password", changing(testkit.Password, nextPassword))
		}, http.StatusNoContent},
		"address": {func(api *testkit.API) *testkit.Response {
			return api.Post("/users/me/email", moving("next@example.com", testkit.Password))
		}, http.StatusAccepted},
		"deletion": {func(api *testkit.API) *testkit.Response {
			return api.Delete("/users/me", map[string]any{"current_password": testkit.Password})
		}, http.StatusNoContent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
				api := testkit.Serve(t, db, testkit.WithPasswordCost())
				for range 4 {
					u := api.User()
					change(t, api, `UPDATE users SET password_hash = ? WHERE id = ?`, hash, u.ID)
					var logins sync.WaitGroup
					for range 3 {
						logins.Go(func() { api.Post("/auth/login", credentials(u.Email, u.Password)) })
					}
					ask.send(api.As(u)).Status(ask.status)
					logins.Wait()
					if name == "address" { // which leaves the password
						requireRenewed(t, api, u)
					}
				}
			})
		})
	}
}

// TestANewPasswordVoidsTheLinksThatWouldSetAnother is why a notice is worth something: whoever reacts to it by setting a
// password has shut everybody else out.
func TestANewPasswordVoidsTheLinksThatWouldSetAnother(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		forReset, forVerify := forgot(t, api, u.Email), verification(t, api, u.Email)
		api.As(u).Put("/users/me/password", changing(u.Password, nextPassword)).Status(http.StatusNoContent)
		invalid(t, api.Post("/auth/reset-password", reset(forReset, testkit.Password)))
		api.Post("/auth/verify-email", map[string]any{"token": forVerify}).Status(http.StatusNoContent)
		api.WorkJobs()
		api.Post("/auth/reset-password", reset(forgot(t, api, u.Email), testkit.Password)).Status(http.StatusNoContent)
	})
}

// TestALoginWithTheOldPasswordDoesNotOutliveItsChange races logins that have verified the old password with its change: no
// session that they start is alive afterwards.
func TestALoginWithTheOldPasswordDoesNotOutliveItsChange(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, patient()...)
		u := api.User()
		for i := range 5 {
			next := fmt.Sprintf("%s-%d", nextPassword, i)
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() { api.Post("/auth/login", credentials(u.Email, u.Password)) })
			}
			wg.Go(func() { api.As(u).Put("/users/me/password", changing(u.Password, next)).Status(http.StatusNoContent) })
			wg.Wait()
			var list struct {
				Items []struct {
					Current bool `json:"current"`
				} `json:"items"`
			}
			api.As(u).Get("/users/me/sessions").Status(http.StatusOK).JSON(&list)
			require.Len(t, list.Items, 1)
			require.True(t, list.Items[0].Current)
			u.Password = next
		}
	})
}

// TestANewPasswordIsHeardOfOnOtherInstances holds the bound of a logout: P99 of one second.
func TestANewPasswordIsHeardOfOnOtherInstances(t *testing.T) { //nolint:paralleltest // it looks at time, which other tests would take
	if os.Getenv(testkit.PostgresVariable) == "" {
		return
	}
	db := testkit.Postgres(t)
	a, b := testkit.Serve(t, db), testkit.Serve(t, db)
	u := a.User()
	var all []time.Duration
	for i := range 30 {
		other := elsewhere(a, u)
		b.As(other).Get("/users/me").Status(http.StatusOK) // b remembers the session
		b.As(u).Get("/users/me").Status(http.StatusOK)
		next := fmt.Sprintf("%s-%d", nextPassword, i)
		a.As(u).Put("/users/me/password", changing(u.Password, next)).Status(http.StatusNoContent)
		start := time.Now()
		for b.As(other).Get("/users/me").StatusCode != http.StatusUnauthorized {
			require.Less(t, time.Since(start), 10*time.Second)
		}
		all = append(all, time.Since(start))
		b.As(u).Get("/users/me").Status(http.StatusOK)
		u.Password = next
	}
	slices.Sort(all)
	t.Logf("P50 %s, the longest %s", all[len(all)/2], all[len(all)-1])
	require.Less(t, all[len(all)-1], time.Second)
}

func leaving(password string) map[string]any { return map[string]any{"current_password": password} }

func TestWhoKnowsThePasswordDeletesTheAccountForGood(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		other, forReset := elsewhere(api, u), forgot(t, api, u.Email)
		wrongCurrent(t, api.As(u).Delete("/users/me", leaving("Wrong-Password-1")))
		api.As(u).Delete("/users/me", `{}`).Invalid("#/current_password required")
		api.As(u).Delete("/users/me", nil).Status(http.StatusBadRequest)
		api.Delete("/users/me", leaving(u.Password)).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		require.Empty(t, api.As(u).Delete("/users/me", leaving(u.Password)).Status(http.StatusNoContent).Body)

		for _, gone := range []testkit.User{u, other} {
			api.As(gone).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			refuse(t, api, gone.RefreshToken)
		}
		api.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		next := api.User(func(n *testkit.User) { n.Email, n.Password = u.Email, nextPassword }) // the address is free again
		invalid(t, api.Post("/auth/reset-password", reset(forReset, "Another-Engine-1844")))
		api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.LogIn(&next)
	})
}

func TestTheLastAdministratorDoesNotLeave(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, patient()...)
		first, second := api.Admin(), api.Admin()
		var wg sync.WaitGroup
		statuses := make([]int, 2)
		for i, admin := range []testkit.User{first, second} {
			wg.Go(func() { statuses[i] = api.As(admin).Delete("/users/me", leaving(admin.Password)).StatusCode })
		}
		wg.Wait()
		require.ElementsMatch(t, []int{http.StatusNoContent, http.StatusConflict}, statuses)
		stays := map[bool]testkit.User{true: first, false: second}[statuses[0] == http.StatusConflict]
		require.Equal(t, "last_admin", api.As(stays).Delete("/users/me", leaving(stays.Password)).Problem(http.StatusConflict, "CONFLICT").Reason)
		api.LogIn(&stays)
	})
}

func TestThirtyDeletionsAtOnceAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, patient()...)
		u := api.User()
		statuses := atOnce(func() *testkit.Response { return api.As(u).Delete("/users/me", leaving(u.Password)) })
		require.Equal(t, 1, statuses[http.StatusNoContent])
		require.Equal(t, 29, statuses[http.StatusBadRequest]+statuses[http.StatusUnauthorized], statuses)
	})
}
