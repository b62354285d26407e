package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/gatehouse/gatehouse/core/clock"
)

// defaultLoadTimeout ends a load whose callers have all left.
const defaultLoadTimeout = 5 * time.Second

// LoadingOptions say how much a Loading keeps and for how long.
type LoadingOptions struct {
	Clock   clock.Clock
	Size    int           // most entries; at least 1
	TTL     time.Duration // how long a loaded value is used; zero or less keeps nothing
	Timeout time.Duration // of one load; zero means 5 s
}

// Loading is a bounded cache inside the process that loads what it lacks. However many callers miss a key at once, it is
// loaded once; a failed load is not kept. It is safe for concurrent use, and reading what it holds allocates nothing.
type Loading[K comparable, V any] struct {
	clock   clock.Clock
	load    func(context.Context, K) (V, error)
	timeout time.Duration
	ttl     atomic.Int64
	entries entries[K, held[V]]

	mu    sync.Mutex // guards loads, and orders writes to entries with invalidations
	loads map[K]*loading[V]
}

// entries are those of an otter.Cache. Behind an interface, its hundreds of generic functions are compiled where a Loading is
// made, and not in every package that knows one.
type entries[K comparable, H any] interface {
	GetIfPresent(key K) (H, bool)
	Set(key K, value H) (H, bool)
	Invalidate(key K) (H, bool)
	InvalidateAll()
}

// held is a value and when it is used, in microseconds since 1970. Before from it is not used either: a clock that is set
// back must not prolong it.
type held[V any] struct {
	value       V
	from, until int64
}

// loading is one load under way. Its place in loads is its right to write: whoever takes it out voids it.
type loading[V any] struct {
	began time.Time
	done  chan struct{}
	value V
	err   error
}

// NewLoading makes a Loading over load. load runs on a goroutine of its own, with the values but not the end of the context
// of the caller that came first, and must respect its deadline.
func NewLoading[K comparable, V any](o LoadingOptions, load func(context.Context, K) (V, error)) *Loading[K, V] {
	if o.Timeout <= 0 {
		o.Timeout = defaultLoadTimeout
	}
	l := &Loading[K, V]{clock: o.Clock, load: load, timeout: o.Timeout, loads: map[K]*loading[V]{}}
	l.entries = otter.Must(&otter.Options[K, held[V]]{MaximumSize: max(o.Size, 1)})
	l.ttl.Store(int64(o.TTL))
	return l
}

// Peek returns the value that is held for key, without loading.
func (l *Loading[K, V]) Peek(key K) (V, bool) {
	if h, ok := l.entries.GetIfPresent(key); ok {
		if now := l.clock.Now().UnixMicro(); h.from <= now && now < h.until {
			return h.value, true
		}
	}
	var none V
	return none, false
}

// Get returns the value for key, loading it where it is not held. A Get that begins after an Invalidate has returned never
// gets a value from before it. It returns load's error, or ctx's when that ends first; the load then goes on for others.
func (l *Loading[K, V]) Get(ctx context.Context, key K) (V, error) {
	if v, ok := l.Peek(key); ok {
		return v, nil
	}
	var none V
	if err := ctx.Err(); err != nil {
		return none, err
	}
	current, held := l.join(ctx, key)
	if current == nil {
		return held, nil
	}
	select {
	case <-current.done:
		return current.value, current.err
	case <-ctx.Done():
		return none, ctx.Err()
	}
}

// join finds the load under way or starts one; it returns nil and the value where a load has just ended.
func (l *Loading[K, V]) join(ctx context.Context, key K) (*loading[V], V) {
	var none V
	l.mu.Lock()
	defer l.mu.Unlock()
	if current := l.loads[key]; current != nil {
		return current, none
	}
	if v, ok := l.Peek(key); ok {
		return nil, v
	}
	current := &loading[V]{began: l.clock.Now(), done: make(chan struct{}), err: errLoadExited}
	l.loads[key] = current
	go l.run(context.WithoutCancel(ctx), key, current)
	return current, none
}

func (l *Loading[K, V]) run(ctx context.Context, key K, current *loading[V]) {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	defer l.finish(key, current)
	defer func() { // nothing above this goroutine would recover the panic
		if p := recover(); p != nil {
			current.err = fmt.Errorf("cache: load panicked: %v\n%s", p, debug.Stack())
		}
	}()
	current.value, current.err = l.load(ctx, key)
}

// finish keeps the outcome where it is still wanted. What load read was true when it began at the latest, so the value's
// time runs from there.
func (l *Loading[K, V]) finish(key K, current *loading[V]) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loads[key] == current {
		delete(l.loads, key)
		if current.err == nil {
			l.keep(key, current.value, current.began)
		}
	}
	close(current.done)
}

func (l *Loading[K, V]) keep(key K, value V, since time.Time) {
	if ttl := time.Duration(l.ttl.Load()); ttl > 0 {
		l.entries.Set(key, held[V]{value: value, from: since.UnixMicro(), until: since.Add(ttl).UnixMicro()})
	}
}

var errLoadExited = errors.New("cache: the load ended its goroutine")

// Put holds a value that is known without loading, and voids a load of key under way. Use it only for what cannot be
// outdated by an Invalidate meanwhile, such as the outcome of verifying a signature.
func (l *Loading[K, V]) Put(key K, value V) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.loads, key)
	l.keep(key, value, l.clock.Now())
}

// Invalidate forgets key. A load of it that is under way still answers those who wait for it, but is not kept, and whoever
// asks from now on gets a new one.
func (l *Loading[K, V]) Invalidate(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.loads, key)
	l.entries.Invalidate(key)
}

// Clear does to every key what Invalidate does to one.
func (l *Loading[K, V]) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.loads)
	l.entries.InvalidateAll()
}

// SetTTL changes how long values loaded from now on are used. Shortening it does not touch what is held: Clear does.
func (l *Loading[K, V]) SetTTL(ttl time.Duration) { l.ttl.Store(int64(ttl)) }
