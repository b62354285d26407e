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

// Replay has an event offered again to a destination that got it or where it was set aside, or, with an empty name, to every
// such one. It has its attempts anew, and the same id. It says to how many, and returns ErrNotFound, ErrNoDestination, or
// ErrNotNumbered.
func (o *Outbox) Replay(ctx context.Context, destination string, id uuid.UUID) (n int, err error) {
	e, err := repository{o.options.DB}.byID(ctx, id)
	if err != nil {
		return 0, err
	}
	if e.number == nil {
		return 0, ErrNotNumbered
	}
	return o.again(ctx, destination, func(repository) ([]stored, error) { return []stored{e}, nil })
}

// ReplaySpan is Replay for many events, step by step. It says how many deliveries are to come of it.
func (o *Outbox) ReplaySpan(ctx context.Context, destination string, span Span) (n int, err error) {
	for behind := int64(0); ; {
		read := 0
		m, err := o.again(ctx, destination, func(r repository) ([]stored, error) {
			list, err := r.after(ctx, behind, replayStep)
			if read = len(list); read > 0 {
				behind = *list[read-1].number
			}
			return slices.DeleteFunc(list, func(e stored) bool { return !span.holds(e) }), err
		})
		n += m
		if err != nil || read < replayStep {
			return n, err
		}
	}
}

// again offers events to the destinations that have read past them, in one transaction. What they are still to read comes by
// itself.
func (o *Outbox) again(ctx context.Context, destination string, find func(repository) ([]stored, error)) (n int, err error) {
	db := repository{o.options.DB}
	events, err := find(db)
	if err != nil {
		return 0, err
	}
	readTo, err := db.readTo(ctx)
	if err != nil {
		return 0, err
	}
	if destination != "" {
		to, ok := readTo[destination]
		if !ok {
			return 0, ErrNoDestination
		}
		readTo = map[string]int64{destination: to}
	}
	var list []delivery
	for _, name := range slices.Sorted(maps.Keys(readTo)) {
		for _, e := range events {
			if *e.number <= readTo[name] && o.wants(name, e.Type) {
				list = append(list, delivery{stored: e, destination: name})
			}
		}
	}
	return len(list), o.offer(ctx, list)
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
// or all where there are none. It says how many.
func (o *Outbox) RetryDead(ctx context.Context, destination string, ids ...uuid.UUID) (n int, err error) {
	for {
		list, err := repository{o.options.DB}.dead(ctx, destination, ids, replayStep)
		if err != nil || len(list) == 0 {
			return n, err
		}
		if err := o.offer(ctx, list); err != nil {
			return n, err
		}
		n += len(list)
	}
}

// offer makes deliveries due, those of one subject one after the other, at once.
func (o *Outbox) offer(ctx context.Context, list []delivery) error {
	if len(list) == 0 {
		return nil
	}
	type queue struct {
		destination string
		subject     account.ID
	}
	return o.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
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
	})
}
