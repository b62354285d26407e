package push

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	minPause = 50 * time.Millisecond // before connecting anew at first, doubled each time
	maxPause = time.Second

	// publishDeadline bounds the hand-over of one message.
	publishDeadline = time.Second
)

// channel is one server that carries messages. LISTEN/NOTIFY and client-side caching implement it.
type channel interface {
	// publish hands a message over to the server.
	publish(ctx context.Context, payload string) error
	// follow connects, calls l.up, hands what comes to l.told and sends l.beat's heartbeats, until the connection is lost
	// or ctx ends.
	follow(ctx context.Context, l *link) error
}

// link is a channel and what is known of it.
type link struct {
	bus     *Bus
	name    string
	channel channel

	// guarded by bus.mu
	connected time.Duration // when the connection stood; zero while there is none
	proven    time.Duration // when the newest heartbeat that came back was sent; zero before the first
	alive     bool
	timer     *time.Timer // ends what was proven
}

// now is the time in a Bus's reckoning, never zero.
func (b *Bus) now() time.Duration { return max(time.Since(b.started), 1) }

// publish offers a message to each link until one takes it.
func (b *Bus) publish(ctx context.Context, payload string) bool {
	for _, l := range b.links {
		deadline, cancel := context.WithTimeout(ctx, publishDeadline)
		err := l.channel.publish(deadline, payload)
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

// run keeps the link connected until ctx ends.
func (l *link) run(ctx context.Context) {
	pause := minPause
	for ctx.Err() == nil {
		err := l.channel.follow(ctx, l)
		if l.down(ctx, err) {
			pause = minPause
		}
		wait := time.NewTimer(pause/2 + rand.N(pause)) //nolint:gosec // spreads load, guards nothing
		select {
		case <-wait.C:
		case <-ctx.Done():
		}
		wait.Stop()
		pause = min(2*pause, maxPause)
	}
}

// up notes that the connection stands: heartbeats sent from now on prove it.
func (l *link) up() {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	l.connected = l.bus.now()
}

// told takes what the connection brings.
func (l *link) told(payload string) { l.bus.receive(l, payload) }

// beat makes a heartbeat, or gives false while something waits to be told that nobody took.
func (l *link) beat() (string, bool) {
	if l.bus.outbox.isStuck() {
		return "", false
	}
	return message{From: l.bus.origin, Beat: int64(l.bus.now())}.encode(), true
}

// prove notes that a heartbeat came back.
func (l *link) prove(sent time.Duration) {
	b := l.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	left := silence - (b.now() - sent)
	if b.closed || l.connected == 0 || sent < l.connected || sent <= l.proven || left <= 0 {
		return
	}
	first := !l.alive
	l.proven, l.alive = sent, true
	if l.timer == nil {
		l.timer = time.AfterFunc(left, l.expire)
	} else {
		l.timer.Reset(left)
	}
	b.missPeers()
	if first {
		b.settle()
		b.logger.Info("changes elsewhere are told at once", "channel", l.name)
	}
}

// expire runs when what was proven has become too old.
func (l *link) expire() {
	b := l.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	if l.alive && b.now()-l.proven >= silence {
		l.alive = false
		b.settle()
		b.logger.Warn("a channel to the other instances is silent, remembering for a second at most", "channel", l.name)
	}
}

// down notes that the connection is lost. It says whether it had been proven.
func (l *link) down(ctx context.Context, err error) bool {
	b := l.bus
	b.mu.Lock()
	defer b.mu.Unlock()
	was, proved := l.alive, l.proven != 0
	l.connected, l.proven, l.alive = 0, 0, false
	if l.timer != nil {
		l.timer.Stop()
	}
	b.settle()
	if was && ctx.Err() == nil {
		b.logger.WarnContext(ctx, "a channel to the other instances is lost, remembering for a second at most", "channel", l.name, "cause", err)
	}
	return proved
}

func (l *link) isAlive() bool {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	return l.alive
}

// isProven says whether a heartbeat came back on this connection.
func (l *link) isProven() bool {
	l.bus.mu.Lock()
	defer l.bus.mu.Unlock()
	return l.proven != 0
}
