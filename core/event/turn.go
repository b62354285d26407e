package event

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
)

const (
	// turnLength is how long a job hands events to a subscription before it lets other jobs have its worker.
	turnLength = 10 * time.Second
	// turnWait is how long a turn may wait for a worker before another is ordered in its place.
	turnWait = time.Minute
)

// turnArgs are of the job that hands a subscription the events that there are for it. Who makes it gives it the lease of the
// subscription, so that there is one at a time.
type turnArgs struct {
	Subscription string `json:"subscription"`
	Lease        string `json:"lease"`
}

// Kind implements job.Args.
func (turnArgs) Kind() string { return "events.turn" }

// turnOptions have a turn that fails tried again while its lease lasts. After that the relay orders another.
var turnOptions = job.Options{
	MaxAttempts: 3, Backoff: func(int) time.Duration { return 2 * time.Second }, Shows: []string{"subscription"},
}

// stepInside orders a turn where there is something for a subscription. What the subscription does not want it passes over
// here, so that this costs no job.
func (r *relay) stepInside(ctx context.Context, d *route) (looked int, err error) {
	repo, now := repository{r.options.DB}, r.options.Clock.Now()
	l := &lease{name: d.name}
	if ok, err := repo.take(ctx, l, r.owner, now); err != nil || !ok || l.retryAt != nil && l.retryAt.After(now) {
		return 0, err
	}
	again, err := repo.due(ctx, d.name, now, 1)
	if err != nil {
		return 0, err
	}
	if len(again) == 0 {
		var wanted bool
		if looked, wanted, err = r.passOver(ctx, d, l); err != nil || !wanted {
			return looked, err
		}
	}
	return looked + 1, r.order(ctx, l)
}

// passOver moves a subscription on to the first event that it wants, as far as a batch goes.
func (r *relay) passOver(ctx context.Context, d *route, l *lease) (unwanted int, wanted bool, err error) {
	repo := repository{r.options.DB}
	batch, err := repo.after(ctx, l.readTo, batchSize)
	if err != nil {
		return 0, false, err
	}
	unwanted = slices.IndexFunc(batch, func(e stored) bool { return d.wants(e.Type) })
	if wanted = unwanted >= 0; !wanted {
		unwanted = len(batch)
	}
	if unwanted == 0 {
		return 0, wanted, nil
	}
	next := *l
	next.readTo = *batch[unwanted-1].number
	if err := r.keep(ctx, repo, l, next); err != nil {
		return 0, false, err
	}
	*l = next
	return unwanted, wanted, nil
}

// order makes the job, and the lease its own.
func (r *relay) order(ctx context.Context, l *lease) error {
	next := turnArgs{Subscription: l.name, Lease: rand.Text()}
	return r.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		ok, err := repository{tx}.lend(ctx, l.name, r.owner, next.Lease, r.options.Clock.Now().Add(turnWait))
		if err == nil && !ok {
			err = errLost
		}
		if err != nil {
			return err
		}
		return r.options.Jobs.Enqueue(ctx, tx, next)
	})
}

// takeTurn works the job: it hands on what there is for a subscription until nothing is left, it is paused, or the turn is over.
// A turn that waited so long that another was ordered finds the lease taken, and does nothing. One that was ordered by another
// version of the program, for a subscription that this one does not have, leaves it to the next.
func (o *Outbox) takeTurn(ctx context.Context, j job.Job[turnArgs]) error {
	t, end := o.newTurn(ctx, j.Args.Lease, j.Stopping)
	defer end()
	s := o.subscription(j.Args.Subscription)
	if s != nil {
		if err := t.all(ctx, s); err != nil {
			return err // the lease stays until the next attempt, so that nothing turns in a circle
		}
	}
	t.giveUp(ctx)
	if s != nil {
		o.nudge() // for what the turn has left, and what came when it had looked
	}
	return nil
}

// turn hands events to a subscription, for as long as it lasts.
type turn struct {
	*relay // with the lease that the turn was given

	over <-chan struct{} // no other event is begun
}

// newTurn begins a turn, which is over after turnLength, or before that once its worker stops.
func (o *Outbox) newTurn(ctx context.Context, owner string, stopping <-chan struct{}) (t *turn, end func()) {
	lasting, end := context.WithTimeout(ctx, turnLength)
	go func() {
		select {
		case <-stopping:
			end()
		case <-lasting.Done():
		}
	}()
	t = &turn{relay: o.newRelay(), over: lasting.Done()}
	t.owner = owner
	return t, end
}

func (r *turn) isOver() bool {
	select {
	case <-r.over:
		return true
	default:
		return false
	}
}

// all hands on batch after batch.
func (r *turn) all(ctx context.Context, s *Subscription) error {
	for !r.isOver() {
		n, err := r.step(ctx, s)
		if errors.Is(err, errLost) {
			return nil
		}
		if err != nil || n == 0 {
			return err
		}
	}
	return nil
}

// subscription gives one of this program, or nil.
func (o *Outbox) subscription(name string) *Subscription {
	for _, d := range o.fixed {
		if d.name == name {
			return d.inside
		}
	}
	return nil
}
