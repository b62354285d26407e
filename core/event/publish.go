package event

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// stepOutside hands a batch of what is due on to a destination outside the program, and one of what was not read yet. No
// transaction spans that: whoever dies, or loses the lease, after the destination has taken events and before that is written
// down has it get them a second time.
func (r *relay) stepOutside(ctx context.Context, d *route) (looked int, err error) {
	for _, again := range []bool{true, false} {
		l := &lease{name: d.name}
		b, err := r.readBatch(ctx, d, l, again)
		if err != nil {
			return looked, err
		}
		if len(b.all) == 0 {
			continue
		}
		if len(b.offered) > 0 {
			faults, kept := r.publish(ctx, d, b)
			if !kept {
				return looked, errLost
			}
			b.note(faults)
		}
		n, err := r.settle(ctx, d, l, b)
		looked += n
		if err != nil {
			return looked, err
		}
	}
	return looked, nil
}

// readBatch takes the lease, and reads what is due or what comes next. The batch is empty where there is nothing to do.
func (r *relay) readBatch(ctx context.Context, d *route, l *lease, again bool) (b *batch, err error) {
	b = &batch{again: again}
	if err := r.permit(ctx); err != nil {
		return b, nil // stopped, which is no failure
	}
	defer r.release()
	repo, now := repository{r.options.DB}, r.options.Clock.Now()
	if ok, err := repo.take(ctx, l, r.owner, now); err != nil || !ok || l.retryAt != nil && l.retryAt.After(now) {
		return b, err
	}
	if !again {
		return b, r.addNext(ctx, d, b, l.readTo)
	}
	due, err := repo.due(ctx, d.name, now, batchSize)
	if err != nil {
		return b, err
	}
	for _, x := range due {
		if err := r.addDue(ctx, d, b, x, batchSize/len(due)); err != nil {
			return b, err
		}
	}
	return b, nil
}

// addDue adds a delivery that is due and, where nothing speaks against it, those that wait behind it, up to a share of the
// batch.
func (r *relay) addDue(ctx context.Context, d *route, b *batch, x delivery, share int) error {
	list := []delivery{x}
	if x.attempts == 0 && share > 1 {
		behind, err := repository{r.options.DB}.behind(ctx, x, share-1)
		if err != nil {
			return err
		}
		list = append(list, behind...)
	}
	for _, x := range list {
		s := notTried
		if !d.wants(x.Type) {
			s = passedOver
		}
		b.add(x, s)
	}
	return nil
}

// addNext adds what was not read yet.
func (r *relay) addNext(ctx context.Context, d *route, b *batch, readTo int64) error {
	repo := repository{r.options.DB}
	events, err := repo.after(ctx, readTo, batchSize)
	if err != nil || len(events) == 0 {
		return err
	}
	waiting, err := repo.heldUp(ctx, d.name, readTo, *events[len(events)-1].number)
	if err != nil {
		return err
	}
	for _, e := range events {
		s := notTried
		switch {
		case !d.wants(e.Type):
			s = passedOver
		case waiting[*e.number]:
			s = held
		}
		b.add(delivery{stored: e, destination: d.name}, s)
	}
	return nil
}

// settle writes down what became of a batch, all of it or nothing. It says of how many events it has written.
func (r *relay) settle(ctx context.Context, d *route, l *lease, b *batch) (settled int, err error) {
	next := r.next(l)
	end := b.end()
	if b.again {
		end = len(b.all)
	} else if end > 0 {
		next.readTo = *b.all[end-1].number
	}
	r.pause(ctx, l, &next, b)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), HandlerDeadline) // a stop waits for it
	defer cancel()
	if err := r.permit(ctx); err != nil {
		return 0, err
	}
	defer r.release()
	err = r.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := r.keep(ctx, repository{tx}, l, next); err != nil {
			return err
		}
		if b.again {
			return r.writeAgain(ctx, repository{tx}, b)
		}
		return r.writeFirst(ctx, repository{tx}, b, end)
	})
	if err != nil {
		return 0, err
	}
	for i, state := range b.states[:end] {
		switch state {
		case taken:
			r.options.Observe(d.label, Delivered)
		case refused:
			r.told(d.label, b.all[i])
		case passedOver:
		case held, notTried:
			if b.again { // nothing has come of it
				continue
			}
		}
		settled++
	}
	return settled, nil
}

// pause decides what follows from the answers, for each event and for the destination as a whole.
func (r *relay) pause(ctx context.Context, l, next *lease, b *batch) {
	was := *l
	next.failures = l.failures
	for i, s := range b.states {
		switch s {
		case taken:
			if was.failures >= pauseAfter {
				r.options.Logger.InfoContext(ctx, "destination of events takes some again", "destination", l.name)
			}
			was.failures = 0
			next.failures, next.retryAt = 0, nil
		case refused:
			r.fail(ctx, &was, next, &b.all[i], b.faults[i])
			was.failures = next.failures
		case passedOver, held, notTried:
		}
	}
	for i, s := range b.states {
		away, ok := errors.AsType[refusal](b.faults[i])
		if s != notTried || !ok {
			continue
		}
		next.failures = max(was.failures, pauseAfter-1) + 1
		wait := away.after
		if wait == 0 {
			wait = min(pauseFor(next.failures), longestAway)
		}
		at := r.options.Clock.Now().Add(wait)
		next.retryAt = &at
		if was.failures < pauseAfter { // else it was said
			r.options.Logger.WarnContext(ctx, "destination of events takes none just now; it will be tried again", "destination", l.name, "cause", away)
		}
		return
	}
}

// writeFirst makes rows for what was read for the first time and is not settled.
func (r *relay) writeFirst(ctx context.Context, repo repository, b *batch, end int) error {
	now := r.options.Clock.Now()
	for i, d := range b.all[:end] {
		switch b.states[i] {
		case passedOver, taken:
			continue
		case notTried: // but a later one was
			d.dueAt = &now
		case held, refused:
		}
		if err := repo.putDelivery(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// writeAgain changes the rows of what was offered again.
func (r *relay) writeAgain(ctx context.Context, repo repository, b *batch) error {
	moved := map[account.ID]bool{}
	for i, d := range b.all {
		var err error
		switch b.states[i] {
		case passedOver, taken:
			moved[d.Subject] = true
			err = repo.removeOpen(ctx, d)
		case refused:
			moved[d.Subject] = moved[d.Subject] || d.deadAt != nil
			err = repo.putDelivery(ctx, d)
		case held, notTried: // stays as it is
		}
		if err != nil {
			return err
		}
	}
	for subject := range moved {
		if err := repo.releaseNext(ctx, b.all[0].destination, subject, r.options.Clock.Now()); err != nil {
			return err
		}
	}
	return nil
}

// permit waits until a destination may use the database.
func (r *relay) permit(ctx context.Context) error {
	select {
	case r.permits <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *relay) release() { <-r.permits }

// publish offers a batch to a destination and holds the lease meanwhile. kept says whether it was held throughout; then
// there is an answer for each event. A stop leaves the destination HandlerDeadline.
func (r *relay) publish(ctx context.Context, d *route, b *batch) (faults []error, kept bool) {
	running, cancel := context.WithTimeout(context.WithoutCancel(ctx), PublishDeadline)
	defer cancel()
	unhook := context.AfterFunc(ctx, func() {
		grace := time.NewTimer(HandlerDeadline)
		defer grace.Stop()
		select {
		case <-grace.C:
			cancel()
		case <-running.Done():
		}
	})
	defer unhook()
	lost := r.hold(running, d.name, cancel)
	list := make([]Envelope, 0, len(b.offered))
	for _, at := range b.offered {
		list = append(list, b.all[at].Envelope)
	}
	faults = r.ask(running, d, list)
	ended := running.Err()
	cancel()
	if <-lost {
		return nil, false
	}
	return blame(faults, ended), true
}

// hold renews a lease until ctx ends, so that it outlives what is done meanwhile. Where it is lost, it calls lose. Once it
// has ended, it says whether the lease was lost.
func (r *relay) hold(ctx context.Context, name string, lose func()) (lost <-chan bool) {
	answer := make(chan bool, 1)
	go func() {
		tick := time.NewTicker(leaseTTL / 4)
		defer tick.Stop()
		for started := time.Now(); ; {
			select {
			case <-ctx.Done():
				answer <- false
				return
			case <-tick.C:
			}
			start := time.Now()
			renewing, cancel := context.WithTimeout(ctx, leaseTTL/4)
			ok, err := repository{r.options.DB}.take(renewing, &lease{name: name}, r.owner, r.options.Clock.Now())
			cancel()
			switch {
			case err == nil && ok:
				started = start
			case err == nil || time.Since(started) > leaseTTL*3/4:
				lose()
				answer <- true
				return
			}
		}
	}()
	return answer
}

// ask has the destination answer for each event, whatever it does.
func (r *relay) ask(ctx context.Context, d *route, list []Envelope) (faults []error) {
	all := func(fault error) []error { return slices.Repeat([]error{fault}, len(list)) }
	defer func() {
		if v := recover(); v != nil {
			logPanic(ctx, r.options.Logger.With("destination", d.name), v)
			faults = all(errPanicked)
		}
	}()
	switch faults = d.outside.Publish(ctx, list); len(faults) {
	case 0:
		return all(nil)
	case len(list):
		return faults
	default:
		return all(errMiscounted)
	}
}

// errMiscounted is a mistake in a destination.
var errMiscounted = errors.New("event: a destination answers for each event, or for none")

// blame says whose fault it is that a destination did not come to an end. Where a stop, it is nobody's. Where it used up its
// time, it is that of the first event that was not taken: should that be poison, it is set aside in the end.
func blame(faults []error, ended error) []error {
	spare := errors.Is(ended, context.Canceled)
	for i, fault := range faults {
		answer, _ := errors.AsType[refusal](fault)
		if ended == nil || fault == nil || answer.permanent || errors.Is(fault, ErrNotTried) {
			continue
		}
		if spare {
			faults[i] = ErrNotTried
		}
		spare = true
	}
	return faults
}
