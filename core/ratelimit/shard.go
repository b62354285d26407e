package ratelimit

import "sync"

// fingerprint stands for a key: two hashes under seeds that nobody outside the process knows, so that nobody finds two keys
// that share one.
type fingerprint [2]uint64

// shard is a part of a limit's keys: a map into cells, and a heap of the cells with the earliest arrival time on top, which
// is the one to expire or be evicted next. A heap step compares four children, so that even a million keys are ten levels.
type shard struct {
	mu       sync.Mutex
	number   int64
	capacity int
	index    map[fingerprint]int32 // to cells
	cells    []cell
	heap     []int32 // of cells: the first len(index) are a heap, the rest are free
	_        [64]byte
}

type cell struct {
	key     fingerprint
	arrival int64
	at      int32 // in heap
}

const (
	arity       = 4
	expireAtOne = 2 // expired keys that one call drops: more than it can add
)

// expire drops a few keys whose quota is whole again.
func (s *shard) expire(now int64) {
	for range expireAtOne {
		if len(s.index) == 0 || s.top().arrival > now {
			return
		}
		s.pop()
	}
}

// arrival gives what is stored for key; for a new one now, or in a full shard the debt that it would take over. That leaves
// two units: one to use, one that keeps a newcomer's arrival before that of a key which has just used up its quota, so that
// those who come once do not push that key out.
func (s *shard) arrival(key fingerprint, now int64, p pace) int64 {
	if i, ok := s.index[key]; ok {
		return s.cells[i].arrival
	}
	if len(s.index) < s.capacity {
		return now
	}
	return min(s.top().arrival, now+p.tolerance-2*p.interval)
}

// put stores the arrival time of key, evicting the top where the shard is full.
func (s *shard) put(key fingerprint, arrival int64) {
	if i, ok := s.index[key]; ok {
		c := &s.cells[i]
		c.arrival = arrival
		s.up(int(c.at))
		s.down(int(c.at))
		return
	}
	if len(s.index) >= s.capacity {
		s.pop()
	}
	n := len(s.index)
	if n == len(s.cells) {
		s.cells = append(s.cells, cell{})
		s.heap = append(s.heap, int32(n))
	}
	i := s.heap[n]
	s.cells[i] = cell{key: key, arrival: arrival, at: int32(n)}
	s.index[key] = i
	s.up(n)
}

func (s *shard) top() *cell { return &s.cells[s.heap[0]] }

// pop forgets the top; its cell becomes free.
func (s *shard) pop() {
	delete(s.index, s.top().key)
	n := len(s.index)
	s.swap(0, n)
	s.down(0)
}

func (s *shard) up(at int) {
	for at > 0 {
		parent := (at - 1) / arity
		if s.cells[s.heap[parent]].arrival <= s.cells[s.heap[at]].arrival {
			return
		}
		s.swap(parent, at)
		at = parent
	}
}

func (s *shard) down(at int) {
	size := len(s.index)
	for {
		least := at
		for child := arity*at + 1; child <= arity*at+arity && child < size; child++ {
			if s.cells[s.heap[child]].arrival < s.cells[s.heap[least]].arrival {
				least = child
			}
		}
		if least == at {
			return
		}
		s.swap(at, least)
		at = least
	}
}

func (s *shard) swap(a, b int) {
	s.heap[a], s.heap[b] = s.heap[b], s.heap[a]
	s.cells[s.heap[a]].at = int32(a)
	s.cells[s.heap[b]].at = int32(b)
}
