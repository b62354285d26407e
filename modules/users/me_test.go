package users_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestMeGivesEveryMemberOfAUser(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 31, 9, 30, 0, 120_000_000, time.UTC))
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		u := api.User(func(u *testkit.User) {
			u.Email, u.FullName, u.Role = "Ada@Example.com", "Ada Lovelace", account.RoleAdmin
		})
		var got map[string]any
		api.As(u).Get("/users/me").Status(http.StatusOK).JSON(&got)
		require.Equal(t, map[string]any{
			"id": u.ID.String(), "email": "Ada@Example.com", "full_name": "Ada Lovelace", "role": "admin", "is_active": true,
			"email_verified": false, "avatar_url": nil, "locale": nil, "timezone": nil,
			"created_at": "2026-01-31T09:30:00.120000Z", "updated_at": "2026-01-31T09:30:00.120000Z", "last_login_at": "2026-01-31T09:30:00.120000Z",
		}, got)
	})
}

func TestMeShowsWhatTheDatabaseHolds(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		u := api.User()
		_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE users SET avatar = ?, locale = ?, timezone = ?, email_verified = ?, version = version + 1 WHERE id = ?`,
			"0123.jpg", "de-CH", "Europe/Zurich", true, u.ID)
		require.NoError(t, err)
		clk.Advance(push.LongTTL) // what is remembered is at most that old
		var got map[string]any
		api.As(u).Get("/users/me").Status(http.StatusOK).JSON(&got)
		require.Equal(t, "/avatars/0123.jpg", got["avatar_url"])
		require.Equal(t, "de-CH", got["locale"])
		require.Equal(t, "Europe/Zurich", got["timezone"])
		require.Equal(t, true, got["email_verified"])
	})
}

func TestALoginShowsAtOnce(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u := api.User()
		var first, second struct {
			LastLoginAt time.Time `json:"last_login_at"`
			UpdatedAt   time.Time `json:"updated_at"`
		}
		api.As(u).Get("/users/me").JSON(&first)
		api.LogIn(&u)
		api.As(u).Get("/users/me").JSON(&second)
		require.True(t, second.LastLoginAt.After(first.LastLoginAt))
		require.Equal(t, first.UpdatedAt, second.UpdatedAt, "signing in is no change of the profile")
	})
}

func TestTheETagIsTheVersionOfThatUser(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u, other := api.User(), api.User()
		tag := api.As(u).Get("/users/me").Status(http.StatusOK).Header.Get("ETag")
		require.Regexp(t, `^"[^"]+"$`, tag)
		require.NotEqual(t, tag, api.As(other).Get("/users/me").Header.Get("ETag"), "everyone's own user is at one path")
		require.Empty(t, api.As(u).WithHeader("If-None-Match", tag).Get("/users/me").Status(http.StatusNotModified).Body)
		api.As(other).WithHeader("If-None-Match", tag).Get("/users/me").Status(http.StatusOK)
		api.LogIn(&u)
		api.As(u).WithHeader("If-None-Match", tag).Get("/users/me").Status(http.StatusOK)
	})
}
