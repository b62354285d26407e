package ratelimit

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/core/errs"
)

// jitter is how much further apart Redis may have seen two checks than this process did.
const jitter = int64(200 * time.Millisecond / time.Microsecond)

// Failover is a Limiter over a shared one, Redis, and this process's memory. While the shared one answers it decides, and
// memory notes what this instance granted. While it is away, memory decides with the whole quota. Since memory knows what
// was granted before, no instance grants more than the quota when the shared counts come back, go or are lost: what memory
// says is used up is refused, whatever the shared one says, and without asking it, so that a flood costs it nothing.
type Failover struct {
	shared   Limiter
	memory   *Memory
	logger   *slog.Logger
	degraded atomic.Bool
	count    atomic.Uint64
}

// NewFailover makes a Limiter over both.
func NewFailover(shared Limiter, memory *Memory, logger *slog.Logger) *Failover {
	return &Failover{shared: shared, memory: memory, logger: logger}
}

// Degraded says whether the last answer had to come from memory alone.
func (f *Failover) Degraded() bool { return f.degraded.Load() }

// DegradedTotal counts the calls that memory alone decided, for metrics.
func (f *Failover) DegradedTotal() uint64 { return f.count.Load() }

// Allow implements Limiter. Its only errors are mistakes in the call.
func (f *Failover) Allow(ctx context.Context, checks ...Check) ([]Decision, error) {
	return f.decide(ctx, checks, f.shared.Allow, true)
}

// Peek implements Limiter. Its only errors are mistakes in the call.
func (f *Failover) Peek(ctx context.Context, checks ...Check) ([]Decision, error) {
	return f.decide(ctx, checks, f.shared.Peek, false)
}

// decide asks the shared limiter, and memory where there is no answer. count says whether what is allowed is counted.
func (f *Failover) decide(ctx context.Context, checks []Check, ask func(context.Context, ...Check) ([]Decision, error), count bool) ([]Decision, error) {
	if err := verify(checks); err != nil || len(checks) == 0 {
		return nil, err
	}
	own := make([]Decision, len(checks))
	if !f.memory.decide(checks, own, jitter, false) {
		return own, nil
	}
	shared, err := ask(ctx, checks...)
	switch {
	case errors.Is(err, errs.ErrUnavailable):
		if ctx.Err() == nil { // otherwise the caller left, which says nothing about Redis
			f.note(true)
		}
		f.count.Add(1)
		f.memory.decide(checks, own, 0, count)
		return own, nil
	case err != nil:
		return nil, err
	}
	f.note(false)
	if count && Allowed(shared) && !f.memory.decide(checks, own, jitter, true) { // lost counts, and others of this instance were quicker
		return own, nil
	}
	return shared, nil
}

// note logs a change of state, once.
func (f *Failover) note(degraded bool) {
	if f.degraded.Load() == degraded || !f.degraded.CompareAndSwap(!degraded, degraded) {
		return
	}
	if degraded {
		f.logger.Warn("rate limits count in this instance alone, redis is unavailable")
	} else {
		f.logger.Info("rate limits are shared through redis again")
	}
}
