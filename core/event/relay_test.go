package event_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
)

func TestEachDestinationGetsEachEventOnce(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		a, b := newLog(), newLog()
		p := open(t, db, setup{subscriptions: []event.Subscription{a.reads("notes.index", nil), b.reads("notes.mirror", nil)}})
		p.start(t)
		ada := account.NewID()
		for _, n := range upTo(250) {
			p.write(t, ada, n)
		}
		for _, l := range []*log{a, b} {
			l.wait(t, 250)
			require.Equal(t, upTo(250), l.numbers(ada))
		}
		require.Equal(t, a.ids(), b.ids(), "an event has one id")
	})
}

// TestAHeldTransactionLosesNothing holds a transaction open, whose event has the lower position, while later ones are read
// past it.
func TestAHeldTransactionLosesNothing(t *testing.T) {
	t.Parallel()
	if !hasPostgres() {
		return // SQLite has one writer: nothing can be held
	}
	l := newLog()
	p := open(t, databasetest.Postgres(t), setup{subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
	p.start(t)
	ada, eve := account.NewID(), account.NewID()
	wrote, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- p.db.InTx(context.Background(), func(ctx context.Context, tx *database.Tx) error {
			if err := p.Append(ctx, tx, notes(ada, 0)...); err != nil {
				return err
			}
			close(wrote)
			<-release
			return nil
		})
	}()
	<-wrote
	p.write(t, eve, 1, 2)
	l.wait(t, 2)
	require.Equal(t, []int{1, 2}, l.numbers(account.ID{}), "others do not wait for it")
	close(release)
	require.NoError(t, <-ended)
	p.write(t, ada, 3)
	l.wait(t, 2)
	require.Equal(t, []int{1, 2, 0, 3}, l.numbers(account.ID{}))
}

// TestOrderPerSubjectHoldsUnderConcurrency has writers that take turns at a subject's row, as those of an account do, and so
// know in which order they wrote. Each has written something before it waits, so that PostgreSQL gave the transactions their
// ids in another order than that of the row.
func TestOrderPerSubjectHoldsUnderConcurrency(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		subs := []event.Subscription{l.reads("notes.index", nil)}
		p := open(t, db, setup{subscriptions: subs})
		for range 2 {
			open(t, db, setup{subscriptions: subs}).start(t)
		}
		_, err := p.db.Exec(t.Context(), `CREATE TABLE notes_count (owner TEXT PRIMARY KEY, n INTEGER NOT NULL)`)
		require.NoError(t, err)
		_, err = p.db.Exec(t.Context(), `CREATE TABLE notes_noise (n INTEGER NOT NULL)`)
		require.NoError(t, err)
		owners := []account.ID{account.NewID(), account.NewID(), account.NewID()}
		for _, o := range owners {
			_, err = p.db.Exec(t.Context(), `INSERT INTO notes_count (owner, n) VALUES (?, -1)`, o.String())
			require.NoError(t, err)
		}
		const writers, each = 8, 30
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := range each {
					owner := owners[(w+i)%len(owners)]
					err := p.db.InTx(context.Background(), func(ctx context.Context, tx *database.Tx) error {
						if _, err := tx.Exec(ctx, `INSERT INTO notes_noise (n) VALUES (1)`); err != nil {
							return err
						}
						var n int
						if err := tx.QueryRow(ctx, `UPDATE notes_count SET n = n + 1 WHERE owner = ? RETURNING n`, owner.String()).Scan(&n); err != nil {
							return err
						}
						return p.Append(ctx, tx, notes(owner, n)...)
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		l.wait(t, writers*each)
		for _, o := range owners {
			require.Equal(t, upTo(len(l.numbers(o))), l.numbers(o))
		}
	})
}

func TestFourWorkersShareTheWorkAndDoEachEventOnce(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		events := 1000
		if os.Getenv("TEST_SOAK") != "" {
			events = 10_000
		}
		each(t, db, events)
	})
}

// each writes so many events from several transactions at once while four workers run, and wants each effect once.
func each(t *testing.T, db databasetest.Database, events int) {
	t.Helper()
	l := newLog()
	index := event.Subscribe("notes.index", event.On(func(ctx context.Context, tx *database.Tx, r event.Received[written]) error {
		if _, err := tx.Exec(ctx, `INSERT INTO notes_effects (n) VALUES (?)`, r.Event.N); err != nil { // once each: it is a key
			return err
		}
		tx.AfterCommit(func() { l.note(r) })
		return nil
	}))
	p := open(t, db, setup{subscriptions: []event.Subscription{index}})
	_, err := p.db.Exec(t.Context(), `CREATE TABLE notes_effects (n INTEGER PRIMARY KEY)`)
	require.NoError(t, err)
	for range 4 {
		open(t, db, setup{subscriptions: []event.Subscription{index, newLog().reads("notes.mirror", nil)}}).start(t)
	}
	var next atomic.Int64
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			owner := account.NewID()
			for {
				n := int(next.Add(1)) - 1
				if n >= events {
					return
				}
				if err := p.db.InTx(context.Background(), func(ctx context.Context, tx *database.Tx) error { return p.Append(ctx, tx, notes(owner, n)...) }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	start := time.Now()
	l.wait(t, events)
	t.Logf("%d events, the last %s after they were written", events, time.Since(start))
	require.Equal(t, events, p.count(t, "notes_effects"))
	require.Equal(t, upTo(events), sorted(l.numbers(account.ID{})))
	require.Zero(t, p.count(t, "gatehouse_event_deliveries"), "none failed")
	ids := map[uuid.UUID]bool{}
	for _, id := range l.ids() {
		require.False(t, ids[id])
		ids[id] = true
	}
}

// TestAPoisonedEventHoldsUpItsSubjectAloneAndIsSetAside follows one that no attempt mends.
func TestAPoisonedEventHoldsUpItsSubjectAloneAndIsSetAside(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk, l := newClock(), newLog()
		var attempts atomic.Int64
		p := open(t, db, setup{clock: clk, settings: event.Settings{Retention: time.Hour, MaxAttempts: 3}, subscriptions: []event.Subscription{
			l.reads("notes.index", func(w written) error {
				if w.N != 0 {
					return nil
				}
				if attempts.Add(1) == 2 {
					panic("a bug with " + w.Text)
				}
				return errors.New("cannot take it")
			}),
		}})
		ada, eve := account.NewID(), account.NewID()
		p.write(t, ada, 0, 1, 2)
		p.write(t, eve, 10, 11)
		p.drain(t)
		require.Equal(t, []int{10, 11}, l.numbers(account.ID{}), "others go on")
		p.write(t, ada, 3)
		p.drain(t)
		require.EqualValues(t, 1, attempts.Load(), "it is not due")
		clk.Advance(time.Second)
		p.drain(t)
		require.EqualValues(t, 2, attempts.Load())
		require.Equal(t, []int{10, 11}, l.numbers(account.ID{}))
		clk.Advance(16 * time.Second)
		p.drain(t)
		require.EqualValues(t, 3, attempts.Load())
		require.Equal(t, []int{10, 11, 1, 2, 3}, l.numbers(account.ID{}), "the later ones of its subject go on behind it, in order")
		dead, err := p.ListDead(t.Context(), "notes.index", 10)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, "cannot take it", dead[0].Fault)
		require.Equal(t, 3, dead[0].Attempts)
		require.Contains(t, p.logs.String(), "event failed for the last time and is set aside")
		require.Contains(t, p.logs.String(), "handler of an event panicked")
		require.NotContains(t, p.logs.String(), "milk")
		p.write(t, ada, 4)
		p.drain(t)
		require.Equal(t, 4, l.numbers(ada)[len(l.numbers(ada))-1], "what is dead holds nobody up")
	})
}

func TestADestinationThatTakesNothingIsLetAloneForAWhile(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk, l := newClock(), newLog()
		var away atomic.Bool
		var asked atomic.Int64
		p := open(t, db, setup{clock: clk, subscriptions: []event.Subscription{l.reads("notes.index", func(written) error {
			if asked.Add(1); away.Load() {
				return errors.New("away")
			}
			return nil
		})}})
		away.Store(true)
		for _, n := range upTo(20) {
			p.write(t, account.NewID(), n)
		}
		p.drain(t)
		require.EqualValues(t, 3, asked.Load(), "three in a row are enough")
		for range 360 { // an hour
			clk.Advance(10 * time.Second)
			p.drain(t)
		}
		require.Zero(t, p.count(t, "gatehouse_event_deliveries WHERE dead_at IS NOT NULL"), "an hour's absence kills nothing")
		away.Store(false)
		for range 120 {
			clk.Advance(time.Minute)
			p.drain(t)
		}
		require.Equal(t, upTo(20), sorted(l.numbers(account.ID{})))
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"))
	})
}

// TestAKilledWorkersDestinationsAreTakenOver leaves a lease behind, as kill -9 does. What its handler had done had not
// committed.
func TestAKilledWorkersDestinationsAreTakenOver(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk, l := newClock(), newLog()
		p := open(t, db, setup{clock: clk, subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		n, err := p.db.Exec(t.Context(), `UPDATE gatehouse_event_destinations SET lease_owner = 'the dead', lease_until = ?`, clk.Now().Add(10*time.Second))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		p.write(t, account.NewID(), 1)
		p.drain(t)
		require.Empty(t, l.ids(), "it may still be alive")
		clk.Advance(10 * time.Second)
		p.drain(t)
		require.Equal(t, []int{1}, l.numbers(account.ID{}))
	})
}

// TestAWorkerThatLostItsLeaseHasNoEffect has another take the destination while a handler works.
func TestAWorkerThatLostItsLeaseHasNoEffect(t *testing.T) {
	t.Parallel()
	if !hasPostgres() {
		return // on SQLite nobody writes while a handler does
	}
	l := newLog()
	var p *process
	stolen := false
	p = open(t, databasetest.Postgres(t), setup{subscriptions: []event.Subscription{l.reads("notes.index", func(written) error {
		if stolen {
			return nil
		}
		stolen = true
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		_, err := p.db.Exec(ctx, `UPDATE gatehouse_event_destinations SET lease_owner = 'a thief'`)
		require.Error(t, err, "the handler's transaction holds it")
		return nil
	})}})
	p.write(t, account.NewID(), 1)
	p.drain(t)
	require.Equal(t, []int{1}, l.numbers(account.ID{}))
}

func TestAStopWaitsForTheHandlerAndLetsAnotherGoOn(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l, began, release := newLog(), make(chan struct{}, 9), make(chan struct{})
		subs := []event.Subscription{l.reads("notes.index", func(written) error {
			began <- struct{}{}
			<-release
			return nil
		})}
		p := open(t, db, setup{subscriptions: subs})
		stop := p.start(t)
		p.write(t, account.NewID(), 1, 2)
		<-began
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		close(release)
		<-stopped
		require.Len(t, l.ids(), 1+len(began), "what was begun has ended")
		require.Zero(t, p.count(t, "gatehouse_event_destinations WHERE lease_owner IS NOT NULL"))
		open(t, db, setup{subscriptions: subs}).start(t)
		l.wait(t, 2)
		require.Equal(t, []int{1, 2}, l.numbers(account.ID{}))
	})
}

// TestEventsOfAnotherProcessAreHandedOnSoon: a command or a server without a worker writes them.
func TestEventsOfAnotherProcessAreHandedOnSoon(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		subs := []event.Subscription{l.reads("notes.index", nil)}
		worker, command := open(t, db, setup{subscriptions: subs}), open(t, db, setup{subscriptions: subs})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		require.NoError(t, worker.bus.Wait(ctx))
		worker.start(t)
		start := time.Now()
		command.write(t, account.NewID(), 1)
		l.wait(t, 1)
		t.Logf("after %s", time.Since(start))
		require.Less(t, time.Since(start), 10*time.Second)
	})
}

func TestAStandingTellsHowFarADestinationIs(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p := open(t, db, setup{subscriptions: []event.Subscription{newLog().reads("notes.index", func(written) error { return errors.New("no") })}})
		require.Equal(t, []string{"notes.index"}, p.Destinations())
		p.write(t, account.NewID(), 1)
		p.drain(t)
		p.write(t, account.NewID(), 2)
		p.start(t)
		require.Eventually(t, func() bool { s := p.Standing("notes.index"); return s.Behind > 0 && s.Oldest > 0 }, 10*time.Second, 10*time.Millisecond)
		require.Zero(t, p.Standing("notes.nobody"))
	})
}

// TestAnIdleRelayAsksLittle takes ten seconds, so that the slow looks are among what it counts.
func TestAnIdleRelayAsksLittle(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		var statements atomic.Int64
		p := open(t, db, setup{subscriptions: []event.Subscription{newLog().reads("notes.index", nil)}, observe: func(context.Context, database.Statement) { statements.Add(1) }})
		p.start(t)
		begun := time.NewTimer(2 * time.Second)
		<-begun.C
		before := statements.Load()
		const watch = 10 * time.Second
		end := time.NewTimer(watch)
		<-end.C
		rate := float64(statements.Load()-before) / watch.Seconds()
		t.Logf("%.2f statements a second", rate)
		require.Less(t, rate, 1.0, "with River's 3.8 on SQLite that is below 5")
	})
}
