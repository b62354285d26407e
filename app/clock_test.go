package app_test

import (
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

// skewed is a machine's clock that is wrong.
type skewed time.Duration

func (s skewed) Now() time.Time { return clock.System{}.Now().Add(time.Duration(s)) }

// TestMachinesMinutesApartTellOneTime: two instances whose clocks differ by ten minutes use each other's tokens and sessions.
func TestMachinesMinutesApartTellOneTime(t *testing.T) {
	t.Parallel()
	if os.Getenv(testkit.PostgresVariable) == "" {
		return // only PostgreSQL has instances
	}
	db := testkit.Postgres(t)
	instances := map[time.Duration]*testkit.API{}
	for _, off := range []time.Duration{-5 * time.Minute, -time.Minute, 0, time.Minute, 5 * time.Minute} {
		synced := clock.NewSynced(skewed(off))
		instances[off] = testkit.Serve(t, db, testkit.WithClock(synced))
		require.WithinDuration(t, time.Now(), synced.Now(), 100*time.Millisecond, "the machine is off by %s", off)
	}
	for off, from := range instances {
		u := from.User()
		for _, to := range instances {
			to.As(u).Get("/users/me").Status(http.StatusOK)
		}
		if off.Abs() > 5*time.Second {
			require.Contains(t, from.Logs.String(), "clock differs from the database's")
		}
	}
}

func TestAFakeClockFollowsNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		start := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
		api := testkit.Serve(t, db, testkit.WithClock(clock.NewFake(start)))
		require.Equal(t, start, api.App.Stores.Clock.Now())
	})
}
