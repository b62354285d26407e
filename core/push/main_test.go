package push_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// number is a key.
type number int

func (n number) String() string { return strconv.Itoa(int(n)) }

func parseNumber(s string) (number, error) {
	n, err := strconv.Atoi(s)
	return number(n), err
}

// place is where instances meet.
type place struct {
	database string
	redis    secret.String // zero for none
	prefix   string
}

// instance is one of several, with a cache of a value that tests change behind its back.
type instance struct {
	t     *testing.T
	db    *database.DB
	redis *cache.Redis
	bus   *push.Bus
	topic *push.Topic[number]
	cache *cache.Loading[number, int64]
	clock *clock.Fake
	truth *atomic.Int64
}

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

func start(t *testing.T, p place, truth *atomic.Int64) *instance {
	t.Helper()
	return startWith(t, p, truth, func(*push.Bus) {})
}

// startWith is start with something more on the Bus before it opens.
func startWith(t *testing.T, p place, truth *atomic.Int64, add func(*push.Bus)) *instance {
	t.Helper()
	i := &instance{t: t, bus: &push.Bus{}, truth: truth, clock: clock.NewFake(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC))}
	s := database.DefaultSettings()
	s.URL, s.PoolMin, s.PoolMax = secret.New(p.database), 0, 5
	var err error
	i.db, err = database.Open(t.Context(), s, database.Options{})
	require.NoError(t, err)
	t.Cleanup(i.db.Close)
	i.redis, err = cache.OpenRedis(cache.RedisSettings{URL: p.redis, Prefix: p.prefix, Timeout: time.Second}, func() string { return "install" }, silent)
	require.NoError(t, err)
	t.Cleanup(i.redis.Close)
	i.cache = cache.NewLoading(cache.LoadingOptions{Clock: i.clock, Size: 100_000}, func(context.Context, number) (int64, error) {
		return truth.Load(), nil
	})
	i.topic = push.Follow(i.bus, "numbers", i.cache, parseNumber)
	add(i.bus)
	i.bus.Open(push.Options{DB: i.db, Redis: i.redis, Logger: silent})
	t.Cleanup(i.bus.Close)
	return i
}

// read asks the cache.
func (i *instance) read(n number) int64 {
	i.t.Helper()
	v, err := i.cache.Get(i.t.Context(), n)
	require.NoError(i.t, err)
	return v
}

// ready waits until every channel is proven.
func (i *instance) ready() {
	i.t.Helper()
	ctx, cancel := context.WithTimeout(i.t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(i.t, i.bus.Wait(ctx))
}

// sees waits until the instance reads the value; its clock stands still meanwhile.
func (i *instance) sees(n number, want int64) {
	i.t.Helper()
	require.Eventually(i.t, func() bool { return i.read(n) == want }, 10*time.Second, time.Millisecond)
}

func (i *instance) alive(channel string) bool {
	for _, c := range i.bus.Channels() {
		if c.Name == channel {
			return c.Alive()
		}
	}
	return false
}

var places atomic.Int64

// unique keeps the keys of one test apart from every other's.
func unique() string { return fmt.Sprintf("push-%d-%d", time.Now().UnixNano(), places.Add(1)) }
