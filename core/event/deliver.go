package event

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

const (
	// HandlerDeadline is what a handler has for an event, its transaction included.
	HandlerDeadline = 5 * time.Second
	// leaseTTL is how long a destination waits for a relay that died. It outlives a handler.
	leaseTTL = 2 * HandlerDeadline

	batchSize = 100

	// pauseAfter is how many events may fail one after the other before the destination as a whole is let alone for a while:
	// it is not they that are wrong.
	pauseAfter   = 3
	longestPause = time.Minute
	longestWait  = time.Hour // between two attempts at one event

	mostFault = 500 // characters of an error that are kept
)

// Outcome is what became of an attempt.
type Outcome string

// The outcomes. A failed attempt is followed by another later; a dead event has used them all up.
const (
	Delivered Outcome = "delivered"
	Failed    Outcome = "failed"
	Dead      Outcome = "dead"
)

// lease is a destination that this relay alone serves for a while. Whatever it writes is written only while that is so.
type lease struct {
	name     string
	until    time.Time
	readTo   int64 // every event up to here is delivered, not wanted, or has a delivery of its own
	failures int   // events that failed one after the other
	retryAt  *time.Time
}

// waitAfter is how long to wait after an attempt at an event: 1 s, 16 s, 81 s, …
func waitAfter(attempt int) time.Duration {
	return min(time.Duration(attempt*attempt*attempt*attempt)*time.Second, longestWait)
}

// pauseFor is how long a destination is let alone.
func pauseFor(failures int) time.Duration {
	if failures < pauseAfter {
		return 0
	}
	return min(time.Second<<min(failures-pauseAfter, 6), longestPause)
}

var (
	errPanicked = errors.New("the handler panicked; the log has the stack")
	// errNotNext says that the event is not to be delivered now, or not by this relay. It rolls the handler's transaction back.
	errNotNext = errors.New("event: not the next one")
	errLost    = errors.New("event: the destination is not as it was left")
)

// step takes the lease of the subscription and hands on a batch.
func (r *turn) step(ctx context.Context, s *Subscription) (looked int, err error) {
	l := &lease{name: s.name}
	if ok, err := (repository{r.options.DB}).take(ctx, l, r.owner, r.options.Clock.Now()); err != nil || !ok {
		return 0, err
	}
	again, err := r.redeliver(ctx, s, l)
	if err != nil {
		return again, err
	}
	read, err := r.readOn(ctx, s, l)
	return again + read, err
}

// ready says whether the next event may be tried, and has the lease outlive it.
func (r *turn) ready(ctx context.Context, l *lease) (bool, error) {
	now := r.options.Clock.Now()
	if r.isOver() || l.retryAt != nil && l.retryAt.After(now) {
		return false, nil
	}
	if l.until.Sub(now) > HandlerDeadline+time.Second {
		return true, nil
	}
	ok, err := repository{r.options.DB}.take(ctx, l, r.owner, now)
	if err == nil && !ok {
		err = errLost
	}
	return ok, err
}

// next is the lease after something that went well.
func (r *relay) next(l *lease) lease {
	return lease{name: l.name, until: r.options.Clock.Now().Add(leaseTTL), readTo: l.readTo}
}

// readOn hands on events that were not read yet.
func (r *turn) readOn(ctx context.Context, s *Subscription, l *lease) (read int, err error) {
	batch, err := repository{r.options.DB}.after(ctx, l.readTo, batchSize)
	if err != nil {
		return 0, err
	}
	var unwanted int64 // the last that was passed over
	for _, e := range batch {
		if _, wanted := s.handlers[e.Type]; wanted {
			ok, err := r.ready(ctx, l)
			if err == nil && ok {
				err = r.deliver(ctx, s, l, e)
			}
			if err != nil {
				return read, err
			}
			if !ok {
				break
			}
		} else {
			unwanted = *e.number
		}
		read++
	}
	if unwanted <= l.readTo {
		return read, nil
	}
	next := *l
	next.readTo = unwanted
	return read, r.keep(ctx, repository{r.options.DB}, l, next)
}

// keep moves the lease on, or returns errLost.
func (r *relay) keep(ctx context.Context, repo repository, l *lease, next lease) error {
	ok, err := repo.keep(ctx, r.owner, *l, next)
	if err == nil && !ok {
		err = errLost
	}
	return err
}

// deliver offers an event for the first time. Where an earlier one of its subject is not settled, it waits behind that.
func (r *turn) deliver(ctx context.Context, s *Subscription, l *lease, e stored) error {
	next := r.next(l)
	next.readTo = *e.number
	fault := r.attempt(ctx, s, e, func(ctx context.Context, tx *database.Tx) error {
		ok, err := repository{tx}.advance(ctx, r.owner, *l, next, e.Subject)
		if err == nil && !ok {
			err = errNotNext
		}
		return err
	})
	d := delivery{stored: e, destination: s.name}
	switch {
	case fault == nil:
		*l = next
		r.options.Observe(s.name, Delivered)
		return nil
	case errors.Is(fault, errNotNext):
		next.failures, next.retryAt = l.failures, l.retryAt
	default:
		r.fail(ctx, l, &next, &d, fault)
	}
	err := r.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := r.keep(ctx, repository{tx}, l, next); err != nil {
			return err
		}
		return repository{tx}.putDelivery(ctx, d)
	})
	if err == nil {
		*l = next
		r.told(s.name, d)
	}
	return err
}

// redeliver offers events again that are due.
func (r *turn) redeliver(ctx context.Context, s *Subscription, l *lease) (tried int, err error) {
	if l.retryAt != nil && l.retryAt.After(r.options.Clock.Now()) {
		return 0, nil
	}
	list, err := repository{r.options.DB}.due(ctx, s.name, r.options.Clock.Now(), batchSize)
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		if ok, err := r.ready(ctx, l); err != nil || !ok {
			return tried, err
		}
		if err := r.deliverAgain(ctx, s, l, d); err != nil {
			return tried, err
		}
		tried++
	}
	return tried, nil
}

func (r *turn) deliverAgain(ctx context.Context, s *Subscription, l *lease, d delivery) error {
	next := r.next(l)
	fault := r.attempt(ctx, s, d.stored, func(ctx context.Context, tx *database.Tx) error {
		if err := r.keep(ctx, repository{tx}, l, next); err != nil {
			return err
		}
		ok, err := repository{tx}.removeDue(ctx, d)
		if err == nil && !ok {
			err = errNotNext
		}
		if err != nil {
			return err
		}
		return repository{tx}.releaseNext(ctx, s.name, d.Subject, r.options.Clock.Now())
	})
	switch {
	case fault == nil:
		*l = next
		r.options.Observe(s.name, Delivered)
		return nil
	case errors.Is(fault, errNotNext):
		return nil
	case errors.Is(fault, errLost):
		return errLost
	}
	r.fail(ctx, l, &next, &d, fault)
	err := r.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := r.keep(ctx, repository{tx}, l, next); err != nil {
			return err
		}
		ok, err := repository{tx}.changeDue(ctx, d)
		if err == nil && !ok {
			err = errLost // it was settled after all, or somebody has asked for another attempt
		}
		if err != nil || d.deadAt == nil {
			return err
		}
		return repository{tx}.releaseNext(ctx, s.name, d.Subject, *d.deadAt)
	})
	if err == nil {
		*l = next
		r.told(s.name, d)
	}
	return err
}

// attempt has the handler work in the transaction that takes the event off the list. A stop waits for it.
func (r *turn) attempt(ctx context.Context, s *Subscription, e stored, take func(ctx context.Context, tx *database.Tx) error) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), HandlerDeadline)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			logPanic(ctx, r.options.Logger.With("destination", s.name, "type", e.Type, "event_id", e.ID), v)
			err = errPanicked
		}
	}()
	h, wanted := s.handlers[e.Type]
	return r.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := take(ctx, tx); err != nil || !wanted { // of a type that this version no longer wants
			return err
		}
		return h.handle(ctx, tx, e.Envelope)
	})
}

// logPanic logs where it happened. Of the value it logs the type, and the text where the runtime wrote it: any other may
// hold what no log may.
func logPanic(ctx context.Context, log *slog.Logger, v any) {
	cause := ""
	if err, ok := v.(runtime.Error); ok {
		cause = err.Error()
	}
	log.ErrorContext(ctx, "handler of an event panicked", "panic", fmt.Sprintf("%T", v), "cause", cause, "stack", string(debug.Stack()))
}

// fail decides what follows from an attempt that failed, for the event and, where several have failed one after the other,
// for the destination.
func (r *relay) fail(ctx context.Context, l, next *lease, d *delivery, fault error) {
	now := r.options.Clock.Now()
	text := fault.Error()
	if len(text) > mostFault {
		text = text[:mostFault]
	}
	text = strings.ToValidUTF8(text, "") // it may be somebody else's, or cut within a letter
	d.attempts, d.fault = d.attempts+1, &text
	answer, _ := errors.AsType[refusal](fault)
	next.failures, next.retryAt = l.failures, nil
	if d.attempts == 1 && !answer.permanent {
		next.failures++
	}
	if pause := pauseFor(next.failures); pause > 0 {
		at := now.Add(pause)
		next.retryAt = &at
	}
	log := r.options.Logger.With("destination", l.name, "type", d.Type, "event_id", d.ID, "attempt", d.attempts, "of", r.options.Settings.MaxAttempts)
	if answer.permanent || d.attempts >= r.options.Settings.MaxAttempts {
		d.dueAt, d.deadAt = nil, &now
		log.ErrorContext(ctx, "event failed for the last time and is set aside", "cause", fault)
		return
	}
	at := now.Add(waitAfter(d.attempts))
	d.dueAt, d.deadAt = &at, nil
	log.WarnContext(ctx, "event failed; it will be tried again", "cause", fault)
}

// told counts what was written down.
func (r *relay) told(name string, d delivery) {
	switch {
	case d.deadAt != nil:
		r.options.Observe(name, Dead)
	case d.attempts > 0:
		r.options.Observe(name, Failed)
	}
}
