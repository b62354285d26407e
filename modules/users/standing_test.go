package users_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestARoleHoldsFromTheNextRequestOnEveryInstance(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		a, b := twoInstances(t, db, clk)
		admin, u := a.Admin(), a.User()
		read := func(api *testkit.API) *testkit.Response { return api.As(u).Get(path(admin)) }
		for _, api := range []*testkit.API{a, b} { // both remember
			read(api).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		}
		of(t, a.As(admin).Patch(path(u), `{"role":"admin"}`))
		read(a).Status(http.StatusOK)
		soon(t, clk, http.StatusOK, func() *testkit.Response { return read(b) })
		of(t, a.As(admin).Patch(path(u), `{"role":"user"}`))
		read(a).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		soon(t, clk, http.StatusForbidden, func() *testkit.Response { return read(b) })
		b.As(u).Get("/users/me").Status(http.StatusOK) // signed in all the while
	})
}

func TestWhoIsMadeInactiveIsSignedOutEverywhereForGood(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		a, b := twoInstances(t, db, clk)
		admin, u := a.As(a.Admin()), a.User()
		second := u
		a.LogIn(&second)
		for _, session := range []testkit.User{u, second} {
			b.As(session).Get("/users/me").Status(http.StatusOK)
		}
		got, _ := of(t, admin.Patch(path(u), `{"is_active":false}`))
		require.False(t, got.IsActive)
		for _, session := range []testkit.User{u, second} {
			a.As(session).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			soon(t, clk, http.StatusUnauthorized, func() *testkit.Response { return b.As(session).Get("/users/me") })
			for _, api := range []*testkit.API{a, b} {
				api.Post("/auth/refresh", map[string]string{"refresh_token": session.RefreshToken}).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			}
		}
		b.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")

		of(t, admin.Patch(path(u), `{"is_active":true}`))
		clk.Advance(time.Minute)
		for _, session := range []testkit.User{u, second} {
			a.As(session).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			b.Post("/auth/refresh", map[string]string{"refresh_token": session.RefreshToken}).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}
		b.LogIn(&u)
		var ended struct {
			Items []struct {
				Reason string `json:"ended_reason"`
			} `json:"items"`
		}
		b.As(u).Get("/users/me/sessions?ended=true").Status(http.StatusOK).JSON(&ended)
		require.Len(t, ended.Items, 2)
		for _, s := range ended.Items {
			require.Equal(t, "administrator", s.Reason)
		}
	})
}

func TestTheLastActiveAdministratorStays(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, other, u := api.Admin(), api.Admin(), api.User()
		of(t, api.As(admin).Patch(path(other), `{"is_active":false}`)) // one who cannot sign in does not count
		refused := func(body string) {
			p := api.As(admin).Patch(path(admin), body).Problem(http.StatusConflict, "CONFLICT")
			require.Equal(t, "last_admin", p.Reason)
		}
		refused(`{"role":"user"}`)
		refused(`{"is_active":false}`)
		refused(`{"full_name":"Nobody","role":"user","is_active":false}`)
		got, _ := of(t, api.As(admin).Patch(path(admin), `{"role":"admin","is_active":true,"full_name":"Still here"}`))
		require.Equal(t, "Still here", got.FullName)
		of(t, api.As(admin).Patch(path(other), `{"role":"user"}`)) // is none who counts
		of(t, api.As(admin).Patch(path(u), `{"role":"admin"}`))
		of(t, api.As(admin).Patch(path(admin), `{"role":"user"}`))
		api.As(admin).Patch(path(admin), `{"role":"admin"}`).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		require.Equal(t, 1, activeAdmins(t, api))
	})
}

// TestTwoAdministratorsAgainstEachOtherLeaveOne races two administrators on two instances, each of whom takes the other's
// role, activity or account.
func TestTwoAdministratorsAgainstEachOtherLeaveOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		const rounds = 100
		clk := clock.NewFake(time.Now())
		a, b := twoInstances(t, db, clk)
		at := [2]*testkit.API{a, b}
		who := [2]testkit.User{a.Admin(), a.Admin()}
		attacks := []func(*testkit.API, testkit.User) *testkit.Response{
			func(api *testkit.API, u testkit.User) *testkit.Response { return api.Patch(path(u), `{"role":"user"}`) },
			func(api *testkit.API, u testkit.User) *testkit.Response {
				return api.Patch(path(u), `{"is_active":false}`)
			},
			func(api *testkit.API, u testkit.User) *testkit.Response { return api.Delete(path(u), nil) },
		}
		lastAdmin := 0
		for round := range rounds {
			for i := range who { // both know that both are administrators
				soon(t, clk, http.StatusOK, func() *testkit.Response { return at[i].As(who[i]).Get(path(who[1-i])) })
			}
			var answers [2]*testkit.Response
			var wg sync.WaitGroup
			start := make(chan struct{})
			for i := range who {
				wg.Go(func() {
					<-start
					answers[i] = attacks[(round+i*(round/len(attacks)))%len(attacks)](at[i].As(who[i]), who[1-i])
				})
			}
			close(start)
			wg.Wait()
			require.Equal(t, 1, activeAdmins(t, a), "round %d", round)
			winner := 0
			if answers[1].StatusCode < http.StatusMultipleChoices {
				winner = 1
			}
			require.Contains(t, []int{http.StatusOK, http.StatusNoContent}, answers[winner].StatusCode, "round %d", round)
			switch loser := answers[1-winner]; loser.StatusCode {
			case http.StatusConflict:
				require.Equal(t, "last_admin", loser.Problem(http.StatusConflict, "CONFLICT").Reason)
				lastAdmin++
			default: // the change was there before they were looked at
				require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, loser.StatusCode)
			}
			if answers[winner].StatusCode == http.StatusNoContent {
				who[1-winner] = at[winner].Admin()
				continue
			}
			of(t, at[winner].As(who[winner]).Patch(path(who[1-winner]), `{"role":"admin","is_active":true}`))
			at[winner].LogIn(&who[1-winner])
		}
		t.Logf("%d of %d rounds ended with last_admin", lastAdmin, rounds)
		require.NotZero(t, lastAdmin, "nobody ever raced")
	})
}
