package ratelimit

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/clock"
)

func TestLimiterGrantsTheQuotaThenTheRate(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, c *clock.Fake) {
		check := Check{Limit: limit("login", 10, time.Minute), Key: "192.0.2.1"}
		for i := range 10 {
			d := allow(t, l, check)[0]
			require.Equal(t, Decision{Allowed: true, Remaining: 9 - i, Reset: time.Duration(i+1) * 6 * time.Second}, d)
		}
		refused := Decision{RetryAfter: 6 * time.Second, Reset: time.Minute}
		require.Equal(t, refused, allow(t, l, check)[0])
		require.Equal(t, refused, allow(t, l, check)[0], "what is refused costs nothing")
		c.Advance(6*time.Second - time.Microsecond)
		require.Equal(t, Decision{RetryAfter: time.Microsecond, Reset: 54*time.Second + time.Microsecond}, allow(t, l, check)[0])
		c.Advance(time.Microsecond)
		require.Equal(t, Decision{Allowed: true, Reset: time.Minute}, allow(t, l, check)[0])
		require.False(t, allow(t, l, check)[0].Allowed)
		c.Advance(time.Minute)
		require.Equal(t, Decision{Allowed: true, Remaining: 9, Reset: 6 * time.Second}, allow(t, l, check)[0])
	})
}

func TestPeekDecidesAndCountsNothing(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, c *clock.Fake) {
		check := Check{Limit: limit("login", 2, time.Minute), Key: "192.0.2.1"}
		for left := 2; left > 0; left-- {
			for range 3 {
				out, err := l.Peek(t.Context(), check)
				require.NoError(t, err)
				require.Equal(t, []Decision{{Allowed: true, Remaining: left, Reset: time.Duration(2-left) * 30 * time.Second}}, out)
			}
			allow(t, l, check)
		}
		out, err := l.Peek(t.Context(), check)
		require.NoError(t, err)
		require.Equal(t, []Decision{{RetryAfter: 30 * time.Second, Reset: time.Minute}}, out)
		c.Advance(30 * time.Second)
		require.True(t, allow(t, l, check)[0].Allowed)
	})
}

func TestLimiterKeepsKeysAndLimitsApart(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, _ *clock.Fake) {
		a, b := limit("a", 1, time.Minute), limit("b", 1, time.Minute)
		require.True(t, Allowed(allow(t, l, Check{Limit: a, Key: "1"}, Check{Limit: a, Key: "2"}, Check{Limit: b, Key: "1"})))
		for _, c := range []Check{{Limit: a, Key: "1"}, {Limit: a, Key: "2"}, {Limit: b, Key: "1"}} {
			require.False(t, Allowed(allow(t, l, c)))
		}
		require.True(t, Allowed(allow(t, l, Check{Limit: b, Key: "2"}, Check{Limit: a, Key: ""})))
	})
}

func TestLimiterCountsAllOrNothing(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, _ *clock.Fake) {
		wide, narrow := Check{Limit: limit("wide", 5, time.Minute), Key: "k"}, Check{Limit: limit("narrow", 1, time.Hour), Key: "k"}
		require.True(t, Allowed(allow(t, l, wide, narrow)))
		for range 3 {
			out := allow(t, l, narrow, wide)
			require.False(t, Allowed(out))
			require.Equal(t, Decision{RetryAfter: time.Hour, Reset: time.Hour}, out[0])
			require.Equal(t, Decision{Allowed: true, Remaining: 4, Reset: 12 * time.Second}, out[1], "would be allowed, was not counted")
		}
		require.Equal(t, 3, allow(t, l, wide)[0].Remaining)
	})
}

func TestLimiterCountsCosts(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, _ *clock.Fake) {
		five := limit("five", 5, time.Minute)
		require.Equal(t, 2, allow(t, l, Check{Limit: five, Key: "a", Cost: 3})[0].Remaining)
		require.Equal(t, Decision{Remaining: 2, RetryAfter: 12 * time.Second, Reset: 36 * time.Second}, allow(t, l, Check{Limit: five, Key: "a", Cost: 3})[0])
		require.Equal(t, 0, allow(t, l, Check{Limit: five, Key: "a", Cost: 2})[0].Remaining)
		require.True(t, allow(t, l, Check{Limit: five, Key: "b", Cost: 100})[0].Allowed, "more than the quota is the whole quota")
		require.False(t, allow(t, l, Check{Limit: five, Key: "b"})[0].Allowed)
	})
}

func TestLimiterSurvivesAClockThatGoesBackAndASmallerLimit(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, c *clock.Fake) {
		check := Check{Limit: limit("login", 2, time.Minute), Key: "k"}
		allow(t, l, check)
		c.Advance(-24 * time.Hour)
		require.Equal(t, Decision{RetryAfter: 30 * time.Second, Reset: time.Minute}, allow(t, l, check)[0], "closed for one quota's time at most")
		c.Advance(time.Minute)
		slow, quick := limit("setting", 1, 24*time.Hour), limit("setting", 1, time.Second)
		require.True(t, allow(t, l, Check{Limit: slow, Key: "k"})[0].Allowed)
		require.Equal(t, time.Second, allow(t, l, Check{Limit: quick, Key: "k"})[0].RetryAfter)
	})
}

func TestLimiterRefusesMistakes(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, _ *clock.Fake) {
		ok := limit("ok", 1, time.Second)
		same := limit("ok", 9, time.Second)
		if s, stepped := l.(inStep); stepped {
			l = s.Redis
		}
		for want, checks := range map[error][]Check{
			errTooMany: make([]Check, MaxChecks+1),
			errNoLimit: {{Limit: &Limit{Name: "zero"}}},
			errCost:    {{Limit: ok, Cost: -1}},
			errTwice:   {{Limit: ok, Key: "k"}, {Limit: same, Key: "k"}},
		} {
			_, err := l.Allow(t.Context(), checks...)
			require.ErrorIs(t, err, want)
		}
		_, err := l.Allow(t.Context(), Check{})
		require.ErrorIs(t, err, errNoLimit)
		out, err := l.Allow(t.Context())
		require.NoError(t, err)
		require.Empty(t, out)
	})
}

func TestLimiterDecidesOverTheMostChecks(t *testing.T) {
	t.Parallel()
	eachLimiter(t, func(t *testing.T, l Limiter, _ *clock.Fake) {
		var checks []Check
		for i := range MaxChecks {
			checks = append(checks, Check{Limit: limit(fmt.Sprintf("l%d", i%3), i%3+1, time.Hour), Key: fmt.Sprint(i / 3)})
		}
		require.True(t, Allowed(allow(t, l, checks...)))
		require.False(t, Allowed(allow(t, l, checks...)))
	})
}

func TestHotKeyGetsExactlyTheQuota(t *testing.T) {
	t.Parallel()
	hot := func(t *testing.T, l Limiter) {
		t.Helper()
		var granted atomic.Int64
		var all sync.WaitGroup
		other := limit("other", 1000, time.Hour)
		for i := range 100 {
			all.Go(func() {
				checks := []Check{{Limit: limit("hot", 37, 24*time.Hour), Key: "k"}, {Limit: other, Key: fmt.Sprint(i % 7)}}
				if i%2 == 0 {
					checks[0], checks[1] = checks[1], checks[0]
				}
				for range 5 {
					if out, err := l.Allow(context.Background(), checks...); err != nil {
						t.Error(err)
					} else if Allowed(out) {
						granted.Add(1)
					}
				}
			})
		}
		all.Wait()
		require.EqualValues(t, 37, granted.Load())
	}
	eachLimiter(t, func(t *testing.T, l Limiter, _ *clock.Fake) { hot(t, l) })
	if url := redistest.URL(); !url.IsZero() {
		t.Run("redis_time", func(t *testing.T) { t.Parallel(); hot(t, NewRedis(connect(t, url, 5*time.Second))) })
		t.Run("failover_redis_time", func(t *testing.T) {
			t.Parallel()
			hot(t, NewFailover(NewRedis(connect(t, url, 5*time.Second)), NewMemory(clock.System{}, 0), silent))
		})
		t.Run("two_instances", func(t *testing.T) {
			t.Parallel()
			id, calls := uniqueID(), &atomic.Int64{}
			instances := [2]*Redis{NewRedis(connectAs(t, url, 5*time.Second, id)), NewRedis(connectAs(t, url, 5*time.Second, id))}
			l := inTurn(func() Limiter { return instances[calls.Add(1)%2] })
			hot(t, l)
		})
	}
}

// inTurn asks another limiter each time.
type inTurn func() Limiter

func (next inTurn) Allow(ctx context.Context, checks ...Check) ([]Decision, error) {
	return next().Allow(ctx, checks...)
}

func (next inTurn) Peek(ctx context.Context, checks ...Check) ([]Decision, error) {
	return next().Peek(ctx, checks...)
}

// grant is something that was allowed.
type grant struct {
	at   time.Time
	cost int
}

// TestLimiterKeepsTheGuarantee checks the package's promise from what was granted alone: in any span t at most
// Count + t*Count/Per, and what is refused would have broken it.
func TestLimiterKeepsTheGuarantee(t *testing.T) {
	t.Parallel()
	for _, lc := range limiters() {
		t.Run(lc.name, func(t *testing.T) {
			t.Parallel()
			runs := 0
			c := newClock()
			l := lc.open(t, c)
			rapid.Check(t, func(rt *rapid.T) {
				runs++
				keepsTheGuarantee(rt, l, c, runs)
			})
		})
	}
}

func keepsTheGuarantee(rt *rapid.T, l Limiter, c *clock.Fake, run int) {
	// Rates whose interval is whole, so that the promise is exact; the rest is rounded in the strict direction.
	rate := rapid.SampledFrom([]Rate{{1, time.Second}, {2, time.Second}, {10, time.Minute}, {5, time.Hour}, {1000, time.Second}, {MaxCount, time.Second}, {3, MaxPer}}).Draw(rt, "rate")
	if rate.Count == 3 {
		rate.Per = 27 * 24 * time.Hour
	}
	check := Check{Limit: &Limit{Name: fmt.Sprintf("g%d", rate.Count), Rate: rate}, Key: fmt.Sprint(run)}
	interval := rate.Per / time.Duration(rate.Count)
	var grants []grant
	for range rapid.IntRange(1, 40).Draw(rt, "steps") {
		c.Advance(time.Duration(rapid.Int64Range(0, 2*interval.Microseconds()).Draw(rt, "pause")) * time.Microsecond)
		check.Cost = rapid.IntRange(1, rate.Count).Draw(rt, "cost")
		now := c.Now()
		// The most that fits: over every span that ends now, the smallest rest.
		fits := rate.Per
		sum := 0
		for _, grant := range slices.Backward(grants) {
			sum += grant.cost
			fits = min(fits, rate.Per+now.Sub(grant.at)-time.Duration(sum)*interval)
		}
		d := allow(rt, l, check)[0]
		need := time.Duration(check.Cost) * interval
		if d.Allowed != (fits >= need) {
			rt.Fatalf("allowed %v, %v fits, %v is needed", d.Allowed, fits, need)
		}
		if d.Allowed {
			grants = append(grants, grant{now, check.Cost})
			fits -= need
		} else if d.RetryAfter != need-fits {
			rt.Fatalf("retry after %v, want %v", d.RetryAfter, need-fits)
		}
		if d.Remaining != int(fits/interval) || d.Reset != rate.Per-fits {
			rt.Fatalf("remaining %d, reset %v; want %d, %v", d.Remaining, d.Reset, fits/interval, rate.Per-fits)
		}
	}
}

// TestLimitersAgree plays the same random calls of several checks to every implementation.
func TestLimitersAgree(t *testing.T) {
	t.Parallel()
	c := newClock()
	var all []Limiter
	for _, lc := range limiters() {
		all = append(all, lc.open(t, c))
	}
	limits := []*Limit{limit("x", 3, 7*time.Second), limit("y", 7, time.Minute), limit("z", 999_983, time.Second), limit("w", 2, time.Hour)}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			c.Advance(time.Duration(rapid.Int64Range(0, 5_000_000).Draw(rt, "pause")) * time.Microsecond)
			var checks []Check
			for i, l := range limits {
				if cost := rapid.IntRange(-1, 3).Draw(rt, "cost"); cost >= 0 {
					checks = append(checks, Check{Limit: l, Key: fmt.Sprint(run, rapid.IntRange(0, 1).Draw(rt, "key"), i), Cost: cost})
				}
			}
			if len(checks) == 0 {
				continue
			}
			want := allow(rt, all[0], checks...)
			for i, l := range all[1:] {
				if got := allow(rt, l, checks...); fmt.Sprint(got) != fmt.Sprint(want) {
					rt.Fatalf("limiter %d decides %v, memory %v", i+1, got, want)
				}
			}
		}
	})
}
