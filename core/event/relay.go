package event

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

const (
	// pollListening and pollAlone are how often a relay looks unasked: where instances can tell each other, and where commands
	// write beside the server and nobody tells.
	pollListening = 5 * time.Second
	pollAlone     = 2 * time.Second
	shortestPoll  = 50 * time.Millisecond
	measureEvery  = 10 * time.Second
	askEvery      = 5 * time.Second // the sources

	lookDeadline = 10 * time.Second
)

// relay hands events on, in this process.
type relay struct {
	*Outbox

	owner   string // of leases: this relay and no other
	poll    time.Duration
	permits chan struct{} // each is for a destination outside to use the database

	// What follows belongs to watch, and to Start before that.
	serving map[string]*serving
	group   sync.WaitGroup
	asked   time.Time // the sources, the last time
}

// serving is a destination that this relay has a goroutine for.
type serving struct {
	route atomic.Pointer[route]
	work  chan struct{} // there may be something for it
	stop  context.CancelFunc
}

// databasePermits is how many destinations outside the program use the database at once, so that hundreds of them leave it
// to others.
const databasePermits = 4

func (o *Outbox) newRelay() *relay {
	r := &relay{Outbox: o, owner: rand.Text(), poll: pollAlone, permits: make(chan struct{}, databasePermits), serving: map[string]*serving{}}
	if db := o.options.DB; db.Engine() == database.PostgreSQL && !db.Pooled() {
		r.poll = pollListening
	}
	return r
}

// Start begins to hand events on, to subscriptions through jobs. ctx does not end that: stop does, which waits for the
// destinations outside that are at work, HandlerDeadline at most. Any number of processes may do it at once: each destination is
// served by one of them at a time.
func (o *Outbox) Start(ctx context.Context) (stop func()) {
	r := o.newRelay()
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.serveAll(running)
	r.group.Go(func() { r.watch(running) })
	return func() {
		cancel()
		r.group.Wait()
		if len(r.routes()) > 0 {
			r.giveUp(ctx)
		}
	}
}

// serveAll has a goroutine for every destination that there is, and none for those that are gone.
func (r *relay) serveAll(ctx context.Context) {
	gone := maps.Clone(r.serving)
	for _, d := range r.routes() {
		if s, ok := r.serving[d.name]; ok {
			s.route.Store(d)
			delete(gone, d.name)
			continue
		}
		r.serving[d.name] = r.begin(ctx, d)
	}
	for name, s := range gone {
		s.stop()
		delete(r.serving, name)
	}
}

func (r *relay) begin(ctx context.Context, d *route) *serving {
	ctx, cancel := context.WithCancel(ctx)
	s := &serving{work: make(chan struct{}, 1), stop: cancel}
	s.route.Store(d)
	r.group.Go(func() {
		defer cancel()
		r.serve(ctx, s)
	})
	return s
}

// follow asks the sources, now and then or when they have changed, and serves what they list.
func (r *relay) follow(ctx context.Context) error {
	if len(r.options.Sources) == 0 || !r.stale.Swap(false) && time.Since(r.asked) < askEvery {
		return nil
	}
	start := time.Now()
	r.asked = start
	asking, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	err := r.list(asking)
	r.serveAll(ctx)
	return err
}

// giveUp lets another relay go on at once.
func (r *relay) giveUp(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = repository{r.options.DB}.giveUp(ctx, r.owner) // where it fails, the leases end by themselves
}

// watch looks when it is told to, when something becomes due, and from time to time.
func (r *relay) watch(ctx context.Context) {
	looking := complaints{logger: r.options.Logger, what: "look for events"}
	asking := complaints{logger: r.options.Logger, what: "list the destinations of events"}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var measured time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
			if len(r.serving) == 0 && !r.stale.Load() {
				continue // nobody waits for events: the next look unasked numbers them, many at once
			}
		case <-timer.C:
		}
		asking.note(ctx, r.follow(ctx))
		next, err := r.look(ctx)
		if err == nil && time.Since(measured) >= measureEvery {
			start := time.Now()
			measured, err = start, r.measure(ctx)
		}
		looking.note(ctx, err)
		timer.Reset(next)
	}
}

// look numbers what has been committed, has those at work that there is something for, and says when to look again.
func (r *relay) look(ctx context.Context) (next time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	seen, err := repository{r.options.DB}.look(ctx)
	if err == nil && seen.unnumbered {
		seen.last, err = r.number(ctx)
	}
	if err != nil {
		return r.poll, err
	}
	next = r.poll
	now := r.options.Clock.Now()
	for name, s := range r.serving {
		d, ok := seen.destinations[name]
		if !ok {
			continue // it was forgotten or removed; where it is to be, the next start makes it anew
		}
		if wait := d.wait(seen.last, r.owner, now); wait > 0 {
			next = min(next, wait)
		} else if wait == 0 {
			select {
			case s.work <- struct{}{}:
			default: // it knows
			}
		}
	}
	return max(next, shortestPoll), nil
}

// wait gives how long there is nothing to do: 0 where there is something, and less where nothing is in sight.
func (d destination) wait(last int64, owner string, now time.Time) time.Duration {
	switch {
	case d.readTo < last || d.due != nil && !d.due.After(now):
	case d.due != nil:
		return d.due.Sub(now)
	default:
		return -1
	}
	if d.retryAt != nil && d.retryAt.After(now) {
		return d.retryAt.Sub(now)
	}
	if d.owner != nil && *d.owner != owner && d.leaseUntil.After(now) {
		return d.leaseUntil.Sub(now)
	}
	return 0
}

// measure notes how far the destinations are: each that stays, and those of a source together.
func (r *relay) measure(ctx context.Context) error {
	routes := r.routes()
	if len(routes) == 0 {
		return nil
	}
	labels := make(map[string]string, len(routes))
	for _, d := range routes {
		labels[d.name] = d.label
	}
	sums := map[string]measured{}
	ctx, cancel := context.WithTimeout(ctx, lookDeadline)
	defer cancel()
	err := repository{r.options.DB}.measure(ctx, func(name string, behind, dead int64, oldest *time.Time) {
		if label, ok := labels[name]; ok {
			sums[label] = sums[label].plus(behind, dead, oldest)
		}
	})
	if err != nil {
		return err
	}
	for label, s := range r.standings {
		s.note(sums[label])
	}
	return nil
}

// serve hands events on to a destination whenever there is something for it.
func (r *relay) serve(ctx context.Context, s *serving) {
	serving := complaints{logger: r.options.Logger.With("destination", s.route.Load().name), what: "hand events on"}
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.work:
		}
		looked, err := r.drain(ctx, s)
		serving.note(ctx, err)
		if err == nil && looked > 0 { // else the next look comes by itself, so that nothing turns in a circle
			r.nudge() // when to look next may have changed
		}
	}
}

// drain hands on what there is for a destination until nothing is left, it is paused, or another relay or a job serves it. It
// says how many events it has looked at.
func (r *relay) drain(ctx context.Context, s *serving) (looked int, err error) {
	for ctx.Err() == nil {
		d := s.route.Load()
		step := r.stepInside
		if d.outside != nil {
			step = r.stepOutside
		}
		n, err := step(ctx, d)
		looked += n
		if errors.Is(err, errLost) {
			return looked, nil
		}
		if err != nil || n == 0 {
			return looked, err
		}
	}
	return looked, nil
}

// Drain hands on every event that is there, to subscriptions by jobs that it enqueues, and says whether there was any. What failed
// waits for its next attempt. It is for tests and for commands that end.
func (o *Outbox) Drain(ctx context.Context) (found bool, err error) {
	if err := o.list(ctx); err != nil {
		return false, err
	}
	routes := o.routes()
	if len(routes) == 0 {
		return false, nil
	}
	r := o.newRelay()
	defer r.giveUp(ctx)
	if _, err := r.number(ctx); err != nil {
		return false, err
	}
	for _, d := range routes {
		s := &serving{}
		s.route.Store(d)
		n, err := r.drain(ctx, s)
		if err != nil {
			return found, err
		}
		found = found || n > 0
	}
	return found, nil
}

// complaints log a failure that comes again and again once, and its end. They belong to one goroutine.
type complaints struct {
	logger *slog.Logger
	what   string
	failed string // what was logged last; empty while all is well
}

func (c *complaints) note(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil: // stopped, which is no failure
	case err != nil && err.Error() != c.failed:
		c.failed = err.Error()
		c.logger.WarnContext(ctx, "work in the background fails, trying again", "work", c.what, "cause", err)
	case err == nil && c.failed != "":
		c.failed = ""
		c.logger.InfoContext(ctx, "work in the background goes on", "work", c.what)
	}
}
