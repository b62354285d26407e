package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

func invitation(email string) map[string]any {
	return map[string]any{"email": email, "full_name": "Charles Babbage", "role": "user"}
}

// invite has an administrator invite someone, and gives the account and the token that was mailed.
func invite(t *testing.T, api *testkit.API, admin testkit.User, email string) (testkit.User, string) {
	t.Helper()
	var got struct {
		ID account.ID `json:"id"`
	}
	api.As(admin).Post("/users", invitation(email)).Status(http.StatusCreated).JSON(&got)
	api.WorkJobs()
	return testkit.User{ID: got.ID, Email: email, Password: nextPassword}, newest(t, api, email, "/reset-password")
}

func TestAnInvitationMakesAnAccountWhoseOwnerChoosesThePassword(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC))
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk))
		admin := api.Admin()
		var got map[string]any
		made := api.As(admin).Post("/users", map[string]any{"email": " Babbage@Example.com ", "full_name": " Charles Babbage ", "role": "admin"}).Status(http.StatusCreated)
		made.JSON(&got)
		require.NotEmpty(t, got["id"])
		found := api.As(admin).Get(made.Header.Get("Location")).Status(http.StatusOK)
		require.JSONEq(t, string(made.Body), string(found.Body), "RFC 9110 section 10.2.2")
		require.Empty(t, found.Header.Get("Location"), "of what was made alone")
		delete(got, "id")
		require.Equal(t, map[string]any{
			"email": "Babbage@Example.com", "full_name": "Charles Babbage", "role": "admin", "is_active": true,
			"email_verified": false, "avatar_url": nil, "locale": nil, "timezone": nil,
			"created_at": "2026-01-31T09:30:00.000000Z", "updated_at": "2026-01-31T09:30:00.000000Z", "last_login_at": nil,
		}, got)
		for _, guess := range []string{"x", nextPassword, testkit.Password} {
			api.Post("/auth/login", credentials("babbage@example.com", guess)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
		api.WorkJobs()
		m := api.LastMailTo("Babbage@example.com") // a domain has one spelling in mail
		require.Equal(t, "You are invited to Gatehouse", m.Subject)
		require.Contains(t, m.Text, "for 7 days")
		require.NotContains(t, m.Text+m.HTML, "Charles", "nobody's words are mailed to anybody")

		clk.Advance(7*24*time.Hour - time.Second)
		text := tokenIn(t, m, "/reset-password")
		require.Empty(t, api.Post("/auth/reset-password", reset(text, nextPassword)).Status(http.StatusNoContent).Body)
		u := testkit.User{Email: "babbage@example.com", Password: nextPassword}
		api.LogIn(&u)
		require.True(t, emailVerified(t, api, u))
		invalid(t, api.Post("/auth/reset-password", reset(text, testkit.Password)))
	})
}

func TestOnlyAnAdministratorInvitesAndStartsAReset(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, other := api.User(), api.User()
		for path, body := range map[string]any{"/users": invitation("new@example.com"), "/users/" + other.ID.String() + "/password-reset": nil, "/users/" + u.ID.String() + "/password-reset": nil} {
			api.Post(path, body).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			api.As(u).Post(path, body).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
		}
		api.WorkJobs()
		require.Empty(t, api.Mail())
	})
}

func TestAnInvitationIsValidatedWhole(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin := api.Admin()
		for body, faults := range map[string][]string{
			`{}`: {"#/email required", "#/full_name required", "#/role required"},
			`{"email":"babbage","full_name":" ","role":"owner"}`:                                                                                {"#/email invalid_format", "#/full_name too_short", "#/role not_allowed"},
			`{"email":"b@example.com","full_name":"B","role":null}`:                                                                             {"#/role wrong_type"},
			`{"email":"b@example.com","full_name":"B","role":"user","password":"` + nextPassword + `","is_active":false,"email_verified":true}`: {"#/password unknown_field", "#/is_active unknown_field", "#/email_verified unknown_field"},
		} {
			api.As(admin).Post("/users", body).Invalid(faults...)
		}
		require.Equal(t, "email_already_exists", api.As(admin).Post("/users", invitation(strings.ToUpper(admin.Email))).Problem(http.StatusConflict, "CONFLICT").Reason)
		api.WorkJobs()
		require.Empty(t, api.Mail())
	})
}

func TestAnInvitationDiesInTimeAndWithWhatItWasMailedTo(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk), testkit.WithSetting("auth.invite.ttl", "2d"))
		admin := api.Admin()
		for name, kill := range map[string]func(u testkit.User){
			"time":     func(testkit.User) { clk.Advance(48 * time.Hour) },
			"moved":    func(u testkit.User) { change(t, api, `UPDATE users SET email = 'other-' || email WHERE id = ?`, u.ID) },
			"disabled": func(u testkit.User) { change(t, api, `UPDATE users SET is_active = ? WHERE id = ?`, false, u.ID) },
			"deleted":  func(u testkit.User) { change(t, api, `DELETE FROM users WHERE id = ?`, u.ID) },
			"forgotten": func(u testkit.User) {
				api.Post("/auth/reset-password", reset(forgot(t, api, u.Email), testkit.Password)).Status(http.StatusNoContent)
				api.WorkJobs()
			},
		} {
			api.LogIn(&admin)
			u, text := invite(t, api, admin, name+"@example.com")
			kill(u)
			invalid(t, api.Post("/auth/reset-password", reset(text, nextPassword)))
			api.Post("/auth/login", credentials(u.Email, nextPassword)).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		}
	})
}

func TestThirtyUsesOfOneInvitationAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(patient(), public())...)
		u, text := invite(t, api, api.Admin(), "babbage@example.com")
		require.Equal(t, map[int]int{http.StatusNoContent: 1, http.StatusBadRequest: 29}, atOnce(func() *testkit.Response {
			return api.Post("/auth/reset-password", reset(text, nextPassword))
		}))
		api.LogIn(&u)
	})
}

func TestThirtyInvitationsOfOneAddressAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, append(patient(), public())...)
		admin := api.Admin()
		require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusConflict: 29}, atOnce(func() *testkit.Response {
			return api.As(admin).Post("/users", invitation("babbage@example.com"))
		}))
		api.WorkJobs()
		require.Len(t, api.Mail(), 1)
	})
}

func TestAnInvitedUserIsNoUserOfAnotherPage(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		_, text := invite(t, api, api.Admin(), "babbage@example.com")
		invalid(t, api.Post("/auth/verify-email", map[string]any{"token": text}))
		api.WithToken(text).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.Post("/auth/register", registration("babbage@example.com")).Problem(http.StatusConflict, "CONFLICT")
	})
}

func TestAnAdministratorStartsAResetAndTheOwnerFinishesIt(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, public(), testkit.WithClock(clk))
		admin, u := api.Admin(), api.User()
		start := func() string {
			require.Empty(t, api.As(admin).Post("/users/"+u.ID.String()+"/password-reset", nil).Status(http.StatusAccepted).Body)
			api.WorkJobs()
			return newest(t, api, u.Email, "/reset-password")
		}
		first := start()
		m := api.LastMailTo(u.Email)
		require.Equal(t, "Please choose a new password", m.Subject)
		require.Contains(t, m.Text, "for 10 minutes")
		clk.Advance(time.Second)
		second := start()
		invalid(t, api.Post("/auth/reset-password", reset(first, nextPassword)))
		api.As(u).Get("/users/me").Status(http.StatusOK) // until then everything stays
		api.Post("/auth/login", credentials(u.Email, u.Password)).Status(http.StatusOK)
		api.Post("/auth/reset-password", reset(second, nextPassword)).Status(http.StatusNoContent)
		api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		u.Password = nextPassword
		api.LogIn(&u)

		third := start()
		clk.Advance(10 * time.Minute)
		invalid(t, api.Post("/auth/reset-password", reset(third, testkit.Password)))
	})
}

func TestAResetIsStartedForActiveUsersAlone(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, disabled := api.Admin(), api.User()
		change(t, api, `UPDATE users SET is_active = ? WHERE id = ?`, false, disabled.ID)
		start := func(id string) *testkit.Response { return api.As(admin).Post("/users/"+id+"/password-reset", nil) }
		require.Equal(t, "user_inactive", start(disabled.ID.String()).Problem(http.StatusConflict, "CONFLICT").Reason)
		start(account.NewID().String()).Problem(http.StatusNotFound, "NOT_FOUND")
		start("1").Invalid("id invalid_format")
		api.WorkJobs()
		require.Empty(t, api.Mail())
	})
}
