package push_test

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/testkit"
)

// eachPlace runs a case with each set of channels.
func eachPlace(t *testing.T, run func(t *testing.T, p place)) {
	t.Helper()
	if os.Getenv(testkit.PostgresVariable) == "" {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, place{database: testkit.Postgres(t).URL, prefix: "none"})
	})
	if redistest.URL().IsZero() {
		return
	}
	t.Run("postgres and redis", func(t *testing.T) {
		t.Parallel()
		db := testkit.Postgres(t).URL
		run(t, place{database: db, redis: redistest.URL(), prefix: "push-" + secret.New(db).Reveal()[len(db)-40:len(db)-20]})
	})
}

func TestAChangeReachesTheOtherInstance(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		truth := &atomic.Int64{}
		a, b := start(t, p, truth), start(t, p, truth)
		a.ready()
		b.ready()
		require.Zero(t, a.read(1))
		require.Zero(t, b.read(1))
		truth.Store(1)
		require.Zero(t, a.read(1), "remembered")
		a.topic.Changed(1)
		require.Equal(t, int64(1), a.read(1), "dropped here before Changed returns")
		require.Eventually(t, func() bool { return b.read(1) == 1 }, 5*time.Second, time.Millisecond)
		require.Equal(t, int64(1), b.bus.Stats().Received)
	})
}
