package ratelimit

import (
	"context"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/gatehouse/gatehouse/core/clock"
)

// DefaultKeys is how many keys of one limit Memory holds unless told otherwise, at about 100 bytes each.
const DefaultKeys = 1 << 16

const shardsPerLimit = 16

// Memory is a Limiter inside the process. It holds a bounded number of keys for each limit. When hostile keys fill a limit,
// the key nearest to a whole quota is forgotten first, and the newcomer that takes its place takes over its debt, except for
// two units: forgetting gives hardly any quota away, and a newcomer is never refused. Keys of one limit never push out
// another's.
type Memory struct {
	clock  clock.Clock
	keys   int
	seeds  [2]maphash.Seed
	tables atomic.Pointer[map[string]*table] // by the limit's name; copied when a limit is first seen
	grow   sync.Mutex
}

// table holds the keys of one limit.
type table struct{ shards []shard }

// NewMemory makes a Limiter that holds at most keys of each limit, DefaultKeys when it is not positive.
func NewMemory(clk clock.Clock, keys int) *Memory {
	if keys <= 0 {
		keys = DefaultKeys
	}
	m := &Memory{clock: clk, keys: keys, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
	m.tables.Store(&map[string]*table{})
	return m
}

// Allow implements Limiter. Its only errors are mistakes in the call.
func (m *Memory) Allow(_ context.Context, checks ...Check) ([]Decision, error) {
	return m.decisions(checks, true)
}

// Peek implements Limiter. Its only errors are mistakes in the call.
func (m *Memory) Peek(_ context.Context, checks ...Check) ([]Decision, error) {
	return m.decisions(checks, false)
}

func (m *Memory) decisions(checks []Check, count bool) ([]Decision, error) {
	if err := verify(checks); err != nil || len(checks) == 0 {
		return nil, err
	}
	out := make([]Decision, len(checks))
	m.decide(checks, out, 0, count)
	return out, nil
}

// place is where one check of a call is counted.
type place struct {
	shard   *shard
	key     fingerprint
	arrival int64
	excess  int64
	pace    pace
}

// decide fills out and says whether all checks are allowed, counting them if so and if count says so. A check that comes too
// early by slack microseconds at most is allowed. Nothing here allocates, but for the first sight of a limit or key.
func (m *Memory) decide(checks []Check, out []Decision, slack int64, count bool) bool {
	var room [MaxChecks]place
	places := room[:len(checks)]
	for i := range checks {
		p := &places[i]
		p.key = fingerprint{maphash.String(m.seeds[0], checks[i].Key), maphash.String(m.seeds[1], checks[i].Key)}
		p.shard = m.table(checks[i].Limit.Name).shard(p.key)
		p.pace = paceOf(&checks[i])
	}
	now := m.clock.Now().UnixMicro()
	lock(places)
	allowed := true
	for i := range places {
		p := &places[i]
		p.shard.expire(now)
		p.arrival = p.pace.settle(p.shard.arrival(p.key, now, p.pace), now)
		p.excess = p.pace.excess(p.arrival, now)
		allowed = allowed && p.excess <= slack
	}
	if allowed && count {
		for i := range places {
			p := &places[i]
			p.arrival += p.pace.step
			p.shard.put(p.key, p.arrival)
		}
	}
	unlock(places)
	for i := range places {
		p := &places[i]
		if allowed {
			p.excess = min(p.excess, 0)
		}
		out[i] = p.pace.decision(p.arrival, now, p.excess)
	}
	return allowed
}

// lock takes each shard's lock once, in the order of their numbers, so that two calls never wait for each other.
func lock(places []place) {
	last := int64(-1)
	for range places {
		var next *shard
		for i := range places {
			if s := places[i].shard; s.number > last && (next == nil || s.number < next.number) {
				next = s
			}
		}
		if next == nil {
			return
		}
		next.mu.Lock()
		last = next.number
	}
}

// unlock undoes lock.
func unlock(places []place) {
next:
	for i := range places {
		for j := range i {
			if places[j].shard == places[i].shard {
				continue next
			}
		}
		places[i].shard.mu.Unlock()
	}
}

// table finds the limit's keys. Limits are few and declared by the program, so the copy on first sight is bounded.
func (m *Memory) table(name string) *table {
	if t := (*m.tables.Load())[name]; t != nil {
		return t
	}
	m.grow.Lock()
	defer m.grow.Unlock()
	known := *m.tables.Load()
	if t := known[name]; t != nil {
		return t
	}
	n := min(shardsPerLimit, m.keys)
	t := &table{shards: make([]shard, n)}
	for i := range t.shards {
		t.shards[i].number = int64(len(known)*shardsPerLimit + i)
		t.shards[i].capacity = m.keys / n
		t.shards[i].index = map[fingerprint]int32{}
	}
	larger := maps.Clone(known)
	larger[name] = t
	m.tables.Store(&larger)
	return t
}

func (t *table) shard(key fingerprint) *shard { return &t.shards[key[1]%uint64(len(t.shards))] }
