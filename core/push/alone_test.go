package push_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/push"
)

func TestAnInstanceThatIsAloneTellsNobody(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		var signal *push.Signal
		var heard atomic.Int64
		a := startWith(t, p, &atomic.Int64{}, func(b *push.Bus) { signal = push.NewSignal(b, "letters", func() { heard.Add(1) }) })
		a.ready()
		a.topic.Changed(1)
		require.Equal(t, int64(1), a.bus.Stats().Sent, "others may have been there all the while")
		a.bus.PassSolitude()
		require.Zero(t, a.read(1))
		a.truth.Store(1)
		before := heard.Load()
		a.topic.Changed(1)
		signal.Raise()
		require.Equal(t, int64(1), a.read(1), "dropped here")
		require.Equal(t, before+1, heard.Load())
		require.Never(t, func() bool { return a.bus.Stats().Sent > 1 }, 5*push.Company, push.Company)

		b := start(t, p, a.truth)
		b.ready()
		require.Eventually(t, func() bool { return !a.bus.IsAlone() }, 10*time.Second, time.Millisecond)
		require.Equal(t, int64(1), b.read(1))
		a.truth.Store(2)
		a.topic.Changed(1)
		b.sees(1, 2)
	})
}

// TestAnInstanceIsAloneAfterFiveSecondsWithoutOthers waits for as long as it says, twice.
func TestAnInstanceIsAloneAfterFiveSecondsWithoutOthers(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		const solitude = 5 * time.Second
		a, b := pair(t, p)
		begun := time.Now()
		b.bus.Close()
		require.Eventually(t, a.bus.IsAlone, 20*time.Second, time.Millisecond)
		require.GreaterOrEqual(t, time.Since(begun), solitude)

		lost := time.Now()
		_, err := a.db.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'gatehouse listen' AND datname = current_database()`)
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !a.bus.IsAlone() }, 10*time.Second, time.Millisecond, "whoever came meanwhile was not heard")
		require.Eventually(t, a.bus.IsAlone, 20*time.Second, time.Millisecond)
		require.GreaterOrEqual(t, time.Since(lost), solitude)
	})
}

// TestWhoeverWasNotHeardIsToldByTheNextHeartbeat has an instance that does not know yet that another is there.
func TestWhoeverWasNotHeardIsToldByTheNextHeartbeat(t *testing.T) {
	t.Parallel()
	eachPlace(t, func(t *testing.T, p place) {
		a, b := pair(t, p)
		require.Zero(t, b.read(1))
		a.bus.PassSolitude()
		a.truth.Store(1)
		a.topic.Changed(1)
		start := time.Now()
		b.sees(1, 1)
		require.Less(t, time.Since(start), 4*time.Second)
	})
}
