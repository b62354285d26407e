package users_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/users"
	"github.com/gatehouse/gatehouse/testkit"
)

// instance is the module alone, as one of several processes has it.
type instance struct {
	*users.Service
	db     *database.DB
	module module.Module
}

// Export implements users.Holdings.
func (i *instance) Export(ctx context.Context, id account.ID) (map[string]any, error) {
	held, err := i.module.Export(ctx, id)
	return map[string]any{"users": held}, err
}

// EraseTx implements users.Holdings.
func (i *instance) EraseTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	return i.module.Erase(ctx, tx, id)
}

func open(t testing.TB, on testkit.Database) *instance {
	t.Helper()
	settings := on.Settings()
	settings.PoolMin, settings.PoolMax, settings.AcquireDeadline = 0, 10, 30*time.Second
	db, err := database.Open(t.Context(), settings, database.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	i := &instance{db: db}
	i.Service, i.module = users.New(withEvents(t, users.Deps{DB: db, Holdings: i, Mails: mail.NewCatalogue(), Clock: clock.System{}}))
	_, err = db.Migrate(t.Context(), []database.Migrations{
		{Module: "core", FS: database.JoinFS(token.Migrations, event.Migrations)}, {Module: audit.Name, FS: audit.Migrations}, {Module: "users", FS: i.module.Migrations},
	})
	require.NoError(t, err)
	return i
}

// withEvents adds what events and acts are written to.
func withEvents(t testing.TB, d users.Deps) users.Deps {
	t.Helper()
	d.Push = &push.Bus{}
	d.Events = event.NewOutbox(d.Push)
	require.NoError(t, d.Events.Open(t.Context(), event.Options{DB: d.DB, Source: "urn:test", Settings: event.DefaultSettings(), Clock: d.Clock}))
	d.Audit = audit.NewTrail(nil)
	d.Audit.Open(audit.Options{
		DB: d.DB, Derive: func(string) []byte { return make([]byte, 32) }, Settings: audit.DefaultSettings(), Clock: d.Clock, Logger: slog.New(slog.DiscardHandler),
	})
	return d
}

// create makes an account.
func (i *instance) create(t testing.TB, role account.Role, active bool) account.ID {
	t.Helper()
	email, err := account.ParseEmail(account.NewID().String() + "@example.com")
	require.NoError(t, err)
	var u users.User
	require.NoError(t, i.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) (err error) {
		u, err = i.CreateTx(ctx, tx, users.NewUser{Email: email, FullName: "Ada", Role: role})
		return err
	}))
	if !active {
		_, err := i.db.Exec(t.Context(), `UPDATE users SET is_active = ? WHERE id = ?`, false, u.ID)
		require.NoError(t, err)
	}
	return u.ID
}

func TestTheLastActiveAdministratorIsNotDeleted(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i := open(t, db)
		first, user, disabled := i.create(t, account.RoleAdmin, true), i.create(t, account.RoleUser, true), i.create(t, account.RoleAdmin, false)
		require.ErrorIs(t, i.Delete(t.Context(), first), users.ErrLastAdmin, "neither a user nor a disabled administrator counts")
		_, err := i.ByID(t.Context(), first)
		require.NoError(t, err)
		second := i.create(t, account.RoleAdmin, true)
		require.NoError(t, i.Delete(t.Context(), first))
		require.ErrorIs(t, i.Delete(t.Context(), second), users.ErrLastAdmin)
		for _, id := range []account.ID{user, disabled} {
			require.NoError(t, i.Delete(t.Context(), id))
		}
		for _, id := range []account.ID{first, user, disabled, account.NewID()} {
			require.ErrorIs(t, i.Delete(t.Context(), id), users.ErrNotFound)
		}
	})
}

// TestAdministratorsWhoDeleteEachOtherLeaveOne has three administrators go at once, through two instances.
func TestAdministratorsWhoDeleteEachOtherLeaveOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		instances := []*instance{open(t, db), open(t, db)}
		last := instances[0].create(t, account.RoleAdmin, true)
		for round := range 100 {
			admins := []account.ID{last, instances[0].create(t, account.RoleAdmin, true), instances[1].create(t, account.RoleAdmin, true)}
			outcomes := make(chan error, len(admins))
			for n, id := range admins {
				go func() { outcomes <- instances[n%2].Delete(t.Context(), id) }()
			}
			kept := 0
			for range admins {
				if err := <-outcomes; errors.Is(err, users.ErrLastAdmin) {
					kept++
				} else {
					require.NoError(t, err)
				}
			}
			require.Equal(t, 1, kept, "round %d", round)
			require.NoError(t, instances[0].db.QueryRow(t.Context(), `SELECT id FROM users WHERE role = 'admin' AND is_active`).Scan(&last), "round %d", round)
		}
	})
}
