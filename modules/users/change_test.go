package users_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/modules/users"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestAProfileChangesByMerge(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC))
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		me := api.As(api.User())
		before, tag := of(t, me.Get("/users/me"))
		clk.Advance(time.Second)
		got, changed := of(t, me.Patch("/users/me", `{"full_name":"  Ada King ","locale":"en-gb","timezone":"Europe/London"}`))
		want := before
		want.FullName, want.Locale, want.Timezone, want.UpdatedAt = "Ada King", new("en-GB"), new("Europe/London"), clk.Now()
		require.Equal(t, want, got)
		require.NotEqual(t, tag, changed)
		again, sameTag := of(t, me.Get("/users/me"))
		require.Equal(t, got, again, "the next request shows it")
		require.Equal(t, changed, sameTag)

		clk.Advance(time.Second)
		got, _ = of(t, me.Patch("/users/me", `{"locale":null}`))
		want.Locale, want.UpdatedAt = nil, clk.Now()
		require.Equal(t, want, got, "null clears, absent leaves")
		got, _ = of(t, me.WithHeader("Content-Type", "application/merge-patch+json").Patch("/users/me", `{"timezone":null,"locale":"de"}`))
		want.Locale, want.Timezone = new("de"), nil
		require.Equal(t, want, got)

		clk.Advance(time.Second)
		_, tag = of(t, me.Get("/users/me"))
		got, same := of(t, me.Patch("/users/me", `{"timezone":null,"full_name":"Ada King"}`))
		require.Equal(t, want, got, "a change that changes nothing is none")
		require.Equal(t, tag, same)
	})
}

func TestAChangeIsValidatedWhole(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, admin := api.User(), api.Admin()
		before, tag := of(t, api.As(u).Get("/users/me"))
		me := api.As(u)
		me.Patch("/users/me", "{}").Invalid("# required")
		me.Patch("/users/me", nil).Invalid("# required")
		me.Patch("/users/me", `{"full_name":null}`).Invalid("#/full_name wrong_type")
		me.Patch("/users/me", `{"full_name":"","locale":"en_GB","timezone":"Mars/Olympus","role":"admin"}`).
			Invalid("#/full_name too_short", "#/locale invalid_format", "#/timezone invalid_format", "#/role unknown_field")
		me.Patch("/users/me", `{"locale":"","timezone":""}`).Invalid("#/locale invalid_format", "#/timezone invalid_format")
		me.Patch("/users/me", `{"locale":"`+strings.Repeat("a", 36)+`","timezone":"`+strings.Repeat("A", 65)+`"}`).Invalid("#/locale too_long", "#/timezone too_long")
		me.Patch("/users/me?dry=1", `{"full_name":"\u0007"}`).Invalid("dry unknown_field", "#/full_name invalid_format")
		me.WithHeader("If-Match", "tag").Patch("/users/me", `{}`).Invalid("If-Match invalid_format", "# required")
		me.WithHeader("Content-Type", "application/json-patch+json").Patch("/users/me", `[]`).Problem(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		api.Patch("/users/me", `{"full_name":"Eve"}`).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")

		as := api.As(admin)
		as.Patch(path(u), "{}").Invalid("# required")
		as.Patch(path(u), `{"full_name":null,"email":null,"role":null,"is_active":null,"email_verified":null}`).
			Invalid("#/full_name wrong_type", "#/email wrong_type", "#/role wrong_type", "#/is_active wrong_type", "#/email_verified wrong_type")
		as.Patch(path(u), `{"full_name":" ","email":"ada","role":"root","is_active":"no","email_verified":1}`).
			Invalid("#/full_name too_short", "#/email invalid_format", "#/role not_allowed", "#/is_active wrong_type", "#/email_verified wrong_type")
		as.Patch(strings.ToUpper(path(u)), `{"role":"user"}`).Problem(http.StatusNotFound, "NOT_FOUND")
		as.Patch("/users/"+strings.ToUpper(u.ID.String()), `{"role":"user"}`).Invalid("id invalid_format")
		as.Patch("/users/"+account.NewID().String(), `{"role":"user"}`).Problem(http.StatusNotFound, "NOT_FOUND")
		as.Get("/users/"+account.NewID().String()).Problem(http.StatusNotFound, "NOT_FOUND")
		as.Get("/users/me2").Invalid("id invalid_format")

		after, same := of(t, me.Get("/users/me"))
		require.Equal(t, before, after)
		require.Equal(t, tag, same)
	})
}

func TestOnlyAdministratorsReadAndChangeOthers(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, other, admin := api.User(), api.User(), api.Admin()
		for _, whose := range []testkit.User{u, other, admin} {
			api.Get(path(whose)).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			api.As(u).Get(path(whose)).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
			api.Patch(path(whose), `{"full_name":"Eve"}`).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			api.As(u).Patch(path(whose), `{"full_name":"Eve"}`).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
			got, tag := of(t, api.As(admin).Get(path(whose)))
			require.Equal(t, whose.Email, got.Email)
			require.Empty(t, api.As(admin).WithHeader("If-None-Match", tag).Get(path(whose)).Status(http.StatusNotModified).Body)
		}
		api.As(u).Get("/users/"+account.NewID().String()).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR") // says nothing of who exists
		own, _ := of(t, api.As(other).Get("/users/me"))
		seen, _ := of(t, api.As(admin).Get(path(other)))
		require.Equal(t, own, seen)
		got, _ := of(t, api.As(admin).Patch(path(other), `{"full_name":"Ada King","email_verified":true}`))
		require.Equal(t, "Ada King", got.FullName)
		require.True(t, got.EmailVerified)
		own, _ = of(t, api.As(other).Get("/users/me"))
		require.Equal(t, got, own)
	})
}

func TestIfMatchKeepsAChangeFromOverwritingAnother(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, admin := api.User(), api.Admin()
		for _, c := range []struct {
			as   testkit.User
			path string
		}{{u, "/users/me"}, {admin, path(u)}} {
			me := api.As(c.as)
			_, stale := of(t, me.Get(c.path))
			_, current := of(t, me.WithHeader("If-Match", stale).Patch(c.path, `{"full_name":"First"}`))
			me.WithHeader("If-Match", stale).Patch(c.path, `{"full_name":"Second"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
			me.WithHeader("If-Match", "W/"+current).Patch(c.path, `{"full_name":"Second"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
			got, _ := of(t, me.Get(c.path))
			require.Equal(t, "First", got.FullName)
			of(t, me.WithHeader("If-Match", stale+", "+current).Patch(c.path, `{"full_name":"Third"}`))
			of(t, me.WithHeader("If-Match", "*").Patch(c.path, `{"full_name":"Fourth"}`))
		}
		_, tag := of(t, api.As(u).Get("/users/me"))
		_, others := of(t, api.As(admin).Get("/users/me"))
		require.NotEqual(t, tag, others)
		api.As(u).WithHeader("If-Match", others).Patch("/users/me", `{"full_name":"Eve"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
		api.As(admin).WithHeader("If-Match", "*").Patch("/users/"+account.NewID().String(), `{"full_name":"Eve"}`).Problem(http.StatusNotFound, "NOT_FOUND")

		var wg sync.WaitGroup
		var won, lost atomic.Int32
		for range 20 {
			wg.Go(func() {
				switch api.As(u).WithHeader("If-Match", tag).Patch("/users/me", map[string]string{"full_name": "Winner"}).StatusCode {
				case http.StatusOK:
					won.Add(1)
				case http.StatusPreconditionFailed:
					lost.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int32(1), won.Load())
		require.Equal(t, int32(19), lost.Load())
	})
}

func TestAnotherAddressIsToldToBothAndNotVerified(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC))
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		admin := api.As(api.Admin()).WithHeader("Accept-Language", "de")
		u := api.User(func(u *testkit.User) { u.Email = "Old@example.com" })
		rival := api.User(func(u *testkit.User) { u.Email = "rival@example.com" })
		of(t, admin.Patch(path(u), `{"email_verified":true}`))
		api.Post("/auth/forgot-password", map[string]string{"email": u.Email}).Status(http.StatusAccepted)
		api.WorkJobs()
		_, mailed, _ := strings.Cut(api.LastMailTo(u.Email).Links[0], "token=")

		_, tag := of(t, admin.Patch(path(u), `{"email":" Old@example.com ","email_verified":true}`))
		_, same := of(t, admin.Get(path(u)))
		require.Equal(t, tag, same)
		require.Equal(t, "email_already_exists", admin.Patch(path(u), map[string]string{"email": "RIVAL@EXAMPLE.com", "full_name": "Lost"}).Problem(http.StatusConflict, "CONFLICT").Reason)
		got, _ := of(t, admin.Get(path(u)))
		require.Equal(t, "Ada Lovelace", got.FullName, "all of a change or nothing")
		api.WorkJobs()
		require.Len(t, api.MailTo(u.Email, 1), 1, "nothing to tell so far")

		got, _ = of(t, admin.Patch(path(u), `{"email":"New@example.com"}`))
		require.Equal(t, "New@example.com", got.Email)
		require.False(t, got.EmailVerified)
		api.WorkJobs()
		left, taken := api.MailTo("Old@example.com", 2)[1], api.MailTo("New@example.com", 1)[0]
		require.Equal(t, "Your account has another e-mail address now", left.Subject, "in the user's language, not the administrator's")
		require.Contains(t, left.Text, "Old@example.com")
		require.NotContains(t, left.Text+left.HTML, "New@example.com")
		require.Contains(t, left.Text, "31 January 2026 at 09:30")
		require.Equal(t, "This is your account's e-mail address now", taken.Subject)
		require.Contains(t, taken.Text, "New@example.com")
		require.NotContains(t, taken.Text+taken.HTML, "Old@example.com")

		api.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
		api.Post("/auth/reset-password", map[string]string{"token": mailed, "new_password": "Analytical-Engine-1843"}).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
		u.Email = "new@example.com"
		api.LogIn(&u)
		of(t, admin.Patch(path(rival), `{"email":"old@example.com","email_verified":true}`)) // it is free again
		got, _ = of(t, admin.Get(path(rival)))
		require.True(t, got.EmailVerified, "where the administrator vouches for it")
	})
}

func TestTheNoticesAreInTheUsersLanguage(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, u := api.As(api.Admin()), api.User()
		of(t, api.As(u).Patch("/users/me", `{"locale":"de-AT"}`))
		of(t, admin.Patch(path(u), `{"email":"neu@example.com"}`))
		api.WorkJobs()
		require.Equal(t, "de", api.MailTo(u.Email, 1)[0].Language)
		require.Equal(t, "de", api.MailTo("neu@example.com", 1)[0].Language)
	})
}

func TestChangeEmailTxWantsAnActiveAccountWithTheOldAddress(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, u, rival := api.As(api.Admin()), api.User(), api.User()
		stores := api.App.Stores
		service, _ := users.New(withEvents(t, users.Deps{DB: stores.DB, Jobs: stores.Jobs, Mails: mail.NewCatalogue(), Clock: clock.System{}}))
		change := func(from, to string) (ok bool, err error) {
			email, err := account.ParseEmail(to)
			require.NoError(t, err)
			err = stores.DB.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) (err error) {
				ok, err = service.ChangeEmailTx(ctx, tx, u.ID, from, email, true)
				return err
			})
			return ok, err
		}
		ok, err := change(strings.ToUpper(u.Email), "next@example.com")
		require.NoError(t, err)
		require.False(t, ok, "the address that it was mailed to is another")
		_, err = change(u.Email, strings.ToUpper(rival.Email[:4])+rival.Email[4:])
		require.ErrorIs(t, err, users.ErrEmailTaken)
		of(t, admin.Patch(path(u), `{"is_active":false}`))
		ok, err = change(u.Email, "next@example.com")
		require.NoError(t, err)
		require.False(t, ok, "a disabled account does nothing")
		of(t, admin.Patch(path(u), `{"is_active":true}`))
		ok, err = change(u.Email, "next@example.com")
		require.NoError(t, err)
		require.True(t, ok)
		api.WorkJobs()
		require.Len(t, api.MailTo(u.Email, 1), 1)
		require.Len(t, api.MailTo("next@example.com", 1), 1)
		got, err := service.ByID(t.Context(), u.ID)
		require.NoError(t, err)
		require.Equal(t, "next@example.com", got.Email)
		require.True(t, got.EmailVerified)
	})
}

func TestAnAnswerHoldsTheMembersOfAUserAndNothingInternal(t *testing.T) {
	t.Parallel()
	members := []string{
		"avatar_url", "created_at", "email", "email_verified", "full_name", "id", "is_active", "last_login_at", "locale", "role", "timezone", "updated_at",
	}
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, admin := api.User(), api.Admin()
		var hash string
		require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT password_hash FROM users WHERE id = ?`, u.ID).Scan(&hash))
		me, as := api.As(u), api.As(admin)
		for _, r := range []*testkit.Response{
			me.Get("/users/me"), me.Patch("/users/me", `{"locale":"de"}`), as.Get(path(u)), as.Patch(path(u), `{"email":"Shown@example.com"}`),
			as.Patch(path(u), `{"email":"Shown@example.com"}`),
		} {
			var got map[string]any
			r.Status(http.StatusOK).JSON(&got)
			require.ElementsMatch(t, members, slices.Collect(maps.Keys(got)))
			require.NotContains(t, string(r.Body), hash)
			require.NotContains(t, string(r.Body), "argon2")
			require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
		}
	})
}
