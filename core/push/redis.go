package push

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/core/cache"
)

// area is where messages lie in Redis, for a moment: each is the name of a key that is written and removed at once.
const area = "push"

var errTrackingEnded = errors.New("push: the connection that tracks keys has ended")

// redis carries messages with the invalidations of client-side caching, which Redis sends to every connection that tracks a
// prefix.
type redis struct{ redis *cache.Redis }

func (r *redis) publish(ctx context.Context, payload string) error {
	return r.redis.Touch(ctx, area, payload)
}

// follow implements channel. Heartbeats go the way of every message. One that Redis does not take is no loss of the
// connection: silence speaks for itself.
func (r *redis) follow(ctx context.Context, l *link) error {
	t, err := r.redis.Track(ctx, area, l.told)
	if err != nil {
		return err
	}
	defer t.Close()
	l.up()
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for {
		if payload, ok := l.beat(); ok {
			_ = r.publish(ctx, payload)
		}
		select {
		case <-t.Lost():
			return errTrackingEnded
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
