package cache

import (
	"context"
	"time"

	"github.com/redis/rueidis"
)

// localTTL bounds how long a copy lives in the client's own cache, should an invalidation be lost while connected.
const localTTL = time.Minute

// RedisStore is a Store in Redis with copies in this process that Redis invalidates. The copies go with the connection, so
// that nothing stale outlives it.
type RedisStore struct {
	redis *Redis
	area  string
}

// NewRedisStore makes a Store whose keys lie under area, a short name such as "session".
func NewRedisStore(r *Redis, area string) *RedisStore { return &RedisStore{redis: r, area: area + ":"} }

// Get implements Store.
func (s *RedisStore) Get(ctx context.Context, key string) (value []byte, found bool, err error) {
	err = s.redis.Do(ctx, func(ctx context.Context, c rueidis.Client, keys string) error {
		text, err := c.DoCache(ctx, c.B().Get().Key(keys+s.area+key).Cache(), localTTL).ToString()
		if rueidis.IsRedisNil(err) {
			return nil
		}
		if err == nil {
			value, found = []byte(text), true // a copy: text is shared with the client's cache
		}
		return err
	})
	return value, found, err
}

// Set implements Store.
func (s *RedisStore) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl = ttl.Truncate(time.Millisecond); ttl <= 0 {
		return s.Delete(ctx, key)
	}
	return s.redis.Do(ctx, func(ctx context.Context, c rueidis.Client, keys string) error {
		return fenced(ctx, c, c.B().Set().Key(keys+s.area+key).Value(rueidis.BinaryString(value)).Px(ttl).Build())
	})
}

// Delete implements Store.
func (s *RedisStore) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	return s.redis.Do(ctx, func(ctx context.Context, c rueidis.Client, prefix string) error {
		full := make([]string, len(keys))
		for i, key := range keys {
			full[i] = prefix + s.area + key
		}
		return fenced(ctx, c, c.B().Unlink().Key(full...).Build())
	})
}

// fenced runs a write and returns once this process has dropped its own copy. Redis sends the invalidation after the
// write's answer but before the next one's, on the one connection that both share.
func fenced(ctx context.Context, c rueidis.Client, write rueidis.Completed) error {
	for _, answer := range c.DoMulti(ctx, write, c.B().Ping().Build()) {
		if err := answer.Error(); err != nil {
			return err
		}
	}
	return nil
}
