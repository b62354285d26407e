package ratelimit

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/clock"
)

// held counts the keys of a limit.
func held(m *Memory, name string) int {
	n := 0
	for i := range m.table(name).shards {
		s := &m.table(name).shards[i]
		s.mu.Lock()
		n += len(s.index)
		s.mu.Unlock()
	}
	return n
}

func TestMillionsOfKeysDoNotGrowMemory(t *testing.T) {
	t.Parallel()
	m := NewMemory(newClock(), 1000)
	login := limit("login", 10, time.Minute)
	for i := range 200_000 {
		require.True(t, allow(t, m, Check{Limit: login, Key: fmt.Sprint(i)})[0].Allowed, "a newcomer always gets one")
	}
	require.LessOrEqual(t, held(m, "login"), 1000)
	for i := range m.table("login").shards {
		require.LessOrEqual(t, len(m.table("login").shards[i].cells), 1000/shardsPerLimit)
	}
}

func TestHotKeyStaysClosedUnderAFloodOfKeys(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := NewMemory(c, 320)
	login, other := limit("login", 10, time.Minute), limit("other", 1, 30*24*time.Hour)
	hot := Check{Limit: login, Key: "hot"}
	for range 10 {
		require.True(t, allow(t, m, hot)[0].Allowed)
	}
	granted := 0
	for i := range 50_000 {
		allow(t, m, Check{Limit: login, Key: fmt.Sprint(i)})
		allow(t, m, Check{Limit: other, Key: fmt.Sprint(i)})
		if i%10 == 0 {
			c.Advance(time.Millisecond) // five seconds in all: less than one interval
		}
		if allow(t, m, hot)[0].Allowed {
			granted++
		}
	}
	require.Zero(t, granted)
	require.LessOrEqual(t, held(m, "login"), 320)
	require.LessOrEqual(t, held(m, "other"), 320)
}

func TestForgettingGivesHardlyAnyQuotaAway(t *testing.T) {
	t.Parallel()
	m := NewMemory(newClock(), 1)
	login := limit("login", 10, time.Minute)
	use := func(key string) int {
		n := 0
		for n < 1000 && allow(t, m, Check{Limit: login, Key: key})[0].Allowed {
			n++
		}
		return n
	}
	require.Equal(t, 10, use("a"))
	require.Equal(t, 2, use("b"), "takes over the debt, except for two")
	require.Equal(t, 2, use("a"))
	require.Equal(t, 1, held(m, "login"))
}

func TestExpiredKeysAreDropped(t *testing.T) {
	t.Parallel()
	c := newClock()
	m := NewMemory(c, 16_000)
	login := limit("login", 10, time.Minute)
	for i := range 10_000 {
		allow(t, m, Check{Limit: login, Key: fmt.Sprint(i)})
	}
	require.Equal(t, 10_000, held(m, "login"))
	c.Advance(6 * time.Second)
	for i := range 6_000 { // each drops two
		allow(t, m, Check{Limit: login, Key: fmt.Sprint("new", i)})
	}
	require.Less(t, held(m, "login"), 7_000)
}

// TestShardIsAHeapOverItsMap compares the shard with a plain map under random work.
func TestShardIsAHeapOverItsMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := &shard{capacity: rapid.IntRange(1, 40).Draw(rt, "capacity"), index: map[fingerprint]int32{}}
		model := map[fingerprint]int64{}
		for range rapid.IntRange(0, 200).Draw(rt, "steps") {
			now := rapid.Int64Range(0, 100).Draw(rt, "now")
			s.expire(now)
			for range expireAtOne {
				if k, v, ok := least(model); ok && v <= now {
					remove(model, s, k, v)
				}
			}
			key := fingerprint{uint64(rapid.IntRange(0, 60).Draw(rt, "key"))}
			if _, ok := model[key]; !ok && len(model) == s.capacity {
				_, v, _ := least(model)
				for k, w := range model { // the shard chooses among equals
					if w == v && k == s.top().key {
						delete(model, k)
					}
				}
			}
			model[key] = rapid.Int64Range(0, 200).Draw(rt, "arrival")
			s.put(key, model[key])
			if len(s.index) != len(model) || len(s.index) > s.capacity {
				rt.Fatalf("%d keys, want %d", len(s.index), len(model))
			}
			for k, v := range model {
				i, ok := s.index[k]
				if !ok || s.cells[i].arrival != v || s.heap[s.cells[i].at] != i {
					rt.Fatalf("key %v is lost or wrong", k)
				}
			}
			for at := 1; at < len(s.index); at++ {
				if s.cells[s.heap[(at-1)/arity]].arrival > s.cells[s.heap[at]].arrival {
					rt.Fatalf("no heap at %d", at)
				}
			}
		}
	})
}

func least(m map[fingerprint]int64) (key fingerprint, arrival int64, ok bool) {
	for k, v := range m {
		if !ok || v < arrival {
			key, arrival, ok = k, v, true
		}
	}
	return key, arrival, ok
}

// remove takes out of the model the key that the shard dropped among those with the least arrival.
func remove(m map[fingerprint]int64, s *shard, key fingerprint, arrival int64) {
	for k, v := range m {
		if _, still := s.index[k]; v == arrival && !still {
			delete(m, k)
			return
		}
	}
	delete(m, key)
}

func TestManyLimitsAreFirstSeenAtOnce(t *testing.T) {
	t.Parallel()
	m := NewMemory(newClock(), 0)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for i := range 50 {
				_, _ = m.Allow(t.Context(), Check{Limit: limit(fmt.Sprintf("l%d", i), 5, time.Hour), Key: "k"})
			}
		})
	}
	all.Wait()
	require.Len(t, *m.tables.Load(), 50)
	for i := range 50 {
		require.Equal(t, 1, held(m, fmt.Sprintf("l%d", i)))
	}
}

func TestDecidingInMemoryAllocatesNothing(t *testing.T) { //nolint:paralleltest // counting allocations does not work beside other tests
	m := NewMemory(clock.System{}, 0)
	checks := []Check{{Limit: limit("a", 10, time.Minute), Key: "192.0.2.1"}, {Limit: limit("b", 100, time.Hour), Key: "192.0.2.1"}}
	out := make([]Decision, len(checks))
	m.decide(checks, out, 0, true)
	require.Zero(t, testing.AllocsPerRun(1000, func() { m.decide(checks, out, 0, true) }))
}

func TestKeysOfOneShardAreCountedInOneCall(t *testing.T) {
	t.Parallel()
	m := NewMemory(newClock(), 1) // one shard of one key
	login := limit("login", 5, time.Minute)
	require.True(t, Allowed(allow(t, m, Check{Limit: login, Key: "a"}, Check{Limit: login, Key: "b"}, Check{Limit: login, Key: "c"})))
	require.Equal(t, 1, held(m, "login"))
}
