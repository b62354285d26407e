package push_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/push"
)

// eachPlace runs a case with each set of channels there may be.
func eachPlace(t *testing.T, run func(t *testing.T, p place)) {
	t.Helper()
	if !postgrestest.Exists() {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, place{database: databasetest.Postgres(t).URL, prefix: "none"})
	})
	if redistest.URL().IsZero() {
		return
	}
	t.Run("postgres and redis", func(t *testing.T) {
		t.Parallel()
		run(t, place{database: databasetest.Postgres(t).URL, redis: redistest.URL(), prefix: unique()})
	})
}

// bothChannels runs a case on PostgreSQL and a Redis of its own that it may stop.
func bothChannels(t *testing.T, run func(t *testing.T, p place, server *redistest.Server)) {
	t.Helper()
	if !postgrestest.Exists() {
		return
	}
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		run(t, place{database: databasetest.Postgres(t).URL, redis: server.URL(), prefix: "push"}, server)
	})
}

func pair(t *testing.T, p place) (a, b *instance) {
	t.Helper()
	truth := &atomic.Int64{}
	a, b = start(t, p, truth), start(t, p, truth)
	a.ready()
	b.ready()
	return a, b
}

func TestAChangeReachesTheOtherInstance(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, b := pair(t, p)
		require.Zero(t, a.read(1))
		require.Zero(t, b.read(1))
		require.Zero(t, b.read(2))
		a.truth.Store(1)
		require.Zero(t, a.read(1), "remembered")
		a.topic.Changed(1)
		require.Equal(t, int64(1), a.read(1), "dropped here before Changed returns")
		b.sees(1, 1)
		require.Zero(t, b.read(2), "nobody said that it has changed")
		require.Equal(t, int64(1), b.bus.Stats().Received)
		require.Equal(t, push.Stats{Sent: 1}, a.bus.Stats(), "one's own messages do not count, nor do heartbeats")
		a.topic.Changed()
		require.Equal(t, int64(1), a.bus.Stats().Sent)
	})
}

func TestValuesAreKeptForAMinuteWhileEveryChannelIsAlive(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, _ := pair(t, p)
		a.read(1)
		a.truth.Store(1)
		a.clock.Advance(push.LongTTL - time.Millisecond)
		require.Zero(t, a.read(1))
		a.clock.Advance(time.Millisecond)
		require.Equal(t, int64(1), a.read(1))
		for _, c := range a.bus.Channels() {
			require.True(t, c.Alive(), c.Name)
		}
	})
}

func TestValuesAreKeptForASecondOnSQLite(t *testing.T) {
	t.Parallel()
	a := start(t, place{database: databasetest.SQLite(t).URL, prefix: "none"}, &atomic.Int64{})
	a.ready()
	require.Empty(t, a.bus.Channels())
	a.read(1)
	a.truth.Store(1)
	a.topic.Changed(2)
	a.clock.Advance(push.ShortTTL - time.Millisecond)
	require.Zero(t, a.read(1))
	a.clock.Advance(time.Millisecond)
	require.Equal(t, int64(1), a.read(1))
	a.truth.Store(2)
	a.topic.Changed(1)
	require.Equal(t, int64(2), a.read(1))
}

// TestNothingFromBeforeTheProofIsKept holds the argument of the package's comment: what was read before the channel was
// proven is gone once it is.
func TestNothingFromBeforeTheProofIsKept(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		for !keepsNothing(t, start(t, p, &atomic.Int64{})) {
			t.Log("it was proven before anything changed: another one, then")
		}
	})
}

// keepsNothing changes a value while others read it, and tells nobody: who has read the old one must not do so after the proof. It
// says false where the proof came before the change, so that there was nothing to see.
func keepsNothing(t *testing.T, a *instance) bool {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	for reader := range 4 {
		readers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				if _, err := a.cache.Get(context.Background(), number(reader*1000+n%1000)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	a.truth.Store(1)
	if !slices.ContainsFunc(a.bus.Channels(), func(c push.Channel) bool { return !c.Alive() }) {
		return false
	}
	a.ready()
	cancel()
	readers.Wait()
	for n := range 4000 {
		require.Equal(t, int64(1), a.read(number(n)))
	}
	return true
}

func TestAFloodOfKeysArrivesWhole(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, b := pair(t, p)
		const flood = 10_000
		keys := make([]number, flood)
		for i := range keys {
			keys[i] = number(i)
			b.read(number(i))
		}
		a.truth.Store(1)
		start := time.Now()
		a.topic.Changed(keys...)
		t.Logf("handed over after %s in %d messages", time.Since(start), a.bus.Stats().Sent)
		for i := range keys {
			b.sees(number(i), 1)
		}
	})
}

func TestALostListenerIsReplacedAndWhatWasMissedForgotten(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, b := pair(t, p)
		require.Zero(t, b.read(1))
		a.truth.Store(1) // and nobody tells
		n, err := a.db.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse listen' AND datname = current_database()`)
		require.NoError(t, err)
		require.Equal(t, int64(2), n)
		b.sees(1, 1)
		b.ready()
		a.ready()
		a.truth.Store(2)
		a.topic.Changed(1)
		b.sees(1, 2)
	})
}

func TestWithRedisAwayMessagesGoByNotify(t *testing.T) {
	t.Parallel()
	bothChannels(t, func(t *testing.T, p place, server *redistest.Server) {
		a, b := pair(t, p)
		require.Zero(t, b.read(1))
		a.truth.Store(1)
		server.Stop()
		b.sees(1, 1) // forgotten, and remembered for a second from now on
		a.truth.Store(2)
		a.topic.Changed(1)
		b.sees(1, 2)
		require.Equal(t, int64(1), b.bus.Stats().Received)
		a.truth.Store(3)
		b.clock.Advance(push.ShortTTL)
		require.Equal(t, int64(3), b.read(1), "nobody told, but a second has passed")

		server.Start()
		a.ready()
		b.ready()
		require.Equal(t, int64(3), b.read(1))
		a.truth.Store(4)
		b.clock.Advance(push.LongTTL - time.Second)
		require.Equal(t, int64(3), b.read(1), "a minute again, after a full proof")
		a.topic.Changed(1)
		b.sees(1, 4)
	})
}

func TestASilentRedisCountsAsLostWithinFourSeconds(t *testing.T) {
	t.Parallel()
	bothChannels(t, func(t *testing.T, p place, server *redistest.Server) {
		a, b := pair(t, p)
		require.Zero(t, b.read(1))
		a.truth.Store(1)
		server.Pause()
		start := time.Now()
		b.sees(1, 1)
		require.Less(t, time.Since(start), 4500*time.Millisecond)
		t.Logf("noticed after %s", time.Since(start))
		a.truth.Store(2)
		a.topic.Changed(1)
		b.sees(1, 2)
		server.Resume()
		a.ready()
		b.ready()
	})
}

func TestAFlushedRedisLosesNothing(t *testing.T) {
	t.Parallel()
	bothChannels(t, func(t *testing.T, p place, server *redistest.Server) {
		a, b := pair(t, p)
		require.Zero(t, b.read(1))
		a.truth.Store(1)
		a.topic.Changed(1)
		server.Do("FLUSHALL")
		b.sees(1, 1)
		a.ready()
		b.ready()
		a.truth.Store(2)
		a.topic.Changed(1)
		b.sees(1, 2)
	})
}

func TestARedisThatIsAbsentAtTheStartIsJoinedLater(t *testing.T) {
	t.Parallel()
	bothChannels(t, func(t *testing.T, p place, server *redistest.Server) {
		server.Stop()
		truth := &atomic.Int64{}
		a, b := start(t, p, truth), start(t, p, truth)
		require.Eventually(t, func() bool { return a.alive("postgres") && b.alive("postgres") }, 10*time.Second, time.Millisecond)
		require.False(t, b.alive("redis"))
		require.Zero(t, b.read(1))
		truth.Store(1)
		a.topic.Changed(1)
		b.sees(1, 1)
		server.Start()
		a.ready()
		b.ready()
	})
}

// TestAnInstanceThatDiesWithoutAWordIsMissed: it may have committed a change that it could not tell any more.
func TestAnInstanceThatDiesWithoutAWordIsMissed(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, b := pair(t, p)
		require.NoError(t, a.db.Notify(t.Context(), "gatehouse_push", `{"from":"ghost","beat":1}`))
		require.Zero(t, b.read(1))
		a.truth.Store(1) // by the ghost
		start := time.Now()
		b.sees(1, 1)
		require.Less(t, time.Since(start), 5*time.Second)
		t.Logf("missed after %s", time.Since(start))
	})
}

func TestAnInstanceThatSaysFarewellIsNotMissed(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, b := pair(t, p)
		for _, payload := range []string{
			`{"from":"guest","beat":1}`, `{"from":"guest"}`,
			`{"from":"overtaken","beat":1}`, `{"from":"overtaken"}`, `{"from":"overtaken","beat":2}`, // whose farewell came over another channel
		} {
			require.NoError(t, a.db.Notify(t.Context(), "gatehouse_push", payload))
		}
		require.Zero(t, b.read(1))
		a.bus.Close()
		a.truth.Store(1)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for start := time.Now(); time.Since(start) < 5*time.Second; <-tick.C {
			require.Zero(t, b.read(1))
		}
	})
}

func TestAMessageThatNobodyUnderstandsForgetsEverything(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, b := pair(t, p)
		require.Zero(t, b.read(1))
		a.truth.Store(1)
		for _, payload := range []string{"noise", `{"from":"x","topic":"letters","keys":["1"]}`, `{"from":"x","topic":"numbers","keys":["one"]}`} {
			require.NoError(t, a.db.Notify(t.Context(), "gatehouse_push", payload))
		}
		b.sees(1, 1)
		require.Equal(t, push.Stats{Received: 2, Dropped: 2}, b.bus.Stats())
		a.truth.Store(2)
		require.NoError(t, a.db.Notify(t.Context(), "gatehouse_push", `{"from":"x","topic":"numbers"}`))
		b.sees(1, 2)
	})
}

func TestATopicIsFollowedOnce(t *testing.T) {
	t.Parallel()
	a := start(t, place{database: databasetest.SQLite(t).URL, prefix: "none"}, &atomic.Int64{})
	require.Panics(t, func() { push.Follow(a.bus, "numbers", a.cache, parseNumber) })
}

func TestABusThatWasNeverOpenedTakesChanges(t *testing.T) {
	t.Parallel()
	var b push.Bus
	a := start(t, place{database: databasetest.SQLite(t).URL, prefix: "none"}, &atomic.Int64{})
	push.Follow(&b, "numbers", a.cache, parseNumber).Changed(1)
	require.NoError(t, b.Wait(t.Context()))
	b.Close()
}

func TestASignalReachesEveryInstance(t *testing.T) {
	t.Parallel()
	here := make(chan struct{}, 8)
	alone := &push.Bus{}
	push.NewSignal(alone, "letters", func() { here <- struct{}{} }).Raise()
	<-here
	require.Panics(t, func() { push.NewSignal(alone, "letters", func() {}) }, "a name is taken once")
	eachPlace(t, func(t *testing.T, p place) {
		truth := &atomic.Int64{}
		var told [2]chan struct{}
		signal := func(n int) *push.Signal {
			told[n] = make(chan struct{}, 64)
			var s *push.Signal
			i := startWith(t, p, truth, func(b *push.Bus) { s = push.NewSignal(b, "letters", func() { told[n] <- struct{}{} }) })
			i.ready()
			return s
		}
		a := signal(0)
		signal(1)
		for len(told[1]) > 0 { // what comes with a channel that is proven
			<-told[1]
		}
		a.Raise()
		<-told[0]
		<-told[1]
	})
}

func TestASignalArrivesWithAChange(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		truth, told := &atomic.Int64{}, make(chan struct{}, 64)
		var signal *push.Signal
		a := startWith(t, p, truth, func(b *push.Bus) { signal = push.NewSignal(b, "letters", func() {}) })
		b := startWith(t, p, truth, func(b *push.Bus) { push.NewSignal(b, "letters", func() { told <- struct{}{} }) })
		a.ready()
		b.ready()
		for len(told) > 0 { // as above
			<-told
		}
		require.Zero(t, b.read(1))
		truth.Store(1)
		signal.Raise()
		a.topic.Changed(1)
		<-told
		b.sees(1, 1)
	})
}

func TestSignalsWaitForOneAnother(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		var raised *push.Signal
		i := startWith(t, p, &atomic.Int64{}, func(b *push.Bus) { raised = push.NewSignal(b, "letters", func() {}) })
		i.ready()
		before, began := i.bus.Stats().Sent, time.Now()
		for range 1000 {
			raised.Raise()
		}
		require.Eventually(t, func() bool { return i.bus.Stats().Sent > before }, 10*time.Second, time.Millisecond)
		sent := i.bus.Stats().Sent - before
		require.LessOrEqual(t, sent, 1+int64(time.Since(began)/push.Company), "messages for a thousand signals")
	})
}
