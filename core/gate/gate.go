// Package gate lets few do a costly piece of work at a time, such as hashing a password or decoding a picture, and keeps
// goodput under overload: whoever would wait too long is told so at once instead of queueing.
package gate

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/core/errs"
)

// The causes behind errs.ErrUnavailable, for the log.
var (
	errQueueFull     = errors.New("the queue is longer than its deadline")
	errQueueDeadline = errors.New("no permit within the deadline")
)

// Stats are counts since the start, and the state of the moment.
type Stats struct {
	Permits int // at work at a time, at most
	Running int // at work now
	Queued  int // callers waiting now

	Done     uint64        // pieces of work finished
	Waited   uint64        // callers that got a permit after waiting
	WaitTime time.Duration // what those waited, in sum
	Shed     uint64        // callers sent away at once, since they would have waited too long
	TimedOut uint64        // callers that waited until the deadline in vain
	Left     uint64        // callers whose context ended while they waited

	MeanTime time.Duration // moving average of one piece of work
}

// Gate hands out permits, first come, first served. It keeps goodput under overload by refusing whoever would wait past
// the deadline, or past the time its own context has left, before any work is done for it.
type Gate struct {
	permits  int
	deadline time.Duration

	mu     sync.Mutex
	queue  list.List // of *waiter
	coming int       // callers that have announced themselves and are not here yet
	counts Stats
}

// comer is a caller on its way to a gate. Its context carries it.
type comer struct {
	gate *Gate
	here bool // it has come, or will not; under the gate's lock
}

type comerKey struct{}

// waiter is one caller in the queue.
type waiter struct {
	ctx     context.Context // ended contexts are passed over when a permit comes free
	granted chan struct{}   // closed under the gate's lock when the waiter has a permit
}

// New makes a gate. guess is how long the work takes, until it was measured; it is more than nothing.
func New(permits int, deadline, guess time.Duration) *Gate {
	return &Gate{permits: permits, deadline: deadline, counts: Stats{Permits: permits, MeanTime: guess}}
}

// Enter takes a permit; Leave gives it back. It returns errs.ErrUnavailable where there will be none in time, with the
// context's error as its cause where the context has ended.
func (g *Gate) Enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return errs.ErrUnavailable.WithCause(err)
	}
	g.mu.Lock()
	g.arrive(ctx)
	if g.counts.Running < g.permits {
		g.counts.Running++
		g.mu.Unlock()
		return nil
	}
	if err := g.shed(ctx, 0); err != nil {
		g.mu.Unlock()
		return err
	}
	w := &waiter{ctx: ctx, granted: make(chan struct{})}
	place := g.queue.PushBack(w)
	g.mu.Unlock()
	return g.wait(w, place)
}

// Announce keeps a place for a caller that has something to do before it enters, such as asking a store, so that a flood
// is sent away before that is done in vain. The caller enters with the context it gets, and calls off in any case; it is
// counted until the first of the two. It returns errs.ErrUnavailable as Enter does, of which everyone ahead counts: at
// work, waiting, and announced.
func (g *Gate) Announce(ctx context.Context) (coming context.Context, off func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.counts.Running+g.coming >= g.permits {
		if err := g.shed(ctx, g.counts.Running-g.permits+g.coming); err != nil {
			return nil, nil, err
		}
	}
	c := &comer{gate: g}
	g.coming++
	return context.WithValue(ctx, comerKey{}, c), func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		c.leave()
	}, nil
}

// leave takes the caller out of the count of those on their way. The lock is held.
func (c *comer) leave() {
	if !c.here {
		c.here = true
		c.gate.coming--
	}
}

// arrive ends the announcement that a context carries. The lock is held.
func (g *Gate) arrive(ctx context.Context) {
	if c, ok := ctx.Value(comerKey{}).(*comer); ok && c.gate == g {
		c.leave()
	}
}

// shed sends away whoever would wait too long behind the queue and so many more. The lock is held, and no permit is free.
func (g *Gate) shed(ctx context.Context, more int) error {
	wait := g.expectedWait(more)
	if wait <= g.patience(ctx) {
		return nil
	}
	g.counts.Shed++
	return unavailable(wait, errQueueFull)
}

// wait blocks until the waiter is granted a permit, is out of time, or its context has ended.
func (g *Gate) wait(w *waiter, place *list.Element) error {
	start := time.Now()
	timer := time.NewTimer(g.deadline)
	defer timer.Stop()
	select {
	case <-w.granted:
	case <-w.ctx.Done():
	case <-timer.C:
	}

	g.mu.Lock()
	defer g.mu.Unlock()
	granted := false
	select {
	case <-w.granted:
		granted = true
	default:
		g.queue.Remove(place)
	}
	switch err := w.ctx.Err(); {
	case err != nil:
		g.counts.Left++
		if granted {
			g.passOn()
		}
		return errs.ErrUnavailable.WithCause(err)
	case !granted:
		g.counts.TimedOut++
		return unavailable(g.expectedWait(0), errQueueDeadline)
	}
	g.counts.Waited++
	g.counts.WaitTime += time.Since(start)
	return nil
}

// Leave gives a permit back, after work that took so long.
func (g *Gate) Leave(took time.Duration) {
	const weight = 8 // the average follows a change of load within about eight of them
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts.Done++
	// One that took very long, such as beside the thousand refusals of a flood, does not shorten the queue for all.
	g.counts.MeanTime += (min(took, 4*g.counts.MeanTime) - g.counts.MeanTime) / weight
	g.passOn()
}

// passOn hands the permit of the caller to the first waiter that still wants it, else frees it. The lock is held.
func (g *Gate) passOn() {
	for place := g.queue.Front(); place != nil; place = g.queue.Front() {
		w, _ := g.queue.Remove(place).(*waiter)
		if w.ctx.Err() == nil {
			close(w.granted)
			return
		}
	}
	g.counts.Running--
}

// expectedWait is how long a caller would stand in the queue behind it and so many more. The lock is held.
func (g *Gate) expectedWait(more int) time.Duration {
	return g.counts.MeanTime * time.Duration(g.queue.Len()+more+1) / time.Duration(g.permits)
}

// patience is how long the caller may wait: the deadline, or less where its context ends sooner, the work included. The
// lock is held.
func (g *Gate) patience(ctx context.Context) time.Duration {
	ends, ok := ctx.Deadline()
	if !ok {
		return g.deadline
	}
	return min(g.deadline, time.Until(ends)-g.counts.MeanTime)
}

// Stats gives the counts.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.counts
	s.Queued = g.queue.Len()
	return s
}

// unavailable asks to try again after the wait, in whole seconds as the header has them, and one at least.
func unavailable(wait time.Duration, cause error) error {
	whole := max((wait + time.Second - 1).Truncate(time.Second), time.Second)
	return errs.ErrUnavailable.WithRetryAfter(whole).WithCause(cause)
}
