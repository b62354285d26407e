package event_test

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestANewSubscriptionGetsWhatComesFromThenOnAndTheRestByReplay(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
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

func TestWhatIsDeadCanBeTriedAgain(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
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
		n, err := p.RetryDead(t.Context(), "notes.index", dead[1].ID)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = p.RetryDead(t.Context(), "")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		p.drain(t)
		require.Equal(t, []int{0, 1, 2}, slices.Sorted(slices.Values(l.numbers(ada))))
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"))
	})
}
