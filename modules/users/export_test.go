package users_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/testkit"
)

// export is all that is held about a user.
type export struct {
	ExportedAt string `json:"exported_at"`
	Modules    struct {
		Users    map[string]any   `json:"users"`
		Sessions []map[string]any `json:"sessions"`
		Auth     struct {
			MailedLinks    []map[string]any `json:"mailed_links"`
			KnownAddresses []map[string]any `json:"known_addresses"`
			FailedLogins   []map[string]any `json:"failed_logins"`
		} `json:"auth"`
		Diary map[string]any `json:"diary"`
	} `json:"modules"`
}

func exportOf(api *testkit.API) (e export) {
	api.Get("/users/me/export").Status(http.StatusOK).JSON(&e)
	return e
}

// withDiary adds a module that holds something about one user alone.
func withDiary(of *account.ID) app.Build {
	return func(s *app.Stores) ([]module.Module, error) {
		modules, err := app.Standard(s)
		return append(modules, module.Module{Name: "diary", Export: func(_ context.Context, id account.ID) (any, error) {
			if id != *of {
				return nil, nil
			}
			return map[string]string{"today": "sunny"}, nil
		}}), err
	}
}

func TestTheExportGivesAllThatIsHeldAboutAUserByModule(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		var diarist account.ID
		api := testkit.Serve(t, db, append(countsLogins(clk), testkit.WithBuild(withDiary(&diarist)))...)
		other, u := newPredecessor(t, api), newPredecessor(t, api)
		diarist = u.ID
		tablet := u.User
		clk.Advance(time.Minute)
		from(api, "192.0.2.44").WithHeader("User-Agent", "tablet").LogIn(&tablet)
		api.As(tablet).Post("/auth/logout", nil).Status(http.StatusNoContent)
		other.slowDown(api)
		u.slowDown(api)

		r := api.As(u.User).Get("/users/me/export").Status(http.StatusOK)
		require.Equal(t, "no-store", r.Header.Get("Cache-Control"))
		e := exportOf(api.As(u.User))
		require.Equal(t, "2026-01-02T03:05:05.000000Z", e.ExportedAt)
		require.Equal(t, map[string]any{
			"id": u.ID.String(), "email": u.Email, "full_name": "Predecessor", "role": "user", "is_active": true, "email_verified": false,
			"avatar_url": nil, "locale": nil, "timezone": nil, "created_at": "2026-01-02T03:04:05.000000Z", "updated_at": "2026-01-02T03:04:05.000000Z",
			"last_login_at": "2026-01-02T03:05:05.000000Z", "has_password": true,
		}, e.Modules.Users)
		require.Len(t, e.Modules.Sessions, 2)
		require.Equal(t, map[string]any{
			"id": e.Modules.Sessions[0]["id"], "user_agent": "tablet", "ip": "192.0.2.44",
			"created_at": "2026-01-02T03:05:05.000000Z", "last_used_at": "2026-01-02T03:05:05.000000Z", "idle_expires_at": "2026-01-03T03:05:05.000000Z",
			"expires_at": "2026-02-01T03:05:05.000000Z", "ended_at": "2026-01-02T03:05:05.000000Z", "ended_reason": "logout",
		}, e.Modules.Sessions[0])
		require.Equal(t, "predecessors-laptop", e.Modules.Sessions[1]["user_agent"])
		require.Nil(t, e.Modules.Sessions[1]["ended_at"])
		require.Equal(t, []map[string]any{
			{"purpose": "reset", "address": u.Email, "created_at": "2026-01-02T03:04:05.000000Z", "expires_at": "2026-01-02T03:14:05.000000Z", "used_at": nil},
			{"purpose": "verify", "address": u.Email, "created_at": "2026-01-02T03:04:05.000000Z", "expires_at": "2026-01-03T03:04:05.000000Z", "used_at": nil},
		}, e.Modules.Auth.MailedLinks)
		require.Equal(t, []map[string]any{{"expires_at": "2026-02-01T03:05:05.000000Z"}, {"expires_at": "2026-02-01T03:04:05.000000Z"}}, e.Modules.Auth.KnownAddresses)
		require.Len(t, e.Modules.Auth.FailedLogins, 2) // at home, and the strangers'
		require.EqualValues(t, 10, e.Modules.Auth.FailedLogins[0]["failures"])
		require.Equal(t, map[string]any{"today": "sunny"}, e.Modules.Diary)

		for what, text := range map[string]string{
			"another's address": other.Email, "another's id": other.ID.String(), "a hash": "argon2", "a mailed token": "gtm_", "a refresh token": "gtr_",
			"the access token": u.AccessToken, "a digest": "digest", "the word password, but for has_password": `"password`,
		} {
			require.NotContains(t, string(r.Body), text, what)
		}
		require.NotContains(t, string(api.As(other.User).Get("/users/me/export").Body), "diary", "nothing is held there")
		api.Get("/users/me/export").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.As(u.User).Get("/users/me/export?id=" + other.ID.String()).Invalid("id unknown_field")
	})
}

func TestTheExportReadsTheStoreAndNotWhatIsRemembered(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithClock(clock.NewFake(time.Now())))
	u := api.User()
	api.As(u).Get("/users/me").Status(http.StatusOK)
	_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE users SET full_name = ?, password_hash = NULL WHERE id = ?`, "Augusta", u.ID)
	require.NoError(t, err)
	held := exportOf(api.As(u)).Modules.Users
	require.Equal(t, "Augusta", held["full_name"])
	require.Equal(t, false, held["has_password"])
}

// TestAnExportOfManySessionsHasABound keeps what somebody who signs in all day can have us read.
func TestAnExportOfManySessionsHasABound(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	u := api.User()
	now := time.Now().UTC().Add(-time.Hour)
	const batch = 1000
	for range 11 {
		var args []any
		for range batch {
			args = append(args, account.NewSessionID(), u.ID, 0, []byte{1}, now, now, now, now, "agent", "192.0.2.1")
		}
		_, err := api.App.Stores.DB.Exec(t.Context(), `INSERT INTO sessions (id, account_id, generation, current_digest, created_at, last_used_at, idle_expires_at, expires_at, user_agent, ip)
			VALUES `+strings.TrimSuffix(strings.Repeat("(?,?,?,?,?,?,?,?,?,?),", batch), ","), args...)
		require.NoError(t, err)
	}
	all := exportOf(api.As(u)).Modules.Sessions
	require.Len(t, all, 10_000)
	require.NotEqual(t, "agent", all[0]["user_agent"], "the newest come first")
}
