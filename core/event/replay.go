package event

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// replayStep is how many events a transaction of a replay looks at.
const replayStep = 500

// Span says which events are replayed: those that happened from Since up to Until, both included. Zero fields are not asked
// about.
type Span struct {
	Since, Until time.Time
	Type         string // as on the wire
}

func (s Span) holds(e stored) bool {
	return !e.Time.Before(s.Since) && (s.Until.IsZero() || !e.Time.After(s.Until)) && (s.Type == "" || e.Type == s.Type)
}

// Also is what belongs into a transaction that offers events again: to how many destinations, all of the events together. It
// is not asked where there is nothing to offer.
type Also func(ctx context.Context, tx *database.Tx, deliveries int) error

// Replay has an event offered again to a destination that got it or where it was set aside, or, with an empty name, to every
// such one. It has its attempts anew, and the same id. It says to how many, and returns ErrNotFound, ErrNoDestination, or
// ErrNotNumbered.
func (o *Outbox) Replay(ctx context.Context, destination string, id uuid.UUID, also ...Also) (n int, err error) {
	err = o.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) (err error) {
		if n, err = o.ReplayTx(ctx, tx, destination, id); err != nil {
			return err
		}
		return besides(ctx, tx, n, also)
	})
	return n, err
}

// ReplayTx is Replay in a transaction.
func (o *Outbox) ReplayTx(ctx context.Context, tx *database.Tx, destination string, id uuid.UUID) (n int, err error) {
	repo := repository{tx}
	e, err := repo.byID(ctx, id)
	if err != nil {
		return 0, err
	}
	if e.number == nil {
		return 0, ErrNotNumbered
	}
	list, err := o.again(ctx, repo, destination, []stored{e})
	if err != nil {
		return 0, err
	}
	return len(list), o.offerTx(ctx, tx, list)
}

// ReplaySpan is Replay for many events, step by step, each in a transaction. It says how many deliveries are to come of it.
func (o *Outbox) ReplaySpan(ctx context.Context, destination string, span Span, also ...Also) (n int, err error) {
	db := repository{o.options.DB}
	for behind := int64(0); ; {
		events, err := db.after(ctx, behind, replayStep)
		if err != nil {
			return n, err
		}
		more := len(events) == replayStep
		if more {
			behind = *events[replayStep-1].number
		}
		list, err := o.again(ctx, db, destination, slices.DeleteFunc(events, func(e stored) bool { return !span.holds(e) }))
		if err == nil {
			err = o.offer(ctx, list, also)
		}
		if err != nil {
			return n, err
		}
		if n += len(list); !more {
			return n, nil
		}
	}
}

// again gives the deliveries of events to the destinations that have read past them. What they are still to read comes by
// itself.
func (o *Outbox) again(ctx context.Context, repo repository, destination string, events []stored) (list []delivery, err error) {
	readTo, err := repo.readTo(ctx)
	if err != nil {
		return nil, err
	}
	if destination != "" {
		to, ok := readTo[destination]
		if !ok {
			return nil, ErrNoDestination
		}
		readTo = map[string]int64{destination: to}
	}
	for _, name := range slices.Sorted(maps.Keys(readTo)) {
		for _, e := range events {
			if *e.number <= readTo[name] && o.wants(name, e.Type) {
				list = append(list, delivery{stored: e, destination: name})
			}
		}
	}
	return list, nil
}

// wants says whether a destination takes a type, as far as this program knows.
func (o *Outbox) wants(destination, name string) bool {
	for _, d := range o.routes() {
		if d.name == destination {
			return d.wants(name)
		}
	}
	return true
}

// RetryDead offers again what was set aside at a destination or, with an empty name, at every one: the events with the ids,
// or all where there are none, step by step, each in a transaction. It says how many.
func (o *Outbox) RetryDead(ctx context.Context, destination string, ids []uuid.UUID, also ...Also) (n int, err error) {
	for {
		list, err := repository{o.options.DB}.dead(ctx, destination, ids, replayStep)
		if err != nil || len(list) == 0 {
			return n, err
		}
		if err := o.offer(ctx, list, also); err != nil {
			return n, err
		}
		n += len(list)
	}
}

// offer is offerTx in a transaction of its own.
func (o *Outbox) offer(ctx context.Context, list []delivery, also []Also) error {
	if len(list) == 0 {
		return nil
	}
	return o.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := o.offerTx(ctx, tx, list); err != nil {
			return err
		}
		return besides(ctx, tx, len(list), also)
	})
}

// besides does what else belongs into the transaction of n deliveries.
func besides(ctx context.Context, tx *database.Tx, n int, also []Also) error {
	if n == 0 {
		return nil
	}
	for _, f := range also {
		if err := f(ctx, tx, n); err != nil {
			return err
		}
	}
	return nil
}

// offerTx makes deliveries due, those of one subject one after the other, at once.
func (o *Outbox) offerTx(ctx context.Context, tx *database.Tx, list []delivery) error {
	type queue struct {
		destination string
		subject     account.ID
	}
	repo, queues := repository{tx}, map[queue]bool{}
	for _, d := range list {
		fresh := delivery{stored: d.stored, destination: d.destination}
		if err := repo.putDelivery(ctx, fresh); err != nil {
			return err
		}
		queues[queue{d.destination, d.Subject}] = true
	}
	now := o.options.Clock.Now()
	for q := range queues {
		if err := repo.releaseNext(ctx, q.destination, q.subject, now); err != nil {
			return err
		}
	}
	tx.AfterCommit(o.signal.Raise)
	return nil
}
