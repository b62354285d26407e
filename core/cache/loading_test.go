package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
)

func numbered(o LoadingOptions) *Loading[string, int64] {
	var loads atomic.Int64
	return NewLoading(o, func(context.Context, string) (int64, error) { return loads.Add(1), nil })
}

func get(t *testing.T, l *Loading[string, int64], key string, want int64) {
	t.Helper()
	v, err := l.Get(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, want, v)
}

func TestLoadingLoadsOnceUntilTheTTL(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := numbered(LoadingOptions{Clock: c, Size: 10, TTL: time.Second})
	get(t, l, "a", 1)
	get(t, l, "a", 1)
	c.Advance(time.Second - time.Microsecond)
	get(t, l, "a", 1)
	c.Advance(time.Microsecond)
	_, ok := l.Peek("a")
	require.False(t, ok)
	get(t, l, "a", 2)
	l.SetTTL(0)
	l.Clear()
	get(t, l, "a", 3)
	get(t, l, "a", 4)
	l.SetTTL(time.Minute)
	get(t, l, "a", 5)
	c.Advance(59 * time.Second)
	get(t, l, "a", 5)
}

func TestLoadingCountsAgeFromTheStartOfTheLoad(t *testing.T) {
	t.Parallel()
	c := newClock()
	l := NewLoading(LoadingOptions{Clock: c, Size: 10, TTL: time.Second}, func(context.Context, string) (int64, error) {
		c.Advance(600 * time.Millisecond)
		return 1, nil
	})
	get(t, l, "a", 1)
	c.Advance(399 * time.Millisecond)
	_, ok := l.Peek("a")
	require.True(t, ok)
	c.Advance(time.Millisecond)
	_, ok = l.Peek("a")
	require.False(t, ok)
}

func TestLoadingMakesOneLoadOfManyMisses(t *testing.T) {
	t.Parallel()
	var loads atomic.Int64
	release := make(chan struct{})
	l := NewLoading(LoadingOptions{Clock: newClock(), Size: 10, TTL: time.Minute}, func(context.Context, string) (int64, error) {
		<-release
		return loads.Add(1), nil
	})
	var ready, done sync.WaitGroup
	for range 1000 {
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			if v, err := l.Get(t.Context(), "k"); err != nil || v != 1 {
				t.Errorf("got %d, %v", v, err)
			}
		})
	}
	ready.Wait()
	close(release)
	done.Wait()
	require.EqualValues(t, 1, loads.Load())
}

func TestLoadingDoesNotKeepErrors(t *testing.T) {
	t.Parallel()
	fault := errors.New("away")
	fail := true
	l := NewLoading(LoadingOptions{Clock: newClock(), Size: 10, TTL: time.Minute}, func(context.Context, string) (int64, error) {
		if fail {
			return 7, fault
		}
		return 1, nil
	})
	_, err := l.Get(t.Context(), "k")
	require.ErrorIs(t, err, fault)
	fail = false
	get(t, l, "k", 1)
}

// gated is a Loading whose loads report that they began, and end when told to.
func gated(t *testing.T) (l *Loading[string, int64], began chan int64, end chan struct{}) {
	t.Helper()
	var loads atomic.Int64
	began, end = make(chan int64, 100), make(chan struct{})
	l = NewLoading(LoadingOptions{Clock: newClock(), Size: 10, TTL: time.Minute}, func(ctx context.Context, _ string) (int64, error) {
		n := loads.Add(1)
		began <- n
		select {
		case <-end:
			return n, nil
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	})
	return l, began, end
}

func TestInvalidateVoidsALoadUnderWay(t *testing.T) {
	t.Parallel()
	for name, invalidate := range map[string]func(*Loading[string, int64]){
		"invalidate": func(l *Loading[string, int64]) { l.Invalidate("k") },
		"clear":      func(l *Loading[string, int64]) { l.Clear() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, began, end := gated(t)
			first, second := make(chan int64, 1), make(chan int64, 1)
			ask := func(answer chan int64) { v, _ := l.Get(context.Background(), "k"); answer <- v }
			go ask(first)
			require.EqualValues(t, 1, <-began)
			invalidate(l)
			go ask(second)
			require.EqualValues(t, 2, <-began, "who asks after the invalidation gets a load of its own")
			end <- struct{}{}
			end <- struct{}{}
			require.EqualValues(t, 1, <-first)
			require.EqualValues(t, 2, <-second)
			v, ok := l.Peek("k")
			require.True(t, ok)
			require.EqualValues(t, 2, v, "the voided load wrote nothing back")
		})
	}
}

func TestVoidedLoadLeavesNothing(t *testing.T) {
	t.Parallel()
	l, began, end := gated(t)
	answer := make(chan int64, 1)
	go func() { v, _ := l.Get(context.Background(), "k"); answer <- v }()
	<-began
	l.Invalidate("k")
	close(end)
	require.EqualValues(t, 1, <-answer)
	_, ok := l.Peek("k")
	require.False(t, ok)
	l.Invalidate("absent")
}

func TestPutVoidsALoadUnderWay(t *testing.T) {
	t.Parallel()
	l, began, end := gated(t)
	answer := make(chan int64, 1)
	go func() { v, _ := l.Get(context.Background(), "k"); answer <- v }()
	<-began
	l.Put("k", 42)
	close(end)
	require.EqualValues(t, 1, <-answer)
	get(t, l, "k", 42)
}

func TestCallerThatLeavesDoesNotPoisonTheLoad(t *testing.T) {
	t.Parallel()
	l, began, end := gated(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() { _, err := l.Get(ctx, "k"); left <- err }()
	<-began
	stayed := make(chan int64, 1)
	go func() { v, _ := l.Get(context.Background(), "k"); stayed <- v }()
	cancel()
	require.ErrorIs(t, <-left, context.Canceled)
	close(end)
	require.EqualValues(t, 1, <-stayed)
	_, err := l.Get(ctx, "other")
	require.ErrorIs(t, err, context.Canceled)
	v, err := l.Get(ctx, "k")
	require.NoError(t, err, "what is held needs no time")
	require.EqualValues(t, 1, v)
}

func TestLoadEndsWithItsTimeout(t *testing.T) {
	t.Parallel()
	l := NewLoading(LoadingOptions{Clock: newClock(), TTL: time.Minute, Timeout: time.Millisecond}, func(ctx context.Context, _ string) (int64, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
	_, err := l.Get(t.Context(), "k")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestLoadThatPanicsOrExitsIsAnError(t *testing.T) {
	t.Parallel()
	l := NewLoading(LoadingOptions{Clock: newClock(), Size: 1, TTL: time.Minute}, func(_ context.Context, key string) (int64, error) {
		if key == "panic" {
			panic("boom")
		}
		runtime.Goexit()
		return 0, nil
	})
	_, err := l.Get(t.Context(), "panic")
	require.ErrorContains(t, err, "boom")
	_, err = l.Get(t.Context(), "exit")
	require.ErrorIs(t, err, errLoadExited)
}

func TestLoadingIsBounded(t *testing.T) {
	t.Parallel()
	l := numbered(LoadingOptions{Clock: newClock(), Size: 100, TTL: time.Hour})
	for i := range 10_000 {
		_, err := l.Get(t.Context(), fmt.Sprint(i))
		require.NoError(t, err)
	}
	entries := l.entries.(*otter.Cache[string, held[int64]])
	entries.CleanUp()
	require.LessOrEqual(t, entries.EstimatedSize(), 100)
	require.Empty(t, l.loads)
}

func TestLoadingNeverShowsWhatWasInvalidated(t *testing.T) {
	t.Parallel()
	var truth atomic.Int64
	l := NewLoading(LoadingOptions{Clock: newClock(), Size: 10, TTL: time.Hour}, func(context.Context, string) (int64, error) { return truth.Load(), nil })
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _ = l.Get(context.Background(), "k")
				}
			}
		})
	}
	for i := range int64(2000) {
		truth.Store(i)
		l.Invalidate("k")
		get(t, l, "k", i)
	}
	close(stop)
	readers.Wait()
}

func TestReadingWhatIsHeldAllocatesNothing(t *testing.T) { //nolint:paralleltest // counting allocations does not work beside other tests
	l := numbered(LoadingOptions{Clock: clock.System{}, Size: 10, TTL: time.Hour})
	get(t, l, "k", 1)
	ctx := context.Background()
	require.Zero(t, testing.AllocsPerRun(1000, func() { _, _ = l.Get(ctx, "k") }))
}

func BenchmarkLoadingGet(b *testing.B) {
	type session struct {
		_ time.Time
		_ [16]byte
	}
	l := NewLoading(LoadingOptions{Clock: clock.System{}, Size: 100_000, TTL: time.Hour}, func(context.Context, [16]byte) (session, error) { return session{}, nil })
	keys := make([][16]byte, 1024)
	for i := range keys {
		keys[i] = [16]byte{byte(i), byte(i >> 8)}
		if _, err := l.Get(context.Background(), keys[i]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		ctx := context.Background()
		for i := 0; pb.Next(); i++ {
			_, _ = l.Get(ctx, keys[i&1023])
		}
	})
}

func BenchmarkLoadingGetSerial(b *testing.B) {
	l := numbered(LoadingOptions{Clock: clock.System{}, Size: 10, TTL: time.Hour})
	ctx := context.Background()
	_, _ = l.Get(ctx, "k")
	b.ReportAllocs()
	for b.Loop() {
		_, _ = l.Get(ctx, "k")
	}
}
