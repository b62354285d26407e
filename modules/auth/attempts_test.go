package auth

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWaitsDoubleUpToAnHour(t *testing.T) {
	t.Parallel()
	for over, want := range map[int]time.Duration{
		0: 30 * time.Second, 1: time.Minute, 2: 2 * time.Minute, 3: 4 * time.Minute, 4: 8 * time.Minute, 5: 16 * time.Minute,
		6: 32 * time.Minute, 7: time.Hour, 8: time.Hour, 63: time.Hour, 1 << 30: time.Hour,
	} {
		require.Equal(t, want, delay(over), "%d over", over)
	}
}

// TestABudgetLetsNoMoreThroughThanItSays walks a budget by attempts at any times: within the window before it is used up no
// more than the budget pass, and afterwards one a wait.
func TestABudgetLetsNoMoreThroughThanItSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const budget, window = 10, 15 * time.Minute
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		var f failures
		var passed []time.Time
		for range rapid.IntRange(1, 200).Draw(t, "attempts") {
			now = now.Add(time.Duration(rapid.IntRange(0, 120).Draw(t, "pause")) * time.Second)
			if now.Before(f.blockedUntil) {
				continue
			}
			f = f.next(now, budget, window)
			passed = append(passed, now)
		}
		for i := budget; i < len(passed); i++ {
			require.GreaterOrEqual(t, passed[i].Sub(passed[i-budget]), firstDelay, "eleven in a row without a wait")
		}
	})
}

func TestDigestsOfOneStartAreARange(t *testing.T) {
	t.Parallel()
	first, last := sameStart([]byte{0xff, 1, 2})
	require.Equal(t, []byte{0xff}, first)
	require.Equal(t, []byte{0xff, 0xff, 0xff}, last)
}
