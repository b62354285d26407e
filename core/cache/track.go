package cache

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// touchedFor is how long a touched key lives where it is not removed at once.
const touchedFor = 10 * time.Second

// Tracker is a connection of its own that Redis tells, with client-side caching's invalidations, which keys of an area are
// written. It is lost once, and for good.
type Tracker struct {
	client rueidis.Client
	lost   chan struct{}
	once   sync.Once
}

// Track connects and has told called, on the connection's goroutine, with each key below area that is touched from then on;
// a key may be told twice. told must be quick. Connecting is bounded by itself; ctx is not asked while it goes on.
func (r *Redis) Track(ctx context.Context, area string, told func(key string)) (*Tracker, error) {
	if r.option == nil {
		return nil, errNone
	}
	keys := r.keyPrefix()
	if keys == "" {
		return nil, errNoNamespace
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	prefix := keys + area + ":"
	t := &Tracker{lost: make(chan struct{})}
	opt := *r.option
	opt.ClientName = "gatehouse-track"
	opt.ClientTrackingOptions = []string{"BCAST", "PREFIX", prefix}
	opt.CacheSizeEachConn = 1 << 10 // nothing is read on it
	opt.OnInvalidations = func(messages []rueidis.RedisMessage) {
		if messages == nil { // Redis was emptied, or the connection has ended
			t.lose()
			return
		}
		for i := range messages {
			if key, err := messages[i].ToString(); err == nil && strings.HasPrefix(key, prefix) {
				told(key[len(prefix):])
			}
		}
	}
	c, err := rueidis.NewClient(opt)
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, err
	}
	t.client = c
	return t, nil
}

func (t *Tracker) lose() { t.once.Do(func() { close(t.lost) }) }

// Lost is closed when the connection has ended, or when Redis was emptied. Close the Tracker then.
func (t *Tracker) Lost() <-chan struct{} { return t.lost }

// Close ends the connection.
func (t *Tracker) Close() { t.client.Close() }

// Touch writes a key below area so that trackers are told of it, and removes it again. Its error wraps errs.ErrUnavailable.
func (r *Redis) Touch(ctx context.Context, area, key string) error {
	return r.Do(ctx, func(ctx context.Context, c rueidis.Client, keys string) error {
		full := keys + area + ":" + key
		for _, answer := range c.DoMulti(ctx, c.B().Set().Key(full).Value("").Px(touchedFor).Build(), c.B().Unlink().Key(full).Build()) {
			if err := answer.Error(); err != nil {
				return err
			}
		}
		return nil
	})
}
