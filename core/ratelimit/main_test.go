package ratelimit

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

func newClock() *clock.Fake { return clock.NewFake(time.Date(2030, 1, 2, 3, 4, 5, 678, time.UTC)) }

func limit(name string, count int, per time.Duration) *Limit {
	return &Limit{Name: name, Rate: Rate{Count: count, Per: per}, Doc: "test"}
}

var namespaces atomic.Int64

// uniqueID keeps the keys of one test apart from every other's, those of earlier runs included.
func uniqueID() string { return fmt.Sprintf("%d-%d", time.Now().UnixNano(), namespaces.Add(1)) }

func connect(t testing.TB, url secret.String, timeout time.Duration) *cache.Redis {
	t.Helper()
	return connectAs(t, url, timeout, uniqueID())
}

func connectAs(t testing.TB, url secret.String, timeout time.Duration, id string) *cache.Redis {
	t.Helper()
	r, err := cache.OpenRedis(cache.RedisSettings{URL: url, Prefix: "gatehouse-test", Timeout: timeout}, func() string { return id }, silent)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}

// clockInRedis makes a test's clock the script's time, and keeps keys, which Redis expires by its own.
const clockInRedis = "local now, linger = tonumber(redis.call('GET', string.match(KEYS[1], '^[^:]*:[^:]*:') .. 'clock')), 600000\n"

// inStep is a Redis limiter that follows a Fake clock.
type inStep struct {
	t     testing.TB
	redis *cache.Redis
	clock clock.Clock
	*Redis
}

func (l inStep) Allow(ctx context.Context, checks ...Check) ([]Decision, error) {
	l.tell(ctx)
	return l.Redis.Allow(ctx, checks...)
}

func (l inStep) Peek(ctx context.Context, checks ...Check) ([]Decision, error) {
	l.tell(ctx)
	return l.Redis.Peek(ctx, checks...)
}

// tell gives Redis the clock's time.
func (l inStep) tell(ctx context.Context) {
	require.NoError(l.t, l.redis.Do(ctx, func(ctx context.Context, c rueidis.Client, keys string) error {
		return c.Do(ctx, c.B().Set().Key(keys+"clock").Value(fmt.Sprint(l.clock.Now().UnixMicro())).Px(time.Hour).Build()).Error()
	}))
}

// limiterCase is one implementation under the conformance suite.
type limiterCase struct {
	name string
	open func(t testing.TB, c clock.Clock) Limiter
}

func limiters() []limiterCase {
	all := []limiterCase{{"memory", func(_ testing.TB, c clock.Clock) Limiter { return NewMemory(c, 0) }}}
	if url := redistest.URL(); !url.IsZero() {
		stepped := func(t testing.TB, c clock.Clock) Limiter {
			t.Helper()
			r := connect(t, url, 5*time.Second)
			return inStep{t: t, redis: r, clock: c, Redis: newRedis(r, clockInRedis)}
		}
		all = append(all, limiterCase{"redis", stepped}, limiterCase{"failover", func(t testing.TB, c clock.Clock) Limiter {
			t.Helper()
			return NewFailover(stepped(t, c), NewMemory(c, 0), silent)
		}})
	}
	return append(all, limiterCase{"failover_without_redis", func(t testing.TB, c clock.Clock) Limiter {
		t.Helper()
		return NewFailover(NewRedis(connect(t, secret.String{}, time.Second)), NewMemory(c, 0), silent)
	}})
}

func eachLimiter(t *testing.T, run func(t *testing.T, l Limiter, c *clock.Fake)) {
	t.Helper()
	for _, lc := range limiters() {
		t.Run(lc.name, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			run(t, lc.open(t, c), c)
		})
	}
}

// tester is what testing.T and rapid.T share.
type tester interface {
	require.TestingT
	Helper()
}

func allow(t tester, l Limiter, checks ...Check) []Decision {
	t.Helper()
	out, err := l.Allow(context.Background(), checks...)
	require.NoError(t, err)
	require.Len(t, out, len(checks))
	return out
}
