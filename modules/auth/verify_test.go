package auth_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

// verification asks for a verification mail and gives the token in it.
func verification(t *testing.T, api *testkit.API, email string) string {
	t.Helper()
	require.Empty(t, api.Post("/auth/verify-email/resend", address(email)).Status(http.StatusAccepted).Body)
	api.WorkJobs()
	return newest(t, api, email, "/verify-email")
}

func TestRegisteringMailsALinkThatVerifiesTheAddress(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk))
		api.WithHeader("Accept-Language", "de").Post("/auth/register", registration("ada@example.com")).Status(http.StatusCreated)
		api.WorkJobs()
		m := api.LastMailTo("ada@example.com")
		require.Equal(t, "Bitte bestätigen Sie Ihre E-Mail-Adresse", m.Subject)
		require.Contains(t, m.Text, "24 Stunden")
		require.NotContains(t, m.Text+m.HTML, "Lovelace", "a stranger may have chosen the name")
		text := tokenIn(t, m, "/verify-email")

		u := testkit.User{Email: "ada@example.com", Password: testkit.Password}
		api.LogIn(&u)
		require.False(t, emailVerified(t, api, u))
		clk.Advance(24*time.Hour - time.Second)
		require.Empty(t, api.Post("/auth/verify-email", map[string]any{"token": text}).Status(http.StatusNoContent).Body)
		invalid(t, api.Post("/auth/verify-email", map[string]any{"token": text}))
		api.LogIn(&u)
		require.True(t, emailVerified(t, api, u))
		api.Post("/auth/verify-email/resend", address(u.Email)).Status(http.StatusAccepted)
		api.WorkJobs()
		require.Len(t, api.Mail(), 1, "there is nothing left to verify")
	})
}

func emailVerified(t *testing.T, api *testkit.API, u testkit.User) bool {
	t.Helper()
	var me struct {
		EmailVerified bool `json:"email_verified"`
	}
	api.As(u).Get("/users/me").Status(http.StatusOK).JSON(&me)
	return me.EmailVerified
}

func TestAVerificationLinkDiesInTimeAndByANewerOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk), testkit.WithSetting("auth.verify.ttl", "2h"))
		u := api.User()
		first := verification(t, api, u.Email)
		clk.Advance(time.Second)
		second := verification(t, api, u.Email)
		invalid(t, api.Post("/auth/verify-email", map[string]any{"token": first}))
		clk.Advance(2 * time.Hour)
		invalid(t, api.Post("/auth/verify-email", map[string]any{"token": second}))
		require.Contains(t, api.LastMailTo(u.Email).Text, "2 hours")
	})
}

func TestALoginMayNeedAVerifiedAddress(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(attackable(clock.NewFake(time.Now())), public(), testkit.WithSetting("auth.login.require_verified_email", "true"),
			testkit.WithSetting("ratelimit.resend", "1000/1m"))...)
		api.Post("/auth/register", registration("ada@example.com")).Status(http.StatusCreated)
		for range 20 { // a right password is no failed login
			p := api.Post("/auth/login", credentials("ada@example.com", testkit.Password)).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
			require.Equal(t, "email_not_verified", p.Reason)
		}
		for _, email := range []string{"ada@example.com", "nobody@example.com"} { // who does not know the password learns nothing
			api.Post("/auth/login", credentials(email, "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		api.Post("/auth/verify-email", map[string]any{"token": verification(t, api, "ada@example.com")}).Status(http.StatusNoContent)
		api.Post("/auth/login", credentials("ada@example.com", testkit.Password)).Status(http.StatusOK)
	})
}
