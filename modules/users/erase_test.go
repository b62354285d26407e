package users_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/testkit"
)

// endsWithin is the longest that another instance may go on with what has ended: security.md's bound and room for a busy
// machine.
const endsWithin = 5 * time.Second

// refusedSoon waits until the instance refuses the user's access token.
func refusedSoon(t *testing.T, api *testkit.API, u testkit.User) {
	t.Helper()
	for start := time.Now(); api.As(u).Get("/users/me").StatusCode != http.StatusUnauthorized; {
		require.Less(t, time.Since(start), endsWithin)
	}
	api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
}

func credentials(u testkit.User, password string) map[string]string {
	return map[string]string{"email": u.Email, "password": password}
}

func TestADeletedUserIsRefusedOnEveryInstanceAndTheAddressIsFree(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		here, there := testkit.Serve(t, db), testkit.Serve(t, db)
		admin, u := here.Admin(), here.User()
		for _, api := range []*testkit.API{here, there} { // both remember
			api.As(u).Get("/users/me").Status(http.StatusOK)
		}
		path := "/users/" + u.ID.String()
		require.Empty(t, here.As(admin).Delete(path, nil).Status(http.StatusNoContent).Body)
		here.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		refusedSoon(t, there, u)
		for _, api := range []*testkit.API{here, there} {
			api.Post("/auth/refresh", map[string]string{"refresh_token": u.RefreshToken}).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			api.Post("/auth/login", credentials(u, u.Password)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			api.As(admin).Delete(path, nil).Problem(http.StatusNotFound, "NOT_FOUND")
			api.As(admin).Get(path+"/sessions").Problem(http.StatusNotFound, "NOT_FOUND")
		}
		successor := there.User(func(s *testkit.User) { s.Email = u.Email })
		require.NotEqual(t, u.ID, successor.ID)
		here.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	})
}

func TestOnlyAdministratorsDeleteUsersAndTheyAreToldWhatIsNotThere(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, u, other := api.Admin(), api.User(), api.User()
		path := "/users/" + other.ID.String()
		api.Delete(path, nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.As(u).Delete(path, nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		api.As(u).Delete("/users/"+u.ID.String(), nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		api.As(u).Delete("/users/"+account.NewID().String(), nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR") // no oracle
		api.As(admin).Delete("/users/"+account.NewID().String(), nil).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(admin).Delete("/users/x", nil).Invalid("id invalid_format")
		api.As(admin).Delete(path+"?force=true", nil).Invalid("force unknown_field")
		api.As(other).Get("/users/me").Status(http.StatusOK)

		self := "/users/" + admin.ID.String()
		require.Equal(t, "last_admin", api.As(admin).Delete(self, nil).Problem(http.StatusConflict, "CONFLICT").Reason)
		api.As(admin).Get("/users/me").Status(http.StatusOK)
		second := api.Admin()
		api.As(admin).Delete(self, nil).Status(http.StatusNoContent)
		api.As(admin).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.As(second).Get("/users/me").Status(http.StatusOK)
	})
}

// predecessor is an account with everything that one can hold.
type predecessor struct {
	testkit.User
	mailed map[string]string // tokens by the page of their link
}

// atHome is an address that the predecessor is known at, and abroad one that nobody is.
const atHome, abroad = "2001:db8:1:2::1", "198.51.100.7"

func from(api *testkit.API, addr string) *testkit.API { return api.WithHeader("X-Forwarded-For", addr) }

// countsLogins has an app count failed logins by addresses that tests choose.
func countsLogins(clk clock.Clock) []testkit.Option {
	return []testkit.Option{
		testkit.WithClock(clk), testkit.WithLimits(), testkit.WithSetting("http.trusted_proxies", "127.0.0.0/8"),
		testkit.WithSetting("ratelimit.login", "100000/1m"), testkit.WithSetting("ratelimit.register", "100000/1m"),
		testkit.WithSetting("ratelimit.reset", "100000/1m"), testkit.WithSetting("ratelimit.verify", "100000/1m"),
	}
}

func newPredecessor(t *testing.T, api *testkit.API) predecessor {
	t.Helper()
	p := predecessor{mailed: map[string]string{}}
	p.User = from(api, atHome).WithHeader("User-Agent", "predecessors-laptop").User(func(u *testkit.User) { u.FullName = "Predecessor" })
	for _, path := range []string{"/auth/forgot-password", "/auth/verify-email/resend"} {
		api.Post(path, map[string]string{"email": p.Email}).Status(http.StatusAccepted)
	}
	api.WorkJobs()
	for _, m := range api.MailTo(p.Email, 2) {
		for _, text := range m.Links {
			link, err := url.Parse(text)
			require.NoError(t, err)
			p.mailed[link.Path] = link.Query().Get("token")
		}
	}
	return p
}

// slowDown fails to sign in, at the address that the account is known at and from abroad, until that takes time.
func (p predecessor) slowDown(api *testkit.API) {
	for _, addr := range []string{atHome, abroad} {
		for range 10 {
			from(api, addr).Post("/auth/login", credentials(p.User, "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		from(api, addr).Post("/auth/login", credentials(p.User, p.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
	}
}

func TestASuccessorUnderTheSameAddressInheritsNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		api := testkit.Serve(t, db, countsLogins(clk)...)
		admin, old := api.Admin(), newPredecessor(t, api)
		old.slowDown(api)
		api.As(admin).Delete("/users/"+old.ID.String(), nil).Status(http.StatusNoContent)

		// Whoever failed before is as slow as anybody: the successor's first login comes from where the old one was slowed down.
		successor := from(api, abroad).User(func(u *testkit.User) { u.Email = old.Email })
		for page, path := range map[string]string{"/reset-password": "/auth/reset-password", "/verify-email": "/auth/verify-email"} {
			body := map[string]string{"token": old.mailed[page]}
			if page == "/reset-password" {
				body["new_password"] = "Analytical-Engine-1843"
			}
			require.Equal(t, "invalid_token", api.Post(path, body).Problem(http.StatusBadRequest, "VALIDATION_ERROR").Reason)
		}
		api.Post("/auth/refresh", map[string]string{"refresh_token": old.RefreshToken}).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.As(old.User).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")

		var me struct {
			FullName      string `json:"full_name"`
			EmailVerified bool   `json:"email_verified"`
		}
		api.As(successor).Get("/users/me").Status(http.StatusOK).JSON(&me)
		require.Equal(t, successor.FullName, me.FullName)
		require.False(t, me.EmailVerified)
		held := exportOf(api.As(successor))
		require.Len(t, held.Modules.Sessions, 1)
		require.Empty(t, held.Modules.Auth.MailedLinks)
		require.Empty(t, held.Modules.Auth.FailedLogins)
		require.Len(t, held.Modules.Auth.KnownAddresses, 1)

		// At the old one's home the successor is a stranger: what strangers fail counts there, too.
		for range 10 {
			from(api, "203.0.113.9").Post("/auth/login", credentials(successor, "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		from(api, atHome).Post("/auth/login", credentials(successor, successor.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		from(api, abroad).Post("/auth/login", credentials(successor, successor.Password)).Status(http.StatusOK)
	})
}

// errHeld is what a module says that cannot erase.
var errHeld = errors.New("held by a strike")

// withStrike puts a module before all others, so that it is asked to erase when everything else is gone.
func withStrike(s *app.Stores) ([]module.Module, error) {
	modules, err := app.Standard(s)
	return append([]module.Module{{
		Name:  "strike",
		Erase: func(context.Context, *database.Tx, account.ID) error { return errHeld },
	}}, modules...), err
}

func TestDeletingThatFailsHalfWayLeavesEverything(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		api := testkit.Serve(t, db, append(countsLogins(clk), testkit.WithBuild(withStrike))...)
		admin, u := api.Admin(), newPredecessor(t, api)
		u.slowDown(api)
		before := exportOf(api.As(u.User))
		api.As(admin).Delete("/users/"+u.ID.String(), nil).Problem(http.StatusInternalServerError, "INTERNAL_ERROR")
		after := exportOf(api.As(u.User))
		require.Equal(t, before.Modules, after.Modules)
		from(api, abroad).Post("/auth/login", credentials(u.User, u.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		api.Post("/auth/refresh", map[string]string{"refresh_token": u.RefreshToken}).Status(http.StatusOK)
		api.Post("/auth/verify-email", map[string]string{"token": u.mailed["/verify-email"]}).Status(http.StatusNoContent)
		api.Post("/auth/reset-password", map[string]string{"token": u.mailed["/reset-password"], "new_password": testkit.Password}).Status(http.StatusNoContent)
	})
}

func TestModulesThatNeedOthersEraseBeforeThem(t *testing.T) {
	t.Parallel()
	var asked []string
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithBuild(func(s *app.Stores) ([]module.Module, error) {
		modules, err := app.Standard(s)
		for i, m := range modules {
			if m.Erase == nil {
				continue // it holds nothing about an account
			}
			modules[i].Erase = func(ctx context.Context, tx *database.Tx, id account.ID) error {
				asked = append(asked, m.Name)
				return m.Erase(ctx, tx, id)
			}
		}
		return modules, err
	}))
	api.As(api.Admin()).Delete("/users/"+api.User().ID.String(), nil).Status(http.StatusNoContent)
	built := make([]string, 0, len(asked))
	for _, m := range slices.Backward(api.App.Modules) {
		if m.Erase != nil {
			built = append(built, m.Name)
		}
	}
	require.Equal(t, built, asked)
}
