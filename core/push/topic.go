package push

import (
	"fmt"

	"github.com/gatehouse/gatehouse/core/cache"
)

// Key is what a cache is asked by, in one spelling.
type Key interface {
	comparable
	fmt.Stringer
}

// Topic is one kind of thing that changes, such as the state of sessions, and the cache that remembers it.
type Topic[K Key] struct {
	bus        *Bus
	name       string
	invalidate func(K)
}

// Follow makes a topic of a cache, while modules are built. From then on the Bus rules how long the cache keeps what it
// loads. parse reads what String gives. A topic is followed once; its name is the same on every instance and version.
func Follow[K Key, V any](b *Bus, topic string, l *cache.Loading[K, V], parse func(string) (K, error)) *Topic[K] {
	b.follow(topic, follower{
		drop: func(keys []string) error {
			for _, text := range keys {
				key, err := parse(text)
				if err != nil {
					return err
				}
				l.Invalidate(key)
			}
			return nil
		},
		clear: l.Clear, setTTL: l.SetTTL,
	})
	return &Topic[K]{bus: b, name: topic, invalidate: l.Invalidate}
}

// Changed forgets the keys here, and returns once the message to the other instances was handed over, or was not taken
// within a second, in which case it is tried again in the background; or at once where there are no others. It never fails. It
// is meant for Tx.AfterCommit: told before the commit, an instance could load the old value again.
func (t *Topic[K]) Changed(keys ...K) {
	if len(keys) == 0 {
		return
	}
	for _, key := range keys {
		t.invalidate(key)
	}
	if t.bus.outbox == nil {
		return
	}
	texts := make([]string, len(keys))
	for i, key := range keys {
		texts[i] = key.String()
	}
	t.bus.outbox.tell(t.name, texts)
}
