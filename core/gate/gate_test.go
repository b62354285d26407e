package gate

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/errs"
)

// workTime is how long the work takes.
const workTime = 25 * time.Millisecond

// work enters the gate, takes as long as it does, and leaves.
func work(ctx context.Context, g *Gate) error {
	if err := g.Enter(ctx); err != nil {
		return err
	}
	start := time.Now()
	time.Sleep(workTime)
	g.Leave(time.Since(start))
	return nil
}

// The clock of these tests is synctest's: it stands still while anything runs, so nothing here depends on the machine.

func TestPermitsAreHandedOutInTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 2*time.Second, workTime)
		require.NoError(t, g.Enter(t.Context()))
		var order []int
		for i := range 10 {
			go func() {
				if g.Enter(t.Context()) == nil {
					order = append(order, i)
					g.Leave(workTime)
				}
			}()
			synctest.Wait()
		}
		require.Equal(t, 10, g.Stats().Queued)
		time.Sleep(time.Second)
		g.Leave(workTime)
		synctest.Wait()
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, order)
		s := g.Stats()
		require.Equal(t, Stats{Permits: 1, Done: 11, Waited: 10, WaitTime: 10 * time.Second, MeanTime: workTime}, s)
	})
}

func TestWhoWouldWaitTooLongIsSentAwayAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(2, 2*time.Second, 500*time.Millisecond)
		for range 2 {
			require.NoError(t, g.Enter(t.Context()))
		}
		for range 8 {
			go func() {
				if g.Enter(t.Context()) == nil {
					g.Leave(500 * time.Millisecond)
				}
			}()
		}
		synctest.Wait()
		require.Equal(t, 8, g.Stats().Queued, "eight waits of a quarter of a second each are just in time")

		before := time.Now()
		err := g.Enter(t.Context())
		_, _, told := g.Announce(t.Context())
		require.Equal(t, err, told, "and whoever announces itself is told the same")
		require.Equal(t, before, time.Now(), "no waiting")
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.ErrorIs(t, err, errQueueFull)
		require.Equal(t, 3*time.Second, errs.From(err).RetryAfter(), "2.25 s, in whole seconds")
		require.EqualValues(t, 2, g.Stats().Shed)
		g.Leave(500 * time.Millisecond)
		g.Leave(500 * time.Millisecond)
	})
}

func TestWhoIsAnnouncedCountsUntilItComesOrCallsOff(t *testing.T) {
	t.Parallel()
	g := New(1, time.Second, 500*time.Millisecond)
	type comer struct {
		ctx context.Context
		off func()
	}
	announce := func() (comer, error) {
		ctx, off, err := g.Announce(t.Context())
		return comer{ctx, off}, err
	}
	var all []comer
	for i := range 3 { // one works, and two wait half a second each
		c, err := announce()
		require.NoError(t, err, i)
		all = append(all, c)
	}
	_, err := announce()
	require.ErrorIs(t, err, errQueueFull, "the fourth would wait a second and a half")

	require.NoError(t, g.Enter(all[0].ctx))
	_, err = announce()
	require.ErrorIs(t, err, errQueueFull, "who has come is at work, and counts once")
	all[0].off()
	all[0].off()
	_, err = announce()
	require.ErrorIs(t, err, errQueueFull, "to call off then changes nothing")

	all[1].off()
	all[1].off()
	again, err := announce()
	require.NoError(t, err, "there is room for one who does not come")
	_, err = announce()
	require.ErrorIs(t, err, errQueueFull)

	g.Leave(500 * time.Millisecond)
	for _, c := range []comer{all[2], again} {
		require.NoError(t, g.Enter(c.ctx))
		g.Leave(500 * time.Millisecond)
	}
	require.NoError(t, g.Enter(all[2].ctx), "a second piece of work is one like any other")
	g.Leave(500 * time.Millisecond)
	require.Zero(t, g.coming)
	require.EqualValues(t, 4, g.Stats().Done)
}

func TestAGateKeepsNoPlaceAtAnother(t *testing.T) {
	t.Parallel()
	one, other := New(1, time.Second, workTime), New(1, time.Second, workTime)
	ctx, off, err := one.Announce(t.Context())
	require.NoError(t, err)
	require.NoError(t, other.Enter(ctx))
	require.Equal(t, 1, one.coming)
	off()
	require.Zero(t, one.coming)
}

func TestWhoseContextEndsSoonerIsSentAwaySooner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 2*time.Second, 500*time.Millisecond)
		require.NoError(t, g.Enter(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 900*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, g.Enter(ctx), errQueueFull, "half a second of waiting and half a second of work do not fit")
		g.Leave(workTime)
		require.NoError(t, g.Enter(ctx))
		g.Leave(workTime)
	})
}

func TestTheDeadlineEndsAWaitThatWasUnderestimated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 2*time.Second, workTime)
		require.NoError(t, g.Enter(t.Context()))
		start := time.Now()
		err := g.Enter(t.Context())
		require.Equal(t, 2*time.Second, time.Since(start))
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.ErrorIs(t, err, errQueueDeadline)
		require.Equal(t, time.Second, errs.From(err).RetryAfter())
		g.Leave(2 * time.Second)
		require.Equal(t, Stats{Permits: 1, Done: 1, TimedOut: 1, MeanTime: workTime + (4*workTime-workTime)/8}, g.Stats(), "one that took very long counts as one four times as long")
	})
}

func TestACancelledCallerLeavesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 2*time.Second, workTime)
		require.NoError(t, g.Enter(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- g.Enter(ctx) }()
		synctest.Wait()
		require.Equal(t, 1, g.Stats().Queued)
		cancel()
		err := <-result
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 0, g.Stats().Queued)
		require.EqualValues(t, 1, g.Stats().Left)
		g.Leave(workTime)
		require.NoError(t, g.Enter(t.Context()), "the permit is not lost")
		g.Leave(workTime)
	})
}

func TestAPermitGrantedToOneWhoJustLeftGoesToTheNext(t *testing.T) {
	t.Parallel()
	g := New(1, time.Minute, workTime)
	ctx, cancel := context.WithCancel(t.Context())
	gone := &waiter{ctx: ctx, granted: make(chan struct{})}
	place := g.queue.PushBack(gone)
	next := &waiter{ctx: t.Context(), granted: make(chan struct{})}
	nextPlace := g.queue.PushBack(next)
	g.counts.Running = 1
	g.Leave(workTime) // grants to the first
	cancel()          // who leaves before noticing
	require.ErrorIs(t, g.wait(gone, place), context.Canceled)
	require.NoError(t, g.wait(next, nextPlace))
	g.Leave(workTime)
	require.Zero(t, g.Stats().Running)
}

func TestEndedContextsArePassedOver(t *testing.T) {
	t.Parallel()
	g := New(1, time.Minute, workTime)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone := &waiter{ctx: ctx, granted: make(chan struct{})}
	place := g.queue.PushBack(gone)
	g.counts.Running = 1
	g.Leave(workTime)
	require.ErrorIs(t, g.wait(gone, place), context.Canceled)
	require.Zero(t, g.Stats().Running)
	require.Zero(t, g.Stats().Queued)
}

// Ten times the load that two permits can bear, for a minute, from clients that give up after three seconds.
func TestGoodputHoldsUnderTenTimesTheLoad(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			permits  = 2
			capacity = int(time.Second/workTime) * permits // a second
			seconds  = 60
		)
		g := New(permits, 2*time.Second, 500*time.Millisecond) // a first guess twenty times too high
		arrivals := rand.New(rand.NewPCG(1, 2))
		var good, late, refused, slowRefusals atomic.Int64
		one := func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			start := time.Now()
			err := work(ctx, g)
			switch took := time.Since(start); {
			case err == nil && ctx.Err() == nil:
				good.Add(1)
			case err == nil:
				late.Add(1)
			case errors.Is(err, errs.ErrUnavailable):
				refused.Add(1)
				if took > 2*time.Second {
					slowRefusals.Add(1)
				}
			}
		}
		for range seconds * capacity * 10 {
			go one()
			time.Sleep(time.Duration(arrivals.ExpFloat64() * float64(time.Second) / float64(capacity*10)))
		}
		inMinute := good.Load()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		require.GreaterOrEqual(t, inMinute, int64(seconds*capacity*9/10))
		require.Zero(t, late.Load())
		require.Zero(t, slowRefusals.Load())
		require.EqualValues(t, seconds*capacity*10, good.Load()+refused.Load())

		s := g.Stats()
		require.Zero(t, s.Running)
		require.Zero(t, s.Queued)
		start := time.Now()
		require.NoError(t, work(t.Context(), g))
		require.Equal(t, workTime, time.Since(start), "afterwards all is as before")
	})
}

// A burst far above the queue is served as far as the deadline reaches, and the rest is told at once.
func TestABurstIsServedUpToTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := New(2, 2*time.Second, workTime)
		var good, refused atomic.Int64
		for range 1000 {
			go func() {
				if err := work(t.Context(), g); err == nil {
					good.Add(1)
				} else {
					refused.Add(1)
				}
			}()
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		require.InDelta(t, 162, good.Load(), 2, "two seconds of two permits, and those that began at once")
		require.EqualValues(t, 1000, good.Load()+refused.Load())
	})
}
