package event_test

import (
	"context"
	"errors"
	"slices"
	"strings"
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

func TestANewSubscriptionGetsWhatComesFromThenOnAndTheRestByReplay(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk, old, young := newClock(), newLog(), newLog()
		first := open(t, db, setup{clock: clk, subscriptions: []event.Subscription{old.reads("notes.index", nil)}})
		ada := account.NewID()
		first.write(t, ada, 0, 1)
		first.drain(t)
		p := open(t, db, setup{clock: clk, subscriptions: []event.Subscription{old.reads("notes.index", nil), young.reads("notes.mirror", nil)}})
		since := clk.Now()
		clk.Advance(time.Hour)
		p.write(t, ada, 2)
		p.drain(t)
		require.Equal(t, []int{2}, young.numbers(ada))
		require.Equal(t, []int{0, 1, 2}, old.numbers(ada))

		n, err := p.ReplaySpan(t.Context(), "notes.mirror", event.Span{Since: since, Until: since})
		require.NoError(t, err)
		require.Equal(t, 2, n)
		p.drain(t)
		require.Equal(t, []int{2, 0, 1}, young.numbers(ada))
		require.Equal(t, []int{0, 1, 2}, old.numbers(ada), "one destination was asked for")

		all, err := p.List(t.Context(), event.Filter{Limit: 1})
		require.NoError(t, err)
		n, err = p.Replay(t.Context(), "", all[0].ID)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		p.drain(t)
		require.Equal(t, []int{2, 0, 1, 2}, young.numbers(ada))
		require.Equal(t, 2, strings.Count(idsOf(old), all[0].ID.String()), "with the same id")
		_, err = p.Replay(t.Context(), "notes.nobody", all[0].ID)
		require.ErrorIs(t, err, event.ErrNoDestination)
	})
}

func idsOf(l *log) string {
	var b strings.Builder
	for _, id := range l.ids() {
		b.WriteString(id.String())
	}
	return b.String()
}

func TestWhatBelongsToAReplayCommitsWithIt(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		p := open(t, db, setup{settings: event.Settings{Retention: time.Hour, MaxAttempts: 1}, subscriptions: []event.Subscription{l.reads("notes.index", func(w written) error {
			if w.N == 0 {
				return errors.New("no")
			}
			return nil
		})}})
		p.write(t, account.NewID(), 0)
		p.write(t, account.NewID(), 1)
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			return p.Append(ctx, tx, ignored{UserID: account.NewID()})
		}))
		p.drain(t)
		all, err := p.List(t.Context(), event.Filter{Limit: 2})
		require.NoError(t, err)
		var got []int
		note := func(_ context.Context, _ *database.Tx, deliveries int) error {
			got = append(got, deliveries)
			return nil
		}
		fault := errors.New("no ink")
		refuse := func(context.Context, *database.Tx, int) error { return fault }
		replay := func(id uuid.UUID) func(event.Also) error {
			return func(also event.Also) error { _, err := p.Replay(t.Context(), "", id, also); return err }
		}
		span := func(span event.Span) func(event.Also) error {
			return func(also event.Also) error { _, err := p.ReplaySpan(t.Context(), "", span, also); return err }
		}
		retry := func(destination string, ids ...uuid.UUID) func(event.Also) error {
			return func(also event.Also) error { _, err := p.RetryDead(t.Context(), destination, ids, also); return err }
		}
		for _, c := range []struct {
			name  string
			offer func(event.Also) error
			want  []int
		}{
			{"an event that nobody reads", replay(all[0].ID), nil},
			{"an event", replay(all[1].ID), []int{1}},
			{"a time", span(event.Span{}), []int{2}},
			{"a time of nothing", span(event.Span{Type: "gatehouse.nothing.v1"}), nil},
			{"what is dead", retry(""), []int{1}},
			{"what is dead nowhere", retry("notes.none"), nil},
			{"an event that is not dead", retry("", all[1].ID), nil},
		} {
			const due = "gatehouse_event_deliveries WHERE due_at IS NOT NULL"
			err := c.offer(refuse)
			require.Zero(t, p.count(t, due), "%s: neither is done without the other", c.name)
			if c.want != nil {
				require.ErrorIs(t, err, fault, c.name)
			}
			got = nil
			require.NoError(t, c.offer(note), c.name)
			require.Equal(t, c.want, got, c.name)
			require.Equal(t, len(c.want) > 0, p.count(t, due) > 0, c.name)
			p.drain(t)
		}
	})
}

func TestALargeReplayHasSeveralTransactions(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p := open(t, db, setup{subscriptions: []event.Subscription{newLog().reads("notes.index", nil)}})
		p.write(t, account.NewID(), upTo(501)...)
		p.drain(t)
		var got []int
		n, err := p.ReplaySpan(t.Context(), "", event.Span{}, func(_ context.Context, _ *database.Tx, deliveries int) error {
			got = append(got, deliveries)
			return nil
		})
		require.NoError(t, err)
		require.Equal(t, 501, n)
		require.Equal(t, []int{500, 1}, got, "each with what belongs to it")
	})
}

func TestWhatIsDeadCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		var mended atomic.Bool
		p := open(t, db, setup{settings: event.Settings{Retention: time.Hour, MaxAttempts: 1}, subscriptions: []event.Subscription{l.reads("notes.index", func(w written) error {
			if w.N < 2 && !mended.Load() {
				return errors.New("no")
			}
			return nil
		})}})
		ada := account.NewID()
		p.write(t, ada, 0, 1, 2)
		p.drain(t)
		require.Equal(t, []int{2}, l.numbers(ada))
		dead, err := p.ListDead(t.Context(), "", 10)
		require.NoError(t, err)
		require.Len(t, dead, 2)
		mended.Store(true)
		n, err := p.RetryDead(t.Context(), "notes.index", []uuid.UUID{dead[1].ID})
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = p.RetryDead(t.Context(), "", nil)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		p.drain(t)
		require.Equal(t, []int{0, 1, 2}, slices.Sorted(slices.Values(l.numbers(ada))))
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"))
	})
}
