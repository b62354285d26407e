package push

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
)

const (
	// LongTTL is how long a value is used while every channel is proven alive.
	LongTTL = time.Minute
	// ShortTTL is how long it is used otherwise.
	ShortTTL = time.Second

	beatEvery = time.Second
	// silence is how old the newest heartbeat that came back may be.
	silence = 3 * time.Second
)

// Options are what Open needs.
type Options struct {
	DB     *database.DB
	Redis  *cache.Redis // nil, or of cache.StateNone, where there is none
	Logger *slog.Logger
	Clock  *clock.Synced // is kept in step with the database's where it is not nil
}

// Bus carries changes to the other instances and back. The zero value takes topics; before Open and after Close, a change
// is known here alone.
type Bus struct {
	origin   string // tells this Bus's messages from others'
	logger   *slog.Logger
	started  time.Time // what the times below count from
	links    []*link   // in the order in which a message is offered
	outbox   *outbox   // nil where nobody can be told
	end      context.CancelFunc
	work     sync.WaitGroup
	sent     atomic.Int64
	received atomic.Int64
	dropped  atomic.Int64

	mu      sync.Mutex // guards what follows, and the state of each link
	topics  map[string]follower
	alive   bool
	changed chan struct{} // closed and made anew when alive changes
	closed  bool
	peers   map[string]peer // by origin
	met     time.Duration   // when one was last heard, or could not have been
	// withheld are the topics of which something was told nobody, since there is nobody to be told.
	withheld map[string]struct{}
}

// follower is what a topic does to its cache.
type follower struct {
	drop   func(keys []string) error
	clear  func()
	setTTL func(time.Duration)
}

// Open begins to listen where the stores can tell. It waits for nothing: until each channel is proven, values are kept for
// ShortTTL.
func (b *Bus) Open(o Options) {
	if o.DB.Engine() != database.PostgreSQL {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	started := time.Now()
	b.origin, b.logger, b.started, b.end = rand.Text(), o.Logger, started, cancel
	b.changed, b.peers, b.withheld = make(chan struct{}), map[string]peer{}, map[string]struct{}{}
	if o.Redis != nil && o.Redis.State() != cache.StateNone {
		b.links = append(b.links, &link{bus: b, name: "redis", channel: &redis{o.Redis}})
	}
	b.links = append(b.links, &link{bus: b, name: "postgres", channel: &postgres{db: o.DB, clock: o.Clock}})
	b.outbox = newOutbox(b)
	b.work.Go(func() { b.outbox.run(ctx) })
	for _, l := range b.links {
		b.work.Go(func() { l.run(ctx) })
	}
}

// Close sends what is still to be sent, once, and ends every connection. It may take seconds where a server does not answer.
func (b *Bus) Close() {
	b.mu.Lock()
	already := b.closed
	b.closed = true
	b.meet() // who came just now may not have been heard yet
	b.mu.Unlock()
	if already || b.end == nil {
		return
	}
	b.end()
	b.work.Wait()
}

// Wait returns once every channel is proven alive, or ctx's error. Where there is none it returns at once.
func (b *Bus) Wait(ctx context.Context) error {
	for len(b.links) > 0 {
		b.mu.Lock()
		alive, changed := b.alive, b.changed
		b.mu.Unlock()
		if alive {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Channel is the state of one way to the other instances.
type Channel struct {
	Name  string // postgres or redis
	Alive func() bool
}

// Channels lists the ways there are; none on SQLite.
func (b *Bus) Channels() []Channel {
	list := make([]Channel, len(b.links))
	for i, l := range b.links {
		list[i] = Channel{Name: l.name, Alive: l.isAlive}
	}
	return list
}

// Stats are totals since Open.
type Stats struct {
	Sent     int64 // messages that a server took
	Received int64 // messages of other instances
	Dropped  int64 // messages that nobody took in time, or that nobody could read
}

// Stats gives the totals.
func (b *Bus) Stats() Stats {
	return Stats{Sent: b.sent.Load(), Received: b.received.Load(), Dropped: b.dropped.Load()}
}

// follow adds a topic, which begins with the short time.
func (b *Bus) follow(topic string, f follower) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.topics == nil {
		b.topics = map[string]follower{}
	}
	if _, taken := b.topics[topic]; taken {
		panic("push: topic " + topic + " is followed twice")
	}
	b.topics[topic] = f
	f.setTTL(ShortTTL)
}

// settle draws the conclusions from the links' states; mu is held. The order of its steps is argued for in the package's
// comment.
func (b *Bus) settle() {
	alive := !b.closed
	for _, l := range b.links {
		alive = alive && l.alive
	}
	if alive == b.alive {
		return
	}
	b.alive = alive
	b.meet()
	ttl := ShortTTL
	if alive {
		ttl = LongTTL
	}
	for _, f := range b.topics {
		f.setTTL(ttl)
		f.clear()
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

// receive takes what came over a link.
func (b *Bus) receive(l *link, payload string) {
	var m message
	if json.Unmarshal([]byte(payload), &m) != nil {
		b.dropped.Add(1)
		b.hear(message{})
		return
	}
	if m.From == b.origin {
		if m.Beat != 0 {
			l.prove(time.Duration(m.Beat))
		}
		return // what we told was dropped here before
	}
	b.hear(m)
	if m.Topic == "" {
		return
	}
	b.received.Add(1)
	b.forget(m.Topic, m.Keys)
	for _, topic := range m.Signals {
		b.forget(topic, nil)
	}
}

// forget does what a topic's change asks for.
func (b *Bus) forget(topic string, keys []string) {
	b.mu.Lock()
	f, ok := b.topics[topic]
	b.mu.Unlock()
	if !ok {
		return // a version or a module that we are not
	}
	if len(keys) == 0 {
		f.clear()
		return
	}
	if err := f.drop(keys); err != nil {
		b.dropped.Add(1)
		f.clear()
	}
}
