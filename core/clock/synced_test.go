package clock

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

var noon = time.Date(2030, 1, 2, 12, 0, 0, 0, time.UTC)

func TestASyncedClockIsTheMachinesUntilItIsMeasured(t *testing.T) {
	t.Parallel()
	s := NewSynced(NewFake(noon))
	require.Equal(t, noon, s.Now())
	away := errors.New("away")
	require.ErrorIs(t, s.Measure(func() (time.Time, error) { return time.Time{}, away }), away)
	require.Equal(t, noon, s.Now())
}

func TestASyncedClockTellsTheSharedTime(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-time.Minute, -time.Second, 0, time.Second, time.Minute} {
		base := NewFake(noon)
		s := NewSynced(base)
		require.NoError(t, s.Measure(func() (time.Time, error) { return noon.Add(skew), nil }))
		require.WithinDuration(t, noon.Add(skew), s.Now(), 50*time.Millisecond)
		base.Advance(time.Hour)
		require.WithinDuration(t, noon.Add(skew+time.Hour), s.Now(), 50*time.Millisecond)
		require.Zero(t, s.Now().Nanosecond()%1000, "whole microseconds, as both databases keep them")
	}
}

func TestASyncedClockFollowsAStepAtOnce(t *testing.T) {
	t.Parallel()
	s := NewSynced(NewFake(noon))
	for _, ahead := range []time.Duration{0, 30 * time.Second, -time.Minute, -time.Minute + 5*time.Millisecond} {
		s.take(ahead, time.Millisecond)
		require.Equal(t, ahead, s.Offset())
	}
}

func TestALongRoundTripSaysNothingOnceThereIsABetterOne(t *testing.T) {
	t.Parallel()
	s := NewSynced(NewFake(noon))
	s.take(10*time.Second, 2*time.Second)
	require.Equal(t, 10*time.Second, s.Offset(), "better than nothing")
	s.take(9*time.Second, time.Millisecond)
	require.Equal(t, 9*time.Second, s.Offset())
	s.take(time.Minute, 2*time.Second)
	require.Equal(t, 9*time.Second, s.Offset())
}

func TestAClockThatIsSetDuringAMeasurementVoidsIt(t *testing.T) {
	t.Parallel()
	base := NewFake(noon)
	s := NewSynced(base)
	require.NoError(t, s.Measure(func() (time.Time, error) { base.Advance(time.Minute); return noon, nil }))
	require.Zero(t, s.Offset())
}

// TestUnevenDelaysNeverMoveASyncedClock: whatever share of a round trip lies before the shared clock is asked, a clock that is right
// stays as it is, and one that is wrong ends up within the shortest round trip.
func TestUnevenDelaysNeverMoveASyncedClock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		truth := time.Duration(rapid.Int64Range(-60e9, 60e9).Draw(t, "truth")).Truncate(time.Microsecond)
		s := NewSynced(NewFake(noon))
		s.take(truth, 0)
		require.InDelta(t, truth, s.Offset(), float64(noise))
		before := s.Offset()
		for range rapid.IntRange(1, 50).Draw(t, "samples") {
			there, back := 2*rapid.Int64Range(0, 150e6).Draw(t, "there"), 2*rapid.Int64Range(0, 150e6).Draw(t, "back") // whose halves are whole
			trip := time.Duration(there + back)
			s.take(truth+time.Duration(there)-trip/2, trip)
			require.Equal(t, before, s.Offset())
		}
	})
}

func TestASyncedClockFollowsDriftAndNeverGoesBackByLessThanItsNoise(t *testing.T) {
	t.Parallel()
	s := NewSynced(NewFake(noon))
	last := time.Duration(0)
	for second := range 1000 {
		truth := -time.Duration(second) * 50 * time.Microsecond // the machine is fast by 50 ppm
		s.take(truth, 400*time.Microsecond)
		if moved := s.Offset() - last; moved != 0 {
			require.Greater(t, moved.Abs(), noise)
		}
		last = s.Offset()
		require.InDelta(t, truth, last, float64(2*noise))
	}
}

func TestASyncedClockMayBeReadWhileItIsMeasured(t *testing.T) {
	t.Parallel()
	s := NewSynced(System{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				_ = s.Measure(func() (time.Time, error) { return time.Now(), nil })
				_ = s.Now()
			}
		})
	}
	all.Wait()
	require.WithinDuration(t, time.Now(), s.Now(), time.Second)
}

func BenchmarkSyncedNow(b *testing.B) {
	s := NewSynced(System{})
	b.ReportAllocs()
	for b.Loop() {
		_ = s.Now()
	}
}
