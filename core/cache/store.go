package cache

import (
	"context"
	"time"
)

// Store keeps bytes under keys for a time. Both implementations pass one conformance suite.
//
// Keys are at most 512 bytes by convention and hold nothing secret: Redis shows them to its operators. Values are copied in
// and out. A lost entry is no fault, a stale one ends with its ttl, or once Delete reached this process.
type Store interface {
	// Get returns the value and whether there is one. An error wraps errs.ErrUnavailable and comes with no value: ask the
	// database then.
	Get(ctx context.Context, key string) ([]byte, bool, error)
	// Set keeps a value for ttl, cut to whole milliseconds. One below a millisecond keeps nothing and forgets what was there.
	Set(ctx context.Context, key string, value []byte, ttl time.Duration) error
	// Delete forgets the keys. What this process reads afterwards is not from before; other processes follow within
	// milliseconds while they are connected.
	Delete(ctx context.Context, keys ...string) error
}
