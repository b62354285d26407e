package app_test

import (
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/testkit"
)

// far is another instance's part in the change of a user: it changes the row and tells.
type far struct {
	t       *testing.T
	api     *testkit.API // whose database it uses
	changed *push.Topic[account.ID]
}

func newFar(t *testing.T, api *testkit.API, redis secret.String, prefix string) *far {
	t.Helper()
	stores := api.App.Stores
	r, err := cache.OpenRedis(cache.RedisSettings{URL: redis, Prefix: prefix, Timeout: time.Second}, stores.Root.InstallationID, stores.Logger)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	bus := &push.Bus{}
	own := cache.NewLoading[account.ID, bool](cache.LoadingOptions{Clock: clock.System{}, Size: 1}, nil)
	f := &far{t: t, api: api, changed: push.Follow(bus, "users", own, account.ParseID)}
	bus.Open(push.Options{DB: stores.DB, Redis: r, Logger: stores.Logger})
	t.Cleanup(bus.Close)
	require.NoError(t, bus.Wait(t.Context()))
	return f
}

func (f *far) setActive(id account.ID, active bool) {
	f.t.Helper()
	n, err := f.api.App.Stores.DB.Exec(f.t.Context(), `UPDATE users SET is_active = ?, version = version + 1 WHERE id = ?`, active, id)
	require.NoError(f.t, err)
	require.Equal(f.t, int64(1), n)
	f.changed.Changed(id)
}

// answers polls until the instance answers so.
func answers(t *testing.T, api *testkit.API, u testkit.User, status int) {
	t.Helper()
	start := time.Now()
	for api.As(u).Get("/users/me").StatusCode != status {
		require.Less(t, time.Since(start), 10*time.Second)
	}
}

// refusals changes a user over and over and measures how long another instance still answers as before.
func refusals(t *testing.T, f *far, on *testkit.API, u testkit.User, times int) (p50, p99 time.Duration) {
	t.Helper()
	var all []time.Duration
	for range times {
		answers(t, on, u, http.StatusOK) // it remembers
		start := time.Now()
		f.setActive(u.ID, false)
		answers(t, on, u, http.StatusUnauthorized)
		all = append(all, time.Since(start))
		f.setActive(u.ID, true)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// TestWhatEndsElsewhereIsRefusedHere measures what docs/explanation/sessions-and-tokens.md quotes: run with -v.
func TestWhatEndsElsewhereIsRefusedHere(t *testing.T) { //nolint:paralleltest // it looks at time, which other tests would take
	if os.Getenv(testkit.PostgresVariable) == "" {
		return
	}
	const times = 200
	t.Run("postgres", func(t *testing.T) {
		db := testkit.Postgres(t)
		a, b := testkit.Serve(t, db), testkit.Serve(t, db)
		u := a.User()
		p50, p99 := refusals(t, newFar(t, a, secret.String{}, "none"), b, u, times)
		t.Logf("PostgreSQL: P50 %s, P99 %s", p50, p99)
		require.Less(t, p99, time.Second)
	})
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		db := testkit.Postgres(t)
		with := []testkit.Option{testkit.WithSetting("redis.url", server.URL().Reveal()), testkit.WithSetting("redis.prefix", "far")}
		a, b := testkit.Serve(t, db, with...), testkit.Serve(t, db, with...)
		u := a.User()
		f := newFar(t, a, server.URL(), "far")
		p50, p99 := refusals(t, f, b, u, times)
		t.Logf("PostgreSQL and Redis: P50 %s, P99 %s", p50, p99)
		require.Less(t, p99, 200*time.Millisecond)

		server.Pause()
		start := time.Now()
		f.setActive(u.ID, false)
		answers(t, b, u, http.StatusUnauthorized)
		silence := time.Since(start)
		t.Logf("Redis silent: %s", silence)
		require.Less(t, silence, 5*time.Second)
		f.setActive(u.ID, true)
		p50, p99 = refusals(t, f, b, u, 10)
		t.Logf("Redis away, by NOTIFY: P50 %s, P99 %s", p50, p99)
		require.Less(t, p99, 5*time.Second)
		server.Resume()
	})
}

func TestPostgreSQLIsAChannelAndSQLiteNone(t *testing.T) {
	t.Parallel()
	if os.Getenv(testkit.PostgresVariable) == "" {
		return
	}
	api := testkit.Serve(t, testkit.Postgres(t))
	channels := api.App.Stores.Push.Channels()
	require.Len(t, channels, 1)
	require.Equal(t, "postgres", channels[0].Name)
	require.True(t, channels[0].Alive())
}

func TestALoginShowsOnTheOtherInstance(t *testing.T) {
	t.Parallel()
	if os.Getenv(testkit.PostgresVariable) == "" {
		return
	}
	db := testkit.Postgres(t)
	a, b := testkit.Serve(t, db, testkit.WithClock(clock.NewFake(time.Now()))), testkit.Serve(t, db, testkit.WithClock(clock.NewFake(time.Now())))
	u := a.User()
	seen := func() string { return b.As(u).Get("/users/me").Status(http.StatusOK).Header.Get("ETag") }
	before := seen()
	a.LogIn(&u)
	require.Eventually(t, func() bool { return seen() != before }, 5*time.Second, time.Millisecond)
}
