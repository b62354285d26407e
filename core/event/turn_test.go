package event_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/job"
)

// turns lists the jobs of a state that hand events to subscriptions.
func (p *process) turns(t testing.TB, s job.State) []job.Record {
	t.Helper()
	all, err := p.jobs.List(t.Context(), job.RecordQuery{States: []job.State{s}, Kinds: []string{"events.turn"}, Limit: 100})
	require.NoError(t, err)
	return all.Items
}

// order has the relay look, and leaves what comes of it in the queue.
func (p *process) order(t testing.TB) (found bool) {
	t.Helper()
	found, err := p.Drain(t.Context())
	require.NoError(t, err)
	return found
}

func (p *process) work(t testing.TB) {
	t.Helper()
	require.NoError(t, p.jobs.Drain(t.Context(), job.Settings{Concurrency: 10}))
}

func TestAJobHandsASubscriptionItsEventsInOrder(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		p := open(t, db, setup{subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		ada := account.NewID()
		p.write(t, ada, upTo(250)...)
		require.True(t, p.order(t))
		require.Empty(t, l.ids(), "the relay hands nothing on itself")
		waiting := p.turns(t, job.StateAvailable)
		require.Len(t, waiting, 1, "one job for all of them")
		require.JSONEq(t, `"notes.index"`, string(waiting[0].Args["subscription"]), "operators see whose turn it is")
		require.False(t, p.order(t), "it is not ordered twice")
		p.work(t)
		require.Equal(t, upTo(250), l.numbers(ada))
		require.Len(t, p.turns(t, job.StateCompleted), 1)
		require.Zero(t, p.count(t, "gatehouse_event_destinations WHERE lease_owner IS NOT NULL"))
	})
}

func TestWhatASubscriptionDoesNotWantCostsNoJob(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		p := open(t, db, setup{subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		ada := account.NewID()
		ignore := func(n int) {
			require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
				for range n {
					if err := p.Append(ctx, tx, ignored{UserID: ada}); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		ignore(250)
		p.drain(t)
		require.Empty(t, p.turns(t, job.StateCompleted))
		require.Equal(t, 1, p.count(t, "gatehouse_event_destinations WHERE read_to = 250"))
		ignore(150)
		p.write(t, ada, 1)
		ignore(150)
		p.drain(t)
		require.Equal(t, []int{1}, l.numbers(ada))
		require.Len(t, p.turns(t, job.StateCompleted), 1)
		require.Equal(t, 1, p.count(t, "gatehouse_event_destinations WHERE read_to = 551"))
	})
}

func TestATurnThatIsLostIsOrderedAgain(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk, l := newClock(), newLog()
		p := open(t, db, setup{clock: clk, subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		p.write(t, account.NewID(), 1)
		require.True(t, p.order(t))
		lost := p.turns(t, job.StateAvailable)
		require.Len(t, lost, 1)
		_, cancelled, err := p.jobs.Cancel(t.Context(), lost[0].ID)
		require.NoError(t, err)
		require.True(t, cancelled)
		require.False(t, p.order(t), "it may be at work")
		clk.Advance(time.Minute)
		p.drain(t)
		require.Equal(t, []int{1}, l.numbers(account.ID{}))
	})
}

// TestATurnThatComesLateDoesNothing: it waited so long for a worker that another has the subscription.
func TestATurnThatComesLateDoesNothing(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk, l := newClock(), newLog()
		p := open(t, db, setup{clock: clk, subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		p.write(t, account.NewID(), 1)
		require.True(t, p.order(t))
		n, err := p.db.Exec(t.Context(), `UPDATE gatehouse_event_destinations SET lease_owner = 'the next', lease_until = ?`, clk.Now().Add(time.Minute))
		require.NoError(t, err)
		require.EqualValues(t, 1, n)
		p.work(t)
		require.Empty(t, l.ids())
		require.Len(t, p.turns(t, job.StateCompleted), 1)
		require.Equal(t, 1, p.count(t, "gatehouse_event_destinations WHERE lease_owner = 'the next'"))
	})
}

// TestAnotherVersionsWorkerLeavesASubscriptionThatItDoesNotHave is what happens while versions change.
func TestAnotherVersionsWorkerLeavesASubscriptionThatItDoesNotHave(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		before := open(t, db, setup{})
		after := open(t, db, setup{subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		after.write(t, account.NewID(), 1)
		require.True(t, after.order(t))
		before.work(t)
		require.Empty(t, l.ids())
		require.Zero(t, after.count(t, "gatehouse_event_destinations WHERE lease_owner IS NOT NULL"), "the next need not wait for the lease")
		after.drain(t)
		require.Equal(t, []int{1}, l.numbers(account.ID{}))
	})
}

// TestATurnThatFailsIsTriedAgainUnderItsLease has the table away that the turn asks for, as a database that has trouble.
func TestATurnThatFailsIsTriedAgainUnderItsLease(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		p := open(t, db, setup{subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		p.write(t, account.NewID(), 1)
		require.True(t, p.order(t))
		rename := func(from, to string) {
			_, err := p.db.Exec(t.Context(), "ALTER TABLE "+from+" RENAME TO "+to)
			require.NoError(t, err)
		}
		rename("gatehouse_event_deliveries", "elsewhere")
		p.work(t)
		require.Empty(t, l.ids())
		again := p.turns(t, job.StateAvailable)
		require.Len(t, again, 1)
		require.Equal(t, 1, again[0].Attempt)
		require.Equal(t, 1, p.count(t, "gatehouse_event_destinations WHERE lease_owner IS NOT NULL"), "no other is ordered meanwhile")
		rename("elsewhere", "gatehouse_event_deliveries")
		_, err := p.db.Exec(t.Context(), `UPDATE river_job SET scheduled_at = created_at`) // its pause is over
		require.NoError(t, err)
		p.work(t)
		require.Equal(t, []int{1}, l.numbers(account.ID{}))
	})
}
