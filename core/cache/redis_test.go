package cache

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

// silentServer accepts connections and never answers.
func silentServer(t *testing.T) secret.String {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return secret.New("redis://:hunter2@" + l.Addr().String())
}

func TestWithoutURLThereIsNoRedis(t *testing.T) {
	t.Parallel()
	r := connect(t, secret.String{}, uniqueNamespace(), silent)
	require.Equal(t, StateNone, r.State())
	require.ErrorIs(t, r.Ping(t.Context()), errs.ErrUnavailable)
	r.Close()
}

func TestUnknownInstallationCountsAsUnavailable(t *testing.T) {
	t.Parallel()
	asked := 0
	r := connect(t, secret.New("redis://127.0.0.1:1"), func() string { asked++; return "" }, silent)
	require.ErrorIs(t, r.Ping(t.Context()), errNoNamespace)
	require.ErrorIs(t, r.Ping(t.Context()), errs.ErrUnavailable)
	require.Equal(t, 2, asked)
}

func TestAbsentRedisIsUnavailableAtOnce(t *testing.T) {
	t.Parallel()
	log := &logtest.Logs{}
	r := connect(t, secret.New("redis://:hunter2@127.0.0.1:1"), uniqueNamespace(), slog.New(slog.NewTextHandler(log, nil)))
	require.Equal(t, StateDown, r.State())
	s := NewRedisStore(r, "s")
	for range 20 {
		began := time.Now()
		value, found, err := s.Get(t.Context(), "k")
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.NotContains(t, err.Error(), "hunter2")
		require.False(t, found)
		require.Nil(t, value)
		require.Less(t, time.Since(began), time.Second)
	}
	require.ErrorIs(t, s.Set(t.Context(), "k", nil, time.Hour), errs.ErrUnavailable)
	require.ErrorIs(t, s.Delete(t.Context(), "k"), errs.ErrUnavailable)
	require.Equal(t, StateDown, r.State())
	require.Equal(t, 1, log.Count("redis is unavailable"))
	require.Zero(t, log.Count("hunter2"))
}

func TestSilentRedisCostsOneDeadlineThenNothing(t *testing.T) {
	t.Parallel()
	r := connectWithin(t, 500*time.Millisecond, silentServer(t), uniqueNamespace(), silent)
	began := time.Now()
	require.ErrorIs(t, r.Ping(t.Context()), context.DeadlineExceeded)
	require.Less(t, time.Since(began), 2*time.Second)
	for range 100 {
		err := r.Ping(t.Context())
		require.True(t, errors.Is(err, errOpen) || errors.Is(err, errProbing), "%v: an open breaker does not wait", err)
	}
}

func TestCallerThatLeavesIsNoFailureOfRedis(t *testing.T) {
	t.Parallel()
	r := connect(t, silentServer(t), uniqueNamespace(), silent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		require.ErrorIs(t, r.Ping(ctx), context.Canceled)
	}
	require.Zero(t, r.breaker.Counts().TotalFailures)
}

func TestCallsWaitForAPermitUntilTheirDeadline(t *testing.T) {
	t.Parallel()
	r := connectWithin(t, 500*time.Millisecond, silentServer(t), uniqueNamespace(), silent)
	for range maxInFlight {
		r.permits <- struct{}{}
	}
	require.ErrorIs(t, r.Ping(t.Context()), context.DeadlineExceeded)
	require.Nil(t, r.client.Load())
}

func TestClosedRedisIsUnavailable(t *testing.T) {
	t.Parallel()
	r := connect(t, secret.New("redis://127.0.0.1:1"), uniqueNamespace(), silent)
	r.Close()
	r.Close()
	require.ErrorIs(t, r.Ping(t.Context()), errClosed)
	require.False(t, r.background(func() {}))
}

func TestCloseDuringTheFirstConnection(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connectWithin(t, 500*time.Millisecond, server.URL(), uniqueNamespace(), silent)
		server.Pause()
		require.Error(t, r.Ping(t.Context()))
		closed := make(chan struct{})
		go func() { r.Close(); close(closed) }()
		require.Eventually(t, func() bool { r.mu.Lock(); defer r.mu.Unlock(); return r.closed }, time.Second, time.Millisecond)
		server.Resume()
		<-closed
		require.Nil(t, r.client.Load())
	})
}

func TestKeysBeginWithPrefixAndInstallation(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connect(t, server.URL(), func() string { return "install" }, silent)
		require.NoError(t, NewRedisStore(r, "area").Set(t.Context(), "k", []byte("v"), time.Hour))
		require.NoError(t, r.Do(t.Context(), func(ctx context.Context, c rueidis.Client, keys string) error {
			require.Equal(t, "gatehouse-test:install:", keys)
			all, err := c.Do(ctx, c.B().Keys().Pattern("*").Build()).AsStrSlice()
			require.Equal(t, []string{"gatehouse-test:install:area:k"}, all)
			return err
		}))
	})
}

func TestFirstCallWaitsForTheConnection(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connect(t, server.URL(), uniqueNamespace(), silent)
		var all sync.WaitGroup
		for range 50 {
			all.Go(func() {
				if err := r.Ping(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.Equal(t, StateUp, r.State())
	})
}

func recovers(t *testing.T, r *Redis) {
	t.Helper()
	require.Eventually(t, func() bool { return r.Ping(t.Context()) == nil }, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, StateUp, r.State())
}

func TestRedisComesBackByItself(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		log := &logtest.Logs{}
		r := connect(t, server.URL(), uniqueNamespace(), slog.New(slog.NewTextHandler(log, nil)))
		s := NewRedisStore(r, "s")
		require.NoError(t, s.Set(t.Context(), "k", []byte("v"), time.Hour))
		requireValue(t, s, "k", "v")
		server.Stop()
		require.Eventually(t, func() bool { return r.Ping(t.Context()) != nil && r.State() == StateDown }, 5*time.Second, time.Millisecond)
		_, found, err := s.Get(t.Context(), "k")
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.False(t, found, "a copy does not outlive the connection that would invalidate it")
		server.Start()
		recovers(t, r)
		requireMiss(t, s, "k")
		require.Equal(t, 1, log.Count("redis is unavailable"))
		require.Equal(t, 1, log.Count("redis is available again"))
	})
}

func TestSlowRedisKeepsLatency(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connectWithin(t, 500*time.Millisecond, server.URL(), uniqueNamespace(), silent)
		require.NoError(t, r.Ping(t.Context()))
		server.Pause()
		for range failuresToOpen {
			began := time.Now()
			require.ErrorIs(t, r.Ping(t.Context()), context.DeadlineExceeded)
			require.Less(t, time.Since(began), time.Second)
		}
		fast := 0
		for range 1000 {
			began := time.Now()
			require.ErrorIs(t, r.Ping(t.Context()), errs.ErrUnavailable)
			if time.Since(began) < time.Millisecond {
				fast++
			}
		}
		require.Greater(t, fast, 850)
		server.Resume()
		recovers(t, r)
	})
}

func TestManyCallsAgainstASilentRedisEndInTime(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connectWithin(t, 500*time.Millisecond, server.URL(), uniqueNamespace(), silent)
		require.NoError(t, r.Ping(t.Context()))
		server.Pause()
		began := time.Now()
		var all sync.WaitGroup
		for range 4 * maxInFlight {
			all.Go(func() { _ = r.Ping(context.Background()) })
		}
		all.Wait()
		require.Less(t, time.Since(began), 2*time.Second)
		server.Resume()
		recovers(t, r)
	})
}

func TestReadOnlyServerCountsAsDown(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		r := connect(t, server.URL(), uniqueNamespace(), silent)
		s := NewRedisStore(r, "s")
		require.NoError(t, s.Set(t.Context(), "k", []byte("v"), time.Hour))
		server.Do("REPLICAOF", "127.0.0.1", "1") // what a failover leaves at the old address
		require.Eventually(t, func() bool {
			return errors.Is(s.Set(t.Context(), "k", []byte("v"), time.Hour), errs.ErrUnavailable) && r.State() == StateDown
		}, 5*time.Second, time.Millisecond)
		require.Eventually(t, func() bool { _ = r.Ping(t.Context()); return r.client.Load() == nil }, 5*time.Second, 10*time.Millisecond, "a failed probe drops the connection")
		server.Do("REPLICAOF", "NO", "ONE")
		require.Eventually(t, func() bool { return s.Set(t.Context(), "k", []byte("v"), time.Hour) == nil }, 10*time.Second, 20*time.Millisecond)
	})
}

func BenchmarkRedisAway(b *testing.B) {
	r, err := OpenRedis(RedisSettings{URL: secret.New("redis://127.0.0.1:1"), Prefix: "bench", Timeout: time.Second}, uniqueNamespace(), silent)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.ReportAllocs()
	for b.Loop() {
		if r.Ping(context.Background()) == nil {
			b.Fatal("answered")
		}
	}
}
