package push

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// handOver is how long Changed waits for a server to take its message.
	handOver = time.Second
	// retryEvery is how often what nobody took is offered again.
	retryEvery = time.Second
	// company is how long a signal waits for something to go with. One request may raise several, some milliseconds apart,
	// beside the change that it tells, and a message to a server costs a tenth of what a request may.
	company = 10 * time.Millisecond
)

// outbox gathers changes and sends them, one batch at a time: what is told while a batch is under way goes with the next,
// so that many callers share a message.
type outbox struct {
	bus  *Bus
	wake chan struct{}

	mu       sync.Mutex
	pending  map[string]changes
	patience *time.Timer   // ends the wait of signals that nothing has come to go with
	sent     chan struct{} // closed when the pending batch has been offered
	stuck    time.Duration // since when something is not taken, in the Bus's reckoning; zero where nothing is
	ended    bool
}

// changes are the keys of a topic that are to be told.
type changes struct {
	keys   map[string]struct{}
	all    bool
	signal bool          // there never are keys
	last   time.Duration // when the newest was added, in the Bus's reckoning
}

func newOutbox(b *Bus) *outbox {
	o := &outbox{bus: b, wake: make(chan struct{}, 1), pending: map[string]changes{}, sent: make(chan struct{})}
	o.patience = time.AfterFunc(company, o.rouse)
	o.patience.Stop()
	return o
}

// tell adds keys to the next batch and waits until it was offered, or handOver has passed.
func (o *outbox) tell(topic string, keys []string) {
	if o.bus.withhold(topic) {
		return
	}
	o.mu.Lock()
	if o.ended {
		o.mu.Unlock()
		return
	}
	o.add(topic, keys, changes{last: o.bus.now()})
	sent := o.sent
	o.mu.Unlock()
	o.rouse()
	deadline := time.NewTimer(handOver)
	defer deadline.Stop()
	select {
	case <-sent:
	case <-deadline.C:
	}
}

// raise adds a message without keys to the next batch, and does not wait for it. Where something is pending already, whoever
// added that sees to the batch.
func (o *outbox) raise(topic string) {
	if o.bus.withhold(topic) {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	if len(o.pending) == 0 {
		o.patience.Reset(company)
	}
	o.add(topic, nil, changes{all: true, signal: true, last: o.bus.now()})
}

// tellAll adds to the next batch that everything has changed of some topics, and does not wait for it.
func (o *outbox) tellAll(topics map[string]struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for topic := range topics {
		o.add(topic, nil, changes{all: true, last: o.bus.now()})
	}
	o.rouse()
}

// rouse has run send what is pending.
func (o *outbox) rouse() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake
	}
}

// add merges keys and the rest of more, whose keys it does not look at; mu is held.
func (o *outbox) add(topic string, keys []string, more changes) {
	c := o.pending[topic]
	if c.keys == nil {
		c.keys = make(map[string]struct{}, len(keys))
	}
	for _, key := range keys {
		c.keys[key] = struct{}{}
	}
	if c.all = c.all || more.all || len(c.keys) > maxKeys; c.all {
		clear(c.keys)
	}
	c.signal = more.signal
	c.last = max(c.last, more.last)
	o.pending[topic] = c
}

// run sends until ctx ends, then once more.
func (o *outbox) run(ctx context.Context) {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for ended := false; !ended; {
		select {
		case <-o.wake:
		case <-retry.C:
		case <-ctx.Done():
			ended = true
		}
		if !o.flush(context.WithoutCancel(ctx)) {
			retry.Reset(retryEvery)
		}
	}
	o.mu.Lock()
	o.ended = true
	close(o.sent)
	left := len(o.pending)
	o.mu.Unlock()
	if left > 0 {
		o.bus.dropped.Add(int64(left))
		return // the others miss us, and forget
	}
	o.bus.publish(context.WithoutCancel(ctx), message{From: o.bus.origin}.encode())
}

// flush offers what is pending and keeps what was not taken. It says whether all was.
func (o *outbox) flush(ctx context.Context) bool {
	o.mu.Lock()
	batch, offered := o.pending, o.sent
	o.pending, o.sent = map[string]changes{}, make(chan struct{})
	o.patience.Stop()
	o.mu.Unlock()
	riders := takeRiders(batch)
	for topic, c := range batch {
		if o.send(ctx, topic, c, slices.Collect(maps.Keys(riders))) {
			delete(batch, topic)
			clear(riders)
		}
	}
	maps.Copy(batch, riders)
	close(offered)
	return o.keep(batch)
}

// takeRiders takes the signals out of a batch that can go with the messages of something else, if only of one of them.
func takeRiders(batch map[string]changes) map[string]changes {
	riders := map[string]changes{}
	for topic, c := range batch {
		if c.signal && len(batch) > 1 {
			riders[topic] = c
			delete(batch, topic)
		}
	}
	return riders
}

// send offers the messages of a topic, and of the signals with it, to the links in turn, and says whether every one was taken.
func (o *outbox) send(ctx context.Context, topic string, c changes, signals []string) bool {
	for _, payload := range messages(o.bus.origin, topic, slices.Collect(maps.Keys(c.keys)), signals) {
		if !o.bus.publish(ctx, payload) {
			return false
		}
		o.bus.sent.Add(1)
	}
	return true
}

// keep puts back what was not taken, unless it is so old that nobody remembers what it is about. It says whether nothing is
// left.
func (o *outbox) keep(untaken map[string]changes) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for topic, c := range untaken {
		if o.bus.now()-c.last > LongTTL {
			o.bus.dropped.Add(1)
			delete(untaken, topic)
			continue
		}
		o.add(topic, slices.Collect(maps.Keys(c.keys)), c)
	}
	left := len(untaken) > 0
	switch {
	case left && o.stuck == 0:
		o.stuck = o.bus.now()
		o.bus.logger.Warn("cannot tell the other instances what has changed, trying again in the background")
	case !left && o.stuck != 0:
		o.stuck = 0
		o.bus.logger.Info("nothing waits to be told to the other instances any more")
	}
	return !left
}

// isStuck says whether something waits that nobody took.
func (o *outbox) isStuck() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stuck != 0
}
