package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
)

// outside is a destination outside the program that notes what it took. It is safe for concurrent use.
type outside struct {
	*log

	name    string
	publish func(ctx context.Context, batch []event.Envelope) []error // nil takes all
	batches atomic.Int64
}

func newOutside(name string) *outside { return &outside{log: newLog(), name: name} }

func (d *outside) Name() string           { return d.name }
func (d *outside) Wants(name string) bool { return name == "gatehouse.note.written.v1" }

func (d *outside) Publish(ctx context.Context, batch []event.Envelope) []error {
	d.batches.Add(1)
	var faults []error
	if d.publish != nil {
		faults = d.publish(ctx, batch)
	}
	for i, e := range batch {
		if len(faults) == len(batch) && faults[i] != nil {
			continue
		}
		r := event.Received[written]{Envelope: e}
		if err := json.Unmarshal(e.Data, &r.Event); err != nil {
			panic(err)
		}
		d.note(r)
	}
	return faults
}

// oneByOne has a destination send each event by itself.
func (d *outside) oneByOne(send func(written) error) *outside {
	d.publish = func(ctx context.Context, batch []event.Envelope) []error {
		return event.OneByOne(ctx, batch, time.Second, func(_ context.Context, e event.Envelope) error {
			var w written
			if err := json.Unmarshal(e.Data, &w); err != nil {
				return err
			}
			return send(w)
		})
	}
	return d
}

func TestADestinationOutsideGetsEachEventInBatches(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		d := newOutside("broker.notes")
		p := open(t, db, setup{destinations: []event.Destination{d}})
		ada, eve := account.NewID(), account.NewID()
		p.write(t, ada, upTo(250)...)
		p.write(t, eve, 1000, 1001)
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			return p.Append(ctx, tx, ignored{UserID: ada})
		}))
		p.start(t)
		d.wait(t, 252)
		require.Equal(t, upTo(250), d.numbers(ada))
		require.Equal(t, []int{1000, 1001}, d.numbers(eve))
		require.LessOrEqual(t, d.batches.Load(), int64(10))
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"))
	})
}

func TestWhatADestinationOutsideCannotTakeHoldsUpItsSubjectAloneAndIsSetAside(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk := newClock()
		d := newOutside("broker.notes").oneByOne(func(w written) error {
			if w.N == 0 {
				return errors.New("cannot take it")
			}
			return nil
		})
		p := open(t, db, setup{clock: clk, settings: event.Settings{Retention: time.Hour, MaxAttempts: 3}, destinations: []event.Destination{d}})
		ada, eve := account.NewID(), account.NewID()
		p.write(t, ada, upTo(150)...)
		p.write(t, eve, 1000, 1001)
		p.drain(t)
		require.Equal(t, []int{1000, 1001}, d.numbers(account.ID{}), "others go on")
		clk.Advance(time.Second)
		p.drain(t)
		require.Empty(t, d.numbers(ada))
		clk.Advance(16 * time.Second)
		p.drain(t)
		require.Equal(t, upTo(150)[1:], d.numbers(ada), "the later ones of its subject go on behind it, in order")
		require.Less(t, d.batches.Load(), int64(15), "together")
		dead, err := p.ListDead(t.Context(), "broker.notes", 10)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, 3, dead[0].Attempts)
		require.Equal(t, "cannot take it", dead[0].Fault)
		require.Equal(t, 1, p.count(t, "gatehouse_event_deliveries"))
	})
}

func TestWhatIsPermanentIsSetAsideAtOnce(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		d := newOutside("broker.notes").oneByOne(func(w written) error {
			if w.N == 1 {
				return fmt.Errorf("send: %w", event.Permanent(errors.New("too large")))
			}
			return nil
		})
		p := open(t, db, setup{clock: newClock(), destinations: []event.Destination{d}})
		p.write(t, account.NewID(), 0, 1, 2)
		p.drain(t)
		require.Equal(t, []int{0, 2}, d.numbers(account.ID{}))
		dead, err := p.ListDead(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, dead, 1)
		require.Equal(t, "send: too large", dead[0].Fault)
	})
}

func TestWhatWaitsBehindAnEventThatHasOneAttemptGoesOn(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		d := newOutside("broker.notes").oneByOne(func(w written) error {
			if w.N == 0 {
				return errors.New("cannot take it")
			}
			return nil
		})
		p := open(t, db, setup{clock: newClock(), settings: event.Settings{Retention: time.Hour, MaxAttempts: 1}, destinations: []event.Destination{d}})
		p.write(t, account.NewID(), 0, 1, 2)
		p.drain(t)
		require.Equal(t, []int{1, 2}, d.numbers(account.ID{}))
		require.Equal(t, 1, p.count(t, "gatehouse_event_deliveries"), "the one set aside")
	})
}

// TestADestinationThatIsAwayCostsNoAttempt has it away for longer than all attempts would take.
func TestADestinationThatIsAwayCostsNoAttempt(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{
		"away":     event.Away(errors.New("connection refused")),
		"throttle": event.RetryAfter(errors.New("slow down"), 30*time.Second),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
				clk := newClock()
				var away atomic.Bool
				d := newOutside("broker.notes")
				d.publish = func(_ context.Context, batch []event.Envelope) []error {
					if away.Load() {
						return slices.Repeat([]error{fault}, len(batch))
					}
					return nil
				}
				p := open(t, db, setup{clock: clk, destinations: []event.Destination{d}})
				away.Store(true)
				ada := account.NewID()
				p.write(t, ada, upTo(300)...)
				for range 240 {
					p.drain(t)
					clk.Advance(time.Minute)
				}
				require.Zero(t, p.count(t, "gatehouse_event_deliveries"), "nothing is written down of each event")
				require.Equal(t, 1, strings.Count(p.logs.String(), "takes none just now"), "an outage is logged once")
				away.Store(false)
				p.drain(t)
				require.Equal(t, upTo(300), d.numbers(ada))
				require.Contains(t, p.logs.String(), "takes some again")
			})
		})
	}
}

func TestABatchThatIsTakenInPartGoesOnWithTheRest(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk := newClock()
		var once atomic.Bool
		d := newOutside("broker.notes")
		d.publish = func(_ context.Context, batch []event.Envelope) []error {
			faults := make([]error, len(batch))
			if once.Swap(true) {
				return faults
			}
			for i := range faults { // of three subjects in turn, the first is not taken and the last are not tried
				switch {
				case i%3 == 0:
					faults[i] = errors.New("no")
				case i > 5:
					faults[i] = event.Away(errors.New("gone"))
				}
			}
			return faults
		}
		p := open(t, db, setup{clock: clk, destinations: []event.Destination{d}})
		owners := []account.ID{account.NewID(), account.NewID(), account.NewID()}
		for n := range 12 {
			p.write(t, owners[n%3], n)
		}
		p.drain(t)
		require.Equal(t, []int{1, 2, 4, 5}, d.numbers(account.ID{}))
		clk.Advance(2 * time.Second)
		p.drain(t)
		for i, o := range owners {
			require.Equal(t, []int{i, i + 3, i + 6, i + 9}, d.numbers(o))
		}
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"))
	})
}

// TestASlowDestinationHoldsUpNoOther holds one for as long as the other needs.
func TestASlowDestinationHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		slow, fast := newOutside("broker.slow"), newOutside("broker.fast")
		begun, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		slow.publish = func(context.Context, []event.Envelope) []error {
			once.Do(func() { close(begun) })
			<-release
			return nil
		}
		p := open(t, db, setup{destinations: []event.Destination{slow, fast}})
		p.start(t)
		ada := account.NewID()
		p.write(t, ada, 0)
		<-begun
		for n := range 20 {
			p.write(t, ada, n+1)
		}
		fast.wait(t, 21)
		require.Empty(t, slow.numbers(ada))
		close(release)
		slow.wait(t, 21)
		require.Equal(t, upTo(21), slow.numbers(ada))
	})
}

func TestDestinationsComeAndGoWhileItRuns(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		var mu sync.Mutex
		var listed []event.Destination
		source := event.Source{Name: "hooks", List: func(context.Context) ([]event.Destination, error) {
			mu.Lock()
			defer mu.Unlock()
			return slices.Clone(listed), nil
		}}
		change := func(p *process, destinations []event.Destination, do func(ctx context.Context, tx *database.Tx) error) {
			require.NoError(t, p.db.InTx(t.Context(), do))
			mu.Lock()
			defer mu.Unlock()
			listed = destinations
		}
		worker, server := open(t, db, setup{sources: []event.Source{source}}), open(t, db, setup{sources: []event.Source{source}})
		worker.start(t)
		require.Equal(t, []string{"hooks"}, worker.Destinations())
		ada := account.NewID()
		server.write(t, ada, 0)
		require.Eventually(t, func() bool { return server.count(t, "gatehouse_events WHERE number IS NULL") == 0 }, 10*time.Second, 10*time.Millisecond)
		hook := newOutside("hooks.0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d")
		change(server, []event.Destination{hook}, func(ctx context.Context, tx *database.Tx) error {
			return server.AddDestination(ctx, tx, hook.name)
		})
		server.write(t, ada, 1, 2)
		hook.wait(t, 2)
		require.Equal(t, []int{1, 2}, hook.numbers(ada), "it gets what comes from then on")

		other := newOutside(hook.name) // as changed
		mu.Lock()
		listed = []event.Destination{other}
		mu.Unlock()
		require.NoError(t, server.db.InTx(t.Context(), func(_ context.Context, tx *database.Tx) error { server.DestinationChanged(tx); return nil }))
		require.Eventually(t, func() bool {
			server.write(t, ada, 3)
			return len(other.numbers(ada)) > 0
		}, 20*time.Second, 100*time.Millisecond)

		change(server, nil, func(ctx context.Context, tx *database.Tx) error { return server.RemoveDestination(ctx, tx, hook.name) })
		server.write(t, ada, 4)
		require.NoError(t, worker.Prune(t.Context()))
		require.Zero(t, server.count(t, "gatehouse_event_destinations"), "nothing brings it back")
		require.Zero(t, server.count(t, "gatehouse_event_deliveries"))
	})
}

// TestAStopWaitsForADestinationALittle has one that never ends by itself.
func TestAStopWaitsForADestinationALittle(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		d := newOutside("broker.notes")
		begun := make(chan struct{})
		d.publish = func(ctx context.Context, batch []event.Envelope) []error {
			close(begun)
			<-ctx.Done()
			return slices.Repeat([]error{ctx.Err()}, len(batch))
		}
		p := open(t, db, setup{destinations: []event.Destination{d}})
		stop := p.start(t)
		p.write(t, account.NewID(), 1)
		<-begun
		start := time.Now()
		stop()
		require.Less(t, time.Since(start), event.HandlerDeadline+3*time.Second)
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"), "that was no attempt")
		require.Zero(t, p.count(t, "gatehouse_event_destinations WHERE lease_owner IS NOT NULL"))
	})
}

// TestALeaseOutlivesASlowBatch takes longer for a batch than a lease is given for.
func TestALeaseOutlivesASlowBatch(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		d := newOutside("broker.notes")
		begun := make(chan struct{}, 9)
		d.publish = func(ctx context.Context, _ []event.Envelope) []error {
			begun <- struct{}{}
			slow := time.NewTimer(12 * time.Second)
			defer slow.Stop()
			select {
			case <-slow.C:
			case <-ctx.Done():
			}
			return nil
		}
		p, other := open(t, db, setup{destinations: []event.Destination{d}}), open(t, db, setup{destinations: []event.Destination{d}})
		p.start(t)
		p.write(t, account.NewID(), 1)
		<-begun
		other.start(t)
		d.wait(t, 1)
		require.Empty(t, begun, "the other has not begun")
	})
}

// TestHundredsOfDestinationsThatIdleAskLittle takes ten seconds, as TestAnIdleRelayAsksLittle does, from when all have come to rest.
func TestHundredsOfDestinationsThatIdleAskLittle(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		var statements atomic.Int64
		var hooks []event.Destination
		for i := range 300 {
			hooks = append(hooks, newOutside(fmt.Sprintf("hooks.%d", i)))
		}
		source := event.Source{Name: "hooks", List: func(context.Context) ([]event.Destination, error) {
			statements.Add(1) // as one that reads a table
			return hooks, nil
		}}
		p := open(t, db, setup{sources: []event.Source{source}, observe: func(context.Context, database.Statement) { statements.Add(1) }})
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			for _, h := range hooks {
				if err := p.AddDestination(ctx, tx, h.Name()); err != nil {
					return err
				}
			}
			return nil
		}))
		p.start(t)
		p.write(t, account.NewID(), 1)
		for _, h := range hooks {
			h.(*outside).wait(t, 1) //nolint:forcetypeassert // made above
		}
		rest := time.NewTicker(time.Second)
		defer rest.Stop()
		before := statements.Load()
		for deadline := time.Now().Add(time.Minute); ; before = statements.Load() {
			<-rest.C
			if statements.Load()-before < 10 || time.Now().After(deadline) {
				break
			}
		}
		before = statements.Load()
		const watch = 10 * time.Second
		end := time.NewTimer(watch)
		<-end.C
		rate := float64(statements.Load()-before) / watch.Seconds()
		t.Logf("%.2f statements a second", rate)
		require.Less(t, rate, 1.2, "with River's 3.8 on SQLite that is 5")
	})
}

func TestOneByOneLeavesOutWhatFollowsOnWhatWasNotTaken(t *testing.T) {
	t.Parallel()
	a, b := account.NewID(), account.NewID()
	batch := []event.Envelope{{Subject: a}, {Subject: a}, {Subject: b}, {Subject: b}}
	no := errors.New("no")
	for name, c := range map[string]struct {
		answers []error // of the events that are sent
		want    []error
	}{
		"all taken":          {[]error{nil, nil, nil, nil}, []error{nil, nil, nil, nil}},
		"one failed":         {[]error{no, nil, nil}, []error{no, event.ErrNotTried, nil, nil}},
		"one is permanent":   {[]error{event.Permanent(no), nil, nil, nil}, []error{event.Permanent(no), nil, nil, nil}},
		"away":               {[]error{nil, event.Away(no)}, []error{nil, event.Away(no), event.ErrNotTried, event.ErrNotTried}},
		"away for a while":   {[]error{event.RetryAfter(no, 0)}, []error{event.RetryAfter(no, time.Second), event.ErrNotTried, event.ErrNotTried, event.ErrNotTried}},
		"both subjects fail": {[]error{no, no}, []error{no, event.ErrNotTried, no, event.ErrNotTried}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := 0
			got := event.OneByOne(t.Context(), batch, time.Second, func(context.Context, event.Envelope) error {
				sent++
				return c.answers[sent-1]
			})
			require.Equal(t, c.want, got)
			require.Len(t, c.answers, sent)
		})
	}
	short, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := event.OneByOne(short, batch, time.Hour, func(context.Context, event.Envelope) error { return nil })
	require.Equal(t, []error{nil, event.ErrNotTried, event.ErrNotTried, event.ErrNotTried}, got, "no time is left for a second")
}

func TestNamesOfDestinationsAreChecked(t *testing.T) {
	t.Parallel()
	db := databasetest.SQLite(t)
	for _, names := range [][]string{{"broker"}, {"Broker.x"}, {"broker."}, {"broker.x y"}, {"broker.x", "broker.x"}} {
		var all []event.Destination
		for _, n := range names {
			all = append(all, newOutside(n))
		}
		p := open(t, db, setup{})
		require.Error(t, p.Open(t.Context(), event.Options{DB: p.db, Destinations: all}), "%v", names)
	}
	p := open(t, db, setup{sources: []event.Source{{Name: "hooks", List: func(context.Context) ([]event.Destination, error) {
		return []event.Destination{newOutside("others.x")}, nil
	}}}})
	_, err := p.Drain(t.Context())
	require.ErrorContains(t, err, "others.x")
}
