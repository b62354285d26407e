package event_test

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/core/token"
)

// written is what these tests tell: note N of somebody.
type written struct {
	UserID account.ID `json:"user_id" doc:"whose note it is"`
	N      int        `json:"n" doc:"its number"`
	Text   string     `json:"text" personal:"true" doc:"what it says"`
}

func (e written) Event() event.About { return event.About{Type: "note.written.v1", Subject: e.UserID} }

// ignored is what nobody here subscribes to.
type ignored struct {
	UserID account.ID `json:"user_id" doc:"whose note it is"`
}

func (e ignored) Event() event.About { return event.About{Type: "note.ignored.v1", Subject: e.UserID} }

// process is an outbox and its relay, as one of several processes has them.
type process struct {
	*event.Outbox

	db   *database.DB
	bus  *push.Bus
	jobs *job.Queue
	logs *logtest.Logs
}

type setup struct {
	clock         clock.Clock
	settings      event.Settings
	subscriptions []event.Subscription
	destinations  []event.Destination
	sources       []event.Source
	observe       func(context.Context, database.Statement)
}

// open brings up a process that takes events for the subscriptions.
func open(t testing.TB, on databasetest.Database, s setup) *process {
	t.Helper()
	settings := on.Settings()
	settings.PoolMin, settings.PoolMax, settings.AcquireDeadline = 0, 20, 30*time.Second
	db, err := database.Open(t.Context(), settings, database.Options{Observe: s.observe})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.Migrate(t.Context(), []database.Migrations{
		{Module: "core", FS: database.JoinFS(token.Migrations, event.Migrations)}, {Module: job.MigrationsName, FS: job.Migrations()},
	})
	require.NoError(t, err)
	p := &process{db: db, bus: &push.Bus{}, logs: &logtest.Logs{}}
	p.Outbox = event.NewOutbox(p.bus)
	event.Declare[written](p.Outbox, "somebody wrote a note")
	event.Declare[ignored](p.Outbox, "somebody wrote a note that nobody reads")
	if s.clock == nil {
		s.clock = clock.System{}
	}
	if s.settings == (event.Settings{}) {
		s.settings = event.DefaultSettings()
	}
	logger := slog.New(slog.NewJSONHandler(p.logs, nil))
	handlers, _ := p.Jobs()
	p.jobs, err = job.Open(db, job.QueueOptions{Handlers: handlers, Logger: logger})
	require.NoError(t, err)
	require.NoError(t, p.Open(t.Context(), event.Options{
		DB: db, Jobs: p.jobs, Source: "urn:test", Settings: s.settings, Clock: s.clock, Logger: logger, Subscriptions: s.subscriptions,
		Destinations: s.destinations, Sources: s.sources,
	}))
	p.bus.Open(push.Options{DB: db, Logger: logger})
	t.Cleanup(p.bus.Close)
	return p
}

// start has the process hand events on until the test ends, or stop.
func (p *process) start(t testing.TB) (stop func()) {
	t.Helper()
	workers, err := p.jobs.Start(t.Context(), job.Settings{Concurrency: 10})
	require.NoError(t, err)
	relay := p.Start(t.Context())
	stop = sync.OnceFunc(func() {
		relay()
		if err := workers.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// write appends notes in a transaction.
func (p *process) write(t testing.TB, owner account.ID, numbers ...int) {
	t.Helper()
	require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
		return p.Append(ctx, tx, notes(owner, numbers...)...)
	}))
}

func notes(owner account.ID, numbers ...int) []event.Event {
	all := make([]event.Event, 0, len(numbers))
	for _, n := range numbers {
		all = append(all, written{UserID: owner, N: n, Text: "buy milk"})
	}
	return all
}

// drain hands on what there is.
func (p *process) drain(t testing.TB) {
	t.Helper()
	for {
		found, err := p.Drain(t.Context())
		require.NoError(t, err)
		if !found {
			return
		}
		require.NoError(t, p.jobs.Drain(t.Context(), job.Settings{Concurrency: 10}))
	}
}

func (p *process) count(t testing.TB, from string) (n int) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(t.Context(), "SELECT count(*) FROM "+from).Scan(&n))
	return n
}

// log notes what was delivered. It is safe for concurrent use.
type log struct {
	mu   sync.Mutex
	all  []event.Received[written]
	told chan struct{} // has one for each
}

func newLog() *log { return &log{told: make(chan struct{}, 1<<17)} }

func (l *log) note(r event.Received[written]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, r)
	l.told <- struct{}{}
}

// wait waits for so many deliveries.
func (l *log) wait(t testing.TB, n int) {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for range n {
		select {
		case <-l.told:
		case <-deadline.C:
			require.FailNow(t, "too few deliveries", "%d of %d", len(l.numbers(account.ID{})), n)
		}
	}
}

// numbers gives those of an owner's notes in the order of delivery, of everyone's for the zero ID.
func (l *log) numbers(owner account.ID) []int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := []int{}
	for _, r := range l.all {
		if owner.IsZero() || r.Event.UserID == owner {
			all = append(all, r.Event.N)
		}
	}
	return all
}

func (l *log) ids() (all []uuid.UUID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.all {
		all = append(all, r.ID)
	}
	return all
}

// reads subscribes with a handler that may refuse.
func (l *log) reads(name string, refuse func(written) error) event.Subscription {
	return event.Subscribe(name, event.On(func(_ context.Context, tx *database.Tx, r event.Received[written]) error {
		if refuse != nil {
			if err := refuse(r.Event); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() { l.note(r) })
		return nil
	}))
}

// upTo gives 0, 1, … n-1.
func upTo(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func newClock() *clock.Fake { return clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) }

func sorted(all []int) []int { return slices.Sorted(slices.Values(all)) }
