package event

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/telemetry"
)

// Migrations make the tables of this package. They belong to the reserved module name "core", behind those of core/token.
//
//go:embed migrations/*.sql
var Migrations embed.FS

// Outbox is where events are written, in the transaction of their cause, and handed on from. Modules declare their types
// while they are built; it takes events once it is open. It is safe for concurrent use then.
type Outbox struct {
	types   map[string]Type
	wake    chan struct{} // there may be something to hand on
	signal  *push.Signal
	changed *push.Signal // sources may list others
	stale   atomic.Bool  // they are to be asked

	options   Options
	fixed     []*route
	standings map[string]*standing // by label

	mu     sync.Mutex
	listed []*route // of the sources
}

// Options are what Open needs.
type Options struct {
	DB            *database.DB
	Jobs          *job.Queue // that the subscriptions' turns go through
	Source        string     // the installation, as tokens name their issuer
	Settings      Settings
	Clock         clock.Clock
	Logger        *slog.Logger
	Subscriptions []Subscription
	Destinations  []Destination // that stay while the program runs
	Sources       []Source      // of those that come and go
	// Observe is told of every attempt of this process, with the destination's name, or its source's; it may be nil.
	Observe func(destination string, outcome Outcome)
}

// NewOutbox makes one that takes declarations. Workers learn of events over the Bus, which may be opened later.
func NewOutbox(b *push.Bus) *Outbox {
	o := &Outbox{types: map[string]Type{}, wake: make(chan struct{}, 1)}
	o.signal = push.NewSignal(b, "events", o.nudge)
	o.changed = push.NewSignal(b, "event_destinations", o.heardOfChange)
	return o
}

// nudge has this process's relay look, if there is one.
func (o *Outbox) nudge() {
	select {
	case o.wake <- struct{}{}:
	default: // it is awake
	}
}

// Open makes it take events, and makes destinations of the subscriptions, beside those given: a new one gets what is
// committed from now on. The schema must be there.
func (o *Outbox) Open(ctx context.Context, options Options) error {
	if options.Observe == nil {
		options.Observe = func(string, Outcome) {}
	}
	subscriptions, err := o.check(options.Subscriptions)
	if err != nil {
		return err
	}
	fixed, err := fix(subscriptions, options.Destinations)
	if err != nil {
		return err
	}
	o.options, o.fixed, o.standings = options, fixed, map[string]*standing{}
	o.stale.Store(true)
	for _, name := range o.Destinations() {
		o.standings[name] = &standing{}
	}
	return o.register(ctx)
}

var errNotOpen = errors.New("event: the outbox is not open")

// maxData bounds an event: it tells that something happened, and is no file.
const maxData = 64 << 10

// Append writes events when, and only when, the transaction commits. Those of one account are delivered in the order in
// which transactions that wait for each other, such as for the account's row, have written them.
func (o *Outbox) Append(ctx context.Context, tx *database.Tx, events ...Event) error {
	if o.options.DB == nil {
		return errNotOpen
	}
	if len(events) == 0 {
		return nil
	}
	now, trace := o.options.Clock.Now(), telemetry.TraceParent(ctx)
	rows := make([]row, 0, len(events))
	for _, e := range events {
		r, err := o.rowOf(e)
		if err != nil {
			return err
		}
		r.source, r.at, r.trace = o.options.Source, now, trace
		rows = append(rows, r)
	}
	if err := (repository{tx}).insert(ctx, rows); err != nil {
		return err
	}
	tx.AfterCommit(o.signal.Raise)
	return nil
}

// rowOf encodes an event of a declared type.
func (o *Outbox) rowOf(e Event) (row, error) {
	about := e.Event()
	t, ok := o.types[typePrefix+about.Type]
	value := reflect.ValueOf(e)
	if !ok || value.Type() != t.holds {
		return row{}, fmt.Errorf("event: no module of this program declares %s as %T", about.Type, e)
	}
	if about.Subject.IsZero() {
		return row{}, fmt.Errorf("event: %s is about nobody", about.Type)
	}
	data, personal, err := t.encode(value)
	if err == nil && len(data)+len(personal) > maxData {
		err = fmt.Errorf("event: the data of %s is larger than %d bytes", about.Type, maxData)
	}
	id, idErr := uuid.NewV7()
	return row{id: id, name: t.Name, subject: about.Subject, data: data, personal: personal}, errors.Join(err, idErr)
}

// EraseTx takes what is personal out of an account's events, delivered or not, in the transaction that deletes the account.
// That they happened stays, with ids alone, until they expire.
func (o *Outbox) EraseTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	repo := repository{tx}
	if err := repo.erasePersonal(ctx, id); err != nil {
		return err
	}
	return repo.eraseErrors(ctx, id)
}

// mostExported bounds an export, all of which is in memory at once.
const mostExported = 10_000

// Export gives an account's events, the newest first, as destinations get them; nil where there are none.
func (o *Outbox) Export(ctx context.Context, id account.ID) ([]Envelope, error) {
	stored, err := repository{o.options.DB}.list(ctx, Filter{Subject: id, Limit: mostExported})
	if err != nil || len(stored) == 0 {
		return nil, err
	}
	all := make([]Envelope, 0, len(stored))
	for _, s := range stored {
		all = append(all, s.Envelope)
	}
	return all, nil
}

// numberStep is how many events a transaction numbers at most.
const numberStep = 1000

// number gives events that have been committed their place in the order of delivery, and says which is the last.
//
// The order is right although it is not that of the writing. Who waits for a transaction and then writes an event has a
// higher position, and whoever sees that event sees the one before it, too; so a statement that numbers what it sees, by
// position, never numbers an event before one that it follows. And since numbers are given to what is committed, under one
// lock, no lower one ever appears later, however long the transaction of its event stays open.
func (o *Outbox) number(ctx context.Context) (last int64, err error) {
	for {
		var n int64
		err := o.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) (err error) {
			repo := repository{tx}
			if last, err = repo.lockOrder(ctx); err != nil {
				return err
			}
			if n, err = repo.number(ctx, last, numberStep); err != nil || n == 0 {
				return err
			}
			last += n
			return repo.setLast(ctx, last)
		})
		if err != nil || n < numberStep {
			return last, err
		}
	}
}

// short is the name of a type without its prefix.
func short(name string) string { return strings.TrimPrefix(name, typePrefix) }
