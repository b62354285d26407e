package sessions_test

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/testkit"
)

const (
	idle     = time.Hour
	absolute = 10 * time.Hour
	leeway   = 10 * time.Second
)

var client = sessions.Client{UserAgent: "laptop", Addr: netip.MustParseAddr("192.0.2.1")}

// instance is the module alone, as one of several processes has it.
type instance struct {
	*sessions.Service
	db     *database.DB
	tokens *token.RefreshTokens
	clk    *clock.Fake

	mu  sync.Mutex
	ran []database.Statement
}

// open brings an instance up on the database, with the settings changed.
func open(t testing.TB, on testkit.Database, clk *clock.Fake, change ...func(*sessions.Settings)) *instance {
	t.Helper()
	i := &instance{clk: clk}
	settings := on.Settings()
	settings.PoolMin, settings.PoolMax, settings.AcquireDeadline = 0, 10, 30*time.Second
	db, err := database.Open(t.Context(), settings, database.Options{Observe: i.observe})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	i.db, i.tokens = db, &token.RefreshTokens{}
	bus := &push.Bus{}
	events := event.NewOutbox(bus)
	trail := audit.NewTrail(nil)
	service, module := sessions.New(sessions.Deps{DB: db, RefreshTokens: i.tokens, Push: bus, Events: events, Audit: trail, Clock: clk})
	i.Service = service
	_, err = db.Migrate(t.Context(), []database.Migrations{{Module: "core", FS: database.JoinFS(token.Migrations, event.Migrations)}, {Module: audit.Name, FS: audit.Migrations}, {Module: "sessions", FS: module.Migrations}})
	require.NoError(t, err)
	root, err := token.OpenRoot(t.Context(), db, secret.New("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), clk)
	require.NoError(t, err)
	require.NoError(t, events.Open(t.Context(), event.Options{DB: db, Source: "urn:test", Settings: event.DefaultSettings(), Clock: clk}))
	trail.Open(audit.Options{DB: db, Derive: root.Derive, Settings: audit.DefaultSettings(), Clock: clk, Logger: slog.New(slog.DiscardHandler)})
	*i.tokens = *token.NewRefreshTokens(root)
	set := module.Settings.(*sessions.Settings)
	set.Idle, set.Absolute, set.ReuseLeeway = idle, absolute, leeway
	for _, f := range change {
		f(set)
	}
	return i
}

func strict(s *sessions.Settings) { s.ReuseLeeway = 0 }

func newClock() *clock.Fake { return clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) }

func (i *instance) observe(_ context.Context, s database.Statement) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.ran = append(i.ran, s)
}

// statements gives what ran since the last time.
func (i *instance) statements() []database.Statement {
	i.mu.Lock()
	defer i.mu.Unlock()
	ran := i.ran
	i.ran = nil
	return ran
}

func (i *instance) start(t testing.TB, owner account.ID) sessions.Started {
	t.Helper()
	var started sessions.Started
	i.inTx(t, func(ctx context.Context, tx *database.Tx) (err error) {
		started, err = i.Start(ctx, tx, owner, client)
		return err
	})
	return started
}

func (i *instance) inTx(t testing.TB, f func(ctx context.Context, tx *database.Tx) error) {
	t.Helper()
	require.NoError(t, i.db.InTx(t.Context(), f))
}

// refresh wants the token to work, and gives the next.
func (i *instance) refresh(t testing.TB, text secret.String) secret.String {
	t.Helper()
	r, err := i.Refresh(t.Context(), text, client)
	require.NoError(t, err)
	return r.RefreshToken
}

func (i *instance) refuse(t testing.TB, text secret.String) {
	t.Helper()
	_, err := i.Refresh(t.Context(), text, client)
	require.ErrorIs(t, err, sessions.ErrRefreshToken)
}

func (i *instance) isLive(t testing.TB, id account.SessionID) bool {
	t.Helper()
	_, err := i.Live(t.Context(), id)
	if err != nil {
		require.ErrorIs(t, err, sessions.ErrEnded)
	}
	return err == nil
}

// reasons gives why an account's sessions ended, the last to end first.
func (i *instance) reasons(t testing.TB, owner account.ID) []sessions.Reason {
	t.Helper()
	ended, err := i.ListEnded(t.Context(), owner)
	require.NoError(t, err)
	var reasons []sessions.Reason
	for _, s := range ended {
		reasons = append(reasons, s.Reason)
	}
	return reasons
}
