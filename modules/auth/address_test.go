package auth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

const newAddress = "ada.king@example.com"

func moving(to, password string) map[string]any {
	return map[string]any{"new_email": to, "current_password": password}
}

// move asks for another address and gives the token that was mailed there.
func move(t *testing.T, api *testkit.API, u testkit.User, to string) string {
	t.Helper()
	require.Empty(t, api.As(u).Post("/users/me/email", moving(to, u.Password)).Status(http.StatusAccepted).Body)
	api.WorkJobs()
	return newest(t, api, to, "/confirm-email")
}

func confirm(api *testkit.API, token string) *testkit.Response {
	return api.Post("/auth/confirm-email", map[string]any{"token": token})
}

func emailOf(t *testing.T, api *testkit.API, u testkit.User) string {
	t.Helper()
	var me struct {
		Email string `json:"email"`
	}
	api.As(u).Get("/users/me").Status(http.StatusOK).JSON(&me)
	return me.Email
}

func subjects(all []testkit.Mail) (found []string) {
	for _, m := range all {
		found = append(found, m.Subject)
	}
	return found
}

func TestAnAddressChangesOnceTheNewOneConfirms(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk))
		u := api.User()
		text := move(t, api, u, newAddress)
		require.Contains(t, api.LastMailTo(newAddress).Text, "for 24 hours")
		require.NotContains(t, api.LastMailTo(newAddress).Text, u.Email, "whoever reads that mailbox need not know the account")
		require.Equal(t, []string{"Your e-mail address is about to change"}, subjects(api.MailTo(u.Email, 1)))
		require.Empty(t, api.LastMailTo(u.Email).Links)
		require.Equal(t, u.Email, emailOf(t, api, u), "nothing has changed yet")
		api.Post("/auth/login", credentials(newAddress, u.Password)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")

		require.Empty(t, confirm(api, text).Status(http.StatusNoContent).Body)
		require.Equal(t, newAddress, emailOf(t, api, u), "the session stays")
		require.True(t, emailVerified(t, api, u))
		api.Post("/auth/login", credentials(u.Email, u.Password)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		api.Post("/auth/login", credentials(newAddress, u.Password)).Status(http.StatusOK)
		invalid(t, confirm(api, text))
		api.WorkJobs()
		require.Len(t, api.MailTo(u.Email, 2), 2, "the old address is told")
		require.Len(t, api.MailTo(newAddress, 2), 2, "and the new one")
		api.Post("/auth/register", registration(u.Email)).Status(http.StatusCreated) // the old one is free again
	})
}

func TestAskingForAnotherAddressNeedsTheCurrentPassword(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(attackable(clock.NewFake(time.Now())), public())...)
		u, other := api.User(), api.User()
		api.Post("/users/me/email", moving(newAddress, u.Password)).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		// Whether the address is known shows to nobody who does not know the password, and each try counts.
		for range 2 {
			wrongCurrent(t, api.As(u).Post("/users/me/email", moving(newAddress, "Wrong-Password-1")))
			wrongCurrent(t, api.As(u).Post("/users/me/email", moving(other.Email, "Wrong-Password-1")))
		}
		wrongCurrent(t, api.As(u).Put("/users/me/password", changing("Wrong-Password-1", nextPassword))) // one budget for both
		r := api.As(u).Post("/users/me/email", moving(newAddress, u.Password))
		r.Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		require.Equal(t, `"current_password";q=5;w=60`, r.Header.Get("RateLimit-Policy"))
		api.WorkJobs()
		require.Empty(t, api.Mail())
	})
}

func TestAskingForAnotherAddressIsValidatedWhole(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithSetting("auth.registration.allowed_domains", "example.com"))
	u := api.User()
	ask := func(body any) *testkit.Response { return api.As(u).Post("/users/me/email", body) }
	ask(`{}`).Invalid("#/new_email required", "#/current_password required")
	ask(moving("ada", "")).Invalid("#/new_email invalid_format", "#/current_password required")
	ask(moving("ada@xn--80ak6aa92e.com", "x")).Invalid("#/new_email invalid_format")
	ask(moving(newAddress, strings.Repeat("x", 4<<10+1))).Invalid("#/current_password too_long")
	ask(moving(u.Email, u.Password)).Invalid("#/new_email not_allowed")
	ask(moving("ada@example.org", u.Password)).Invalid("#/new_email not_allowed")
	ask(`{"new_email":"a@example.com","current_password":"x","email_verified":true,"email":"a@example.com"}`).Invalid("#/email_verified unknown_field", "#/email unknown_field")
	invalid(t, confirm(api, ""))
	api.Post("/auth/confirm-email", `{}`).Invalid("#/token required")
	api.WorkJobs()
	require.Empty(t, api.Mail())
}

func TestAnotherSpellingIsAnotherAddressOfTheSameAccount(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User(func(u *testkit.User) { u.Email = "ada@example.com" })
		confirm(api, move(t, api, u, "Ada@example.com")).Status(http.StatusNoContent)
		require.Equal(t, "Ada@example.com", emailOf(t, api, u))
	})
}

func TestAKnownAddressIsToldOrKeptSecretAsAtRegistration(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		limits := append(attackable(clk), testkit.WithSetting("ratelimit.current_password", "1000/1m"), testkit.WithSetting("ratelimit.register", "1000/1m"))
		api := testkit.Serve(t, db, limits...)
		u, other := api.User(), api.User()
		for range 20 {
			p := api.As(u).Post("/users/me/email", moving(strings.ToUpper(other.Email), u.Password)).Problem(http.StatusConflict, "CONFLICT")
			require.Equal(t, "email_already_exists", p.Reason)
		}
		// The budget is that of registering, since either answers the same question.
		for _, to := range []string{other.Email, "nobody@example.com"} {
			api.As(u).Post("/users/me/email", moving(to, u.Password)).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		}
		api.Post("/auth/register", registration("nobody@example.com")).Problem(http.StatusTooManyRequests, "RATE_LIMITED")
		require.Empty(t, api.Mail())

		silent := testkit.Serve(t, db, testkit.WithSetting("auth.registration.existing_email", "opaque"))
		require.Empty(t, silent.As(u).Post("/users/me/email", moving(other.Email, u.Password)).Status(http.StatusAccepted).Body)
		silent.WorkJobs()
		require.Len(t, silent.Mail(), 1)
		require.Equal(t, u.Email, silent.Mail()[0].To, "the owner of the known address is not told who looks for it")
	})
}

func TestAnAddressThatIsTakenMeanwhileIsAConflict(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		text := move(t, api, u, newAddress)
		faster := api.User(func(f *testkit.User) { f.Email = newAddress })
		require.Equal(t, "email_already_exists", confirm(api, text).Problem(http.StatusConflict, "CONFLICT").Reason)
		require.Contains(t, string(submit(api, "/confirm-email", url.Values{"token": {text}}).Status(http.StatusConflict).Body), "belongs to another account by now")
		require.Equal(t, u.Email, emailOf(t, api, u))
		require.Equal(t, newAddress, emailOf(t, api, faster))
		change(t, api, `DELETE FROM users WHERE id = ?`, faster.ID)
		confirm(api, text).Status(http.StatusNoContent) // it was never used
	})
}

func TestALinkToANewAddressDies(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk))
		for name, kill := range map[string]func(u testkit.User){
			"in-time":  func(testkit.User) { clk.Advance(24 * time.Hour) },
			"moved":    func(u testkit.User) { change(t, api, `UPDATE users SET email = 'x-' || email WHERE id = ?`, u.ID) },
			"disabled": func(u testkit.User) { change(t, api, `UPDATE users SET is_active = ? WHERE id = ?`, false, u.ID) },
			"deleted":  func(u testkit.User) { change(t, api, `DELETE FROM users WHERE id = ?`, u.ID) },
			"newer":    func(u testkit.User) { clk.Advance(time.Second); move(t, api, u, "newest@example.com") },
			"new-password": func(u testkit.User) {
				api.As(u).Put("/users/me/password", changing(u.Password, nextPassword)).Status(http.StatusNoContent)
			},
			"reset": func(u testkit.User) {
				api.Post("/auth/reset-password", reset(forgot(t, api, u.Email), nextPassword)).Status(http.StatusNoContent)
			},
		} {
			u := api.User()
			text := move(t, api, u, name+"@example.com")
			kill(u)
			invalid(t, confirm(api, text))
			api.WorkJobs()
			api.Post("/auth/login", credentials(name+"@example.com", u.Password)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
	})
}

// TestANewPasswordStopsALinkThatHasNotLeftYet is the case of a mail server that was away: the link dies before it is mailed.
func TestANewPasswordStopsALinkThatHasNotLeftYet(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		api.As(u).Post("/users/me/email", moving(newAddress, u.Password)).Status(http.StatusAccepted)
		api.As(u).Put("/users/me/password", changing(u.Password, nextPassword)).Status(http.StatusNoContent)
		api.WorkJobs()
		require.ElementsMatch(t, []string{"Your e-mail address is about to change", "Your password has changed"}, subjects(api.Mail()))
	})
}

func TestWhatWasMailedToTheOldAddressDiesWithIt(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		forReset, forVerify := forgot(t, api, u.Email), verification(t, api, u.Email)
		confirm(api, move(t, api, u, newAddress)).Status(http.StatusNoContent)
		api.WorkJobs()
		for range 2 { // not even when the address comes back
			invalid(t, api.Post("/auth/reset-password", reset(forReset, nextPassword)))
			invalid(t, api.Post("/auth/verify-email", map[string]any{"token": forVerify}))
			change(t, api, `UPDATE users SET email = ? WHERE id = ?`, u.Email, u.ID)
		}
	})
}

func TestThirtyConfirmationsOfOneAddressAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(patient(), public())...)
		u, rival := api.User(), api.User()
		text, other := move(t, api, u, newAddress), move(t, api, rival, newAddress) // both may ask: neither has it yet
		require.Equal(t, map[int]int{http.StatusNoContent: 1, http.StatusBadRequest: 29}, atOnce(func() *testkit.Response { return confirm(api, text) }))
		require.Equal(t, map[int]int{http.StatusConflict: 30}, atOnce(func() *testkit.Response { return confirm(api, other) }))
		api.WorkJobs()
		require.Len(t, api.MailTo(u.Email, 2), 2)
		require.Equal(t, newAddress, emailOf(t, api, u))
		require.Equal(t, rival.Email, emailOf(t, api, rival))
	})
}

func TestATokenThatChangesTheAddressIsForNothingElse(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User()
		text := move(t, api, u, newAddress)
		invalid(t, api.Post("/auth/reset-password", reset(text, nextPassword)))
		invalid(t, api.Post("/auth/verify-email", map[string]any{"token": text}))
		for _, foreign := range []string{forgot(t, api, u.Email), verification(t, api, u.Email), u.AccessToken, u.RefreshToken, "x", text + "x"} {
			invalid(t, confirm(api, foreign))
		}
		api.Get("/confirm-email?token=" + text).Status(http.StatusOK) // opening the page consumes nothing
		confirm(api, text).Status(http.StatusNoContent)
	})
}
