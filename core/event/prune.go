package event

import (
	"context"
	"time"

	"github.com/gatehouse/gatehouse/core/job"
)

const (
	pruneEvery = time.Hour
	// pruneStep is how many events a statement deletes at most.
	pruneStep = 1000
)

// pruneArgs are of the job that deletes events past their retention.
type pruneArgs struct{}

// Kind implements job.Args.
func (pruneArgs) Kind() string { return "events.prune" }

// Jobs are the package's own.
func (o *Outbox) Jobs() ([]job.Handler, []job.Periodic) {
	return []job.Handler{
			job.Handle(job.Options{}, func(ctx context.Context, _ job.Job[pruneArgs]) error { return o.Prune(ctx) }),
			job.Handle(turnOptions, o.takeTurn),
		},
		[]job.Periodic{{Every: pruneEvery, Args: pruneArgs{}}}
}

// Prune deletes events that are older than the retention, step by step: none that a destination is still to get. What was
// set aside goes with its event. A destination that no program has had for as long is forgotten, so that it keeps nothing
// for ever.
func (o *Outbox) Prune(ctx context.Context) error {
	if err := o.list(ctx); err != nil {
		return err
	}
	if err := o.register(ctx); err != nil { // first: those of this program are there
		return err
	}
	repo, before := repository{o.options.DB}, o.options.Clock.Now().Add(-o.options.Settings.Retention)
	n, err := repo.forget(ctx, before)
	if err != nil {
		return err
	}
	if n > 0 {
		o.options.Logger.WarnContext(ctx, "destinations of events that no program has had for long are forgotten", "count", n)
	}
	if err := forgetReceived(ctx, repo, before); err != nil {
		return err
	}
	floor, err := repo.floor(ctx)
	if err != nil {
		return err
	}
	for behind := int64(0); ; {
		numbers, times, err := repo.oldest(ctx, behind, floor, pruneStep)
		if err != nil {
			return err
		}
		old := 0 // events are numbered about as they happened
		for old < len(times) && !times[old].After(before) {
			old++
		}
		if old == 0 {
			return nil
		}
		behind = numbers[old-1]
		if err := repo.remove(ctx, numbers[0], behind); err != nil {
			return err
		}
		if old < pruneStep {
			return nil
		}
	}
}

// forgetReceived lets messages that were handled that long ago have an effect again, step by step.
func forgetReceived(ctx context.Context, repo repository, before time.Time) error {
	for {
		if more, err := repo.forgetReceived(ctx, before, pruneStep); err != nil || !more {
			return err
		}
	}
}
