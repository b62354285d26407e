package event

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
)

// What operators ask for.
var (
	// ErrNotFound is an event that is not there, or not any more.
	ErrNotFound = errors.New("there is no such event; it may have been older than events.retention")
	// ErrNoDestination is a name that no destination has.
	ErrNoDestination = errors.New("there is no such destination")
	// ErrNotNumbered is an event that was written just now: every destination is still to get it.
	ErrNotNumbered = errors.New("the event is on its way to every destination already")
)

// Filter says which events a list is of. Zero fields are not asked about.
type Filter struct {
	Type    string // as on the wire
	Subject account.ID
	Limit   int
}

// Listed is an event as operators see it.
type Listed struct {
	Envelope
	Number int64 // place in the order of delivery; 0 before it has one
}

// List gives the newest events that meet the filter, the newest first.
func (o *Outbox) List(ctx context.Context, f Filter) ([]Listed, error) {
	all, err := repository{o.options.DB}.list(ctx, f)
	out := make([]Listed, 0, len(all))
	for _, s := range all {
		out = append(out, s.listed())
	}
	return out, err
}

func (s stored) listed() Listed {
	l := Listed{Envelope: s.Envelope}
	if s.number != nil {
		l.Number = *s.number
	}
	return l
}

// State is what has become of an event at a destination.
type State string

// The states. A held event waits for an earlier one of its subject.
const (
	StatePending  State = "pending"
	StateSettled  State = "settled" // delivered, or not wanted
	StateRetrying State = "retrying"
	StateHeld     State = "held"
	StateDead     State = "dead"
)

// Delivery is an event at a destination.
type Delivery struct {
	Listed
	Destination string
	State       State
	Attempts    int
	DueAt       *time.Time // of the next attempt
	DeadAt      *time.Time // when it was set aside
	Fault       string     // what the latest attempt came to; empty where the account was deleted since
}

func (d delivery) public() Delivery {
	p := Delivery{Listed: d.listed(), Destination: d.destination, Attempts: d.attempts, DueAt: d.dueAt, DeadAt: d.deadAt}
	if d.fault != nil {
		p.Fault = *d.fault
	}
	switch {
	case d.deadAt != nil:
		p.State = StateDead
	case d.dueAt != nil:
		p.State = StateRetrying
	default:
		p.State = StateHeld
	}
	return p
}

// Find gives an event and what has become of it at every destination, or ErrNotFound.
func (o *Outbox) Find(ctx context.Context, id uuid.UUID) (Listed, []Delivery, error) {
	repo := repository{o.options.DB}
	s, err := repo.byID(ctx, id)
	if err != nil {
		return Listed{}, nil, err
	}
	open, err := repo.deliveries(ctx, id)
	if err != nil {
		return Listed{}, nil, err
	}
	readTo, err := repo.readTo(ctx)
	if err != nil {
		return Listed{}, nil, err
	}
	var all []Delivery
	for _, d := range open {
		all = append(all, d.public())
		delete(readTo, d.destination)
	}
	for name, to := range readTo {
		d := Delivery{Listed: s.listed(), Destination: name, State: StatePending}
		if s.number != nil && *s.number <= to {
			d.State = StateSettled
		}
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b Delivery) int { return strings.Compare(a.Destination, b.Destination) })
	return s.listed(), all, nil
}

// ListDead gives the first events that were set aside, at one destination or, with an empty name, at every one.
func (o *Outbox) ListDead(ctx context.Context, destination string, limit int) ([]Delivery, error) {
	all, err := repository{o.options.DB}.dead(ctx, destination, nil, limit)
	out := make([]Delivery, 0, len(all))
	for _, d := range all {
		out = append(out, d.public())
	}
	return out, err
}
