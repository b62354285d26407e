package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

// switched is a shared Limiter that can be away, and can lose its counts.
type switched struct {
	clock clock.Clock
	inner *Memory
	away  error
	asked atomic.Int64
}

func (s *switched) Allow(ctx context.Context, checks ...Check) ([]Decision, error) {
	s.asked.Add(1)
	if s.away != nil {
		return nil, s.away
	}
	return s.inner.Allow(ctx, checks...)
}

func (s *switched) Peek(ctx context.Context, checks ...Check) ([]Decision, error) {
	if s.away != nil {
		return nil, s.away
	}
	return s.inner.Peek(ctx, checks...)
}

func (s *switched) flush() { s.inner = NewMemory(s.clock, 0) }

func newSwitched(log *logtest.Logs) (*Failover, *switched, *clock.Fake) {
	c := newClock()
	s := &switched{clock: c}
	s.flush()
	return NewFailover(s, NewMemory(c, 0), slog.New(slog.NewTextHandler(log, nil))), s, c
}

func grants(t *testing.T, l Limiter, check Check) int {
	t.Helper()
	n := 0
	for n < 1000 && allow(t, l, check)[0].Allowed {
		n++
	}
	return n
}

func TestFailoverGrantsTheQuotaOnceHoweverTheStoreComesAndGoes(t *testing.T) {
	t.Parallel()
	log := &logtest.Logs{}
	f, s, c := newSwitched(log)
	check := Check{Limit: limit("login", 10, time.Minute), Key: "k"}
	for range 4 {
		require.True(t, allow(t, f, check)[0].Allowed)
	}
	require.False(t, f.Degraded())
	s.away = errs.ErrUnavailable.WithCause(errors.New("stopped"))
	for range 3 {
		require.True(t, allow(t, f, check)[0].Allowed)
	}
	require.True(t, f.Degraded())
	require.EqualValues(t, 3, f.DegradedTotal())
	s.away = nil
	s.flush()
	require.Equal(t, 3, grants(t, f, check), "the quota of this instance, whatever the shared counts say")
	require.False(t, f.Degraded())
	s.away = errs.ErrUnavailable
	require.Zero(t, grants(t, f, check))
	fresh := Check{Limit: check.Limit, Key: "fresh"}
	require.Equal(t, 10, grants(t, f, fresh), "never closed: the whole quota for who has not used it")
	c.Advance(time.Minute)
	require.Equal(t, 10, grants(t, f, check))
	require.Equal(t, 2, log.Count("redis is unavailable"))
	require.Equal(t, 1, log.Count("shared through redis again"))
}

func TestFloodDoesNotReachTheSharedStore(t *testing.T) {
	t.Parallel()
	f, s, _ := newSwitched(&logtest.Logs{})
	check := Check{Limit: limit("login", 10, time.Minute), Key: "k"}
	for range 1000 {
		allow(t, f, check)
	}
	require.EqualValues(t, 10, s.asked.Load())
}

func TestFailoverObeysTheSharedCounts(t *testing.T) {
	t.Parallel()
	f, s, _ := newSwitched(&logtest.Logs{})
	check := Check{Limit: limit("login", 10, time.Minute), Key: "k"}
	other := NewFailover(s, NewMemory(s.clock, 0), silent)
	require.Equal(t, 10, grants(t, other, check))
	require.Equal(t, Decision{RetryAfter: 6 * time.Second, Reset: time.Minute}, allow(t, f, check)[0])
}

func TestFailoverToleratesJitter(t *testing.T) {
	t.Parallel()
	f, s, c := newSwitched(&logtest.Logs{})
	ahead := clock.NewFake(c.Now())
	s.clock = ahead
	s.flush()
	check := Check{Limit: limit("login", 1, time.Minute), Key: "k"}
	require.True(t, allow(t, f, check)[0].Allowed)
	ahead.Advance(time.Minute)
	c.Advance(time.Minute - 100*time.Millisecond)
	require.True(t, allow(t, f, check)[0].Allowed, "memory saw the first late and the second early")
	ahead.Advance(time.Minute)
	c.Advance(30 * time.Second)
	require.False(t, allow(t, f, check)[0].Allowed)
}

func TestLostCountsUnderWayGrantNothing(t *testing.T) {
	t.Parallel()
	c := newClock()
	memory := NewMemory(c, 0)
	check := Check{Limit: limit("login", 1, time.Minute), Key: "k"}
	f := NewFailover(inTurn(func() Limiter {
		allow(t, memory, check) // another request of this instance is quicker
		return NewMemory(c, 0)  // which has lost its counts
	}), memory, silent)
	require.Equal(t, Decision{RetryAfter: time.Minute, Reset: time.Minute}, allow(t, f, check)[0])
}

func TestCallerThatLeavesDoesNotDegrade(t *testing.T) {
	t.Parallel()
	f, s, _ := newSwitched(&logtest.Logs{})
	s.away = errs.ErrUnavailable.WithCause(context.Canceled)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	out, err := f.Allow(ctx, Check{Limit: limit("login", 1, time.Minute), Key: "k"})
	require.NoError(t, err)
	require.True(t, Allowed(out))
	require.False(t, f.Degraded())
}

func TestMistakeOfTheSharedLimiterIsAnError(t *testing.T) {
	t.Parallel()
	f, s, _ := newSwitched(&logtest.Logs{})
	s.away = errTwice
	_, err := f.Allow(t.Context(), Check{Limit: limit("login", 1, time.Minute), Key: "k"})
	require.ErrorIs(t, err, errTwice)
}

// faulty is a Failover over a private server, on real time; the limit refills too slowly to matter. A server that is slow
// for so long counts as away.
func faulty(t *testing.T, server *redistest.Server, log *logtest.Logs, slow time.Duration) (*Failover, *cache.Redis, Check) {
	t.Helper()
	r := connect(t, server.URL(), slow)
	require.Eventually(t, func() bool { return r.Ping(t.Context()) == nil }, 10*time.Second, 20*time.Millisecond)
	f := NewFailover(NewRedis(r), NewMemory(clock.System{}, 0), slog.New(slog.NewTextHandler(log, nil)))
	return f, r, Check{Limit: limit("login", 10, 24*time.Hour), Key: "k"}
}

func TestStoppedRedisNeitherOpensNorCloses(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		log := &logtest.Logs{}
		f, r, check := faulty(t, server, log, 5*time.Second)
		for range 4 {
			require.True(t, allow(t, f, check)[0].Allowed)
		}
		server.Stop()
		require.Equal(t, 6, grants(t, f, check))
		require.Equal(t, 10, grants(t, f, Check{Limit: check.Limit, Key: "fresh"}))
		require.True(t, f.Degraded())
		server.Start()
		require.Eventually(t, func() bool { return r.Ping(t.Context()) == nil }, 10*time.Second, 20*time.Millisecond)
		require.True(t, allow(t, f, Check{Limit: check.Limit, Key: "later"})[0].Allowed)
		require.False(t, f.Degraded())
		require.Zero(t, grants(t, f, check), "the server came back empty")
		require.Equal(t, 1, log.Count("redis is unavailable"))
		require.Equal(t, 1, log.Count("shared through redis again"))
	})
}

func TestFlushedRedisGrantsNothingTwice(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f, _, check := faulty(t, server, &logtest.Logs{}, 5*time.Second)
		for range 4 {
			require.True(t, allow(t, f, check)[0].Allowed)
		}
		server.Do("FLUSHALL")
		server.Do("SCRIPT", "FLUSH")
		require.Equal(t, 6, grants(t, f, check))
		require.False(t, f.Degraded())
	})
}

func TestSlowRedisKeepsEveryDecisionShort(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f, r, check := faulty(t, server, &logtest.Logs{}, 200*time.Millisecond)
		check.Limit.Rate = Rate{Count: MaxCount, Per: 24 * time.Hour}
		require.True(t, allow(t, f, check)[0].Allowed)
		server.Pause()
		waited, fast := 0, 0
		for range 1000 {
			began := time.Now()
			require.True(t, allow(t, f, check)[0].Allowed)
			switch took := time.Since(began); {
			case took > 100*time.Millisecond:
				waited++
				require.Less(t, took, time.Second)
			case took < time.Millisecond:
				fast++
			}
		}
		require.LessOrEqual(t, waited, 5, "three until the breaker opens")
		require.Greater(t, fast, 850)
		server.Resume()
		require.Eventually(t, func() bool { return r.Ping(t.Context()) == nil }, 10*time.Second, 20*time.Millisecond)
		allow(t, f, check)
		require.False(t, f.Degraded())
	})
}

func TestRedisIsStoppedUnderLoad(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		f, _, check := faulty(t, server, &logtest.Logs{}, 5*time.Second)
		check.Limit.Rate.Count = 500
		var granted, calls atomic.Int64
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 300 {
					if calls.Add(1) == 200 {
						server.Stop()
					}
					if out, err := f.Allow(context.Background(), check); err != nil {
						t.Error(err)
					} else if Allowed(out) {
						granted.Add(1)
					}
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 500, granted.Load())
	})
}

func TestWrongAnswersOfRedisCountAsAway(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connect(t, server.URL(), time.Second)
		short := &Redis{redis: r, script: rueidis.NewLuaScript("return {1}")}
		_, err := short.Allow(t.Context(), Check{Limit: limit("l", 1, time.Second)})
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.ErrorIs(t, err, errAnswer)
	})
}

func TestKeysInRedisExpireAndShareATag(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connect(t, server.URL(), time.Second)
		l := NewRedis(r)
		allow(t, l, Check{Limit: limit("login", 10, time.Minute), Key: "192.0.2.1"}, Check{Limit: limit("forgot", 3, time.Minute), Key: "x"})
		require.NoError(t, r.Do(t.Context(), func(ctx context.Context, c rueidis.Client, keys string) error {
			all, err := c.Do(ctx, c.B().Keys().Pattern("*").Build()).AsStrSlice()
			require.ElementsMatch(t, []string{keys + "{limit}:login:192.0.2.1", keys + "{limit}:forgot:x"}, all)
			ttl, err2 := c.Do(ctx, c.B().Pttl().Key(keys+"{limit}:login:192.0.2.1").Build()).AsInt64()
			require.InDelta(t, 7000, ttl, 900)
			return errors.Join(err, err2)
		}))
	})
}
