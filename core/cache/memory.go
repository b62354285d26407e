package cache

import (
	"bytes"
	"context"
	"time"

	"github.com/maypok86/otter/v2"

	"github.com/gatehouse/gatehouse/core/clock"
)

// entryOverhead is about what an entry costs beside its key and value.
const entryOverhead = 128

// Memory is a Store inside the process, bounded by the bytes it holds. Its methods never fail.
type Memory struct {
	clock   clock.Clock
	entries *otter.Cache[string, blob]
}

type blob struct {
	value   []byte
	expires time.Time
}

// NewMemory makes a Store of about maxBytes, keys and overhead included; at least 64 KiB.
func NewMemory(clk clock.Clock, maxBytes int) *Memory {
	return &Memory{clock: clk, entries: otter.Must(&otter.Options[string, blob]{
		MaximumWeight: uint64(max(maxBytes, 64<<10)),
		Weigher:       func(key string, b blob) uint32 { return uint32(min(len(key)+len(b.value)+entryOverhead, 1<<31)) },
	})}
}

// Get implements Store.
func (m *Memory) Get(_ context.Context, key string) ([]byte, bool, error) {
	b, ok := m.entries.GetIfPresent(key)
	if !ok || !m.clock.Now().Before(b.expires) {
		return nil, false, nil
	}
	return bytes.Clone(b.value), true, nil
}

// Set implements Store.
func (m *Memory) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl = ttl.Truncate(time.Millisecond); ttl <= 0 {
		m.entries.Invalidate(key)
		return nil
	}
	m.entries.Set(key, blob{value: append([]byte{}, value...), expires: m.clock.Now().Add(ttl)})
	return nil
}

// Delete implements Store.
func (m *Memory) Delete(_ context.Context, keys ...string) error {
	for _, key := range keys {
		m.entries.Invalidate(key)
	}
	return nil
}
