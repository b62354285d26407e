package app

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
)

// checkJobs wants the kind of every job to begin with its module's name.
func (a *App) checkJobs() error {
	for _, m := range a.Modules {
		for _, h := range m.Jobs {
			if !strings.HasPrefix(h.Kind(), m.Name+".") {
				return fmt.Errorf("module %s handles jobs of the kind %q, which does not begin with its name and a dot", m.Name, h.Kind())
			}
		}
	}
	return nil
}

// jobs are those of core and of the modules.
func (a *App) jobs() ([]job.Handler, []job.Periodic) {
	handlers, schedules := a.Stores.Events.Jobs()
	audited, sealed := a.Stores.Audit.Jobs()
	handlers, schedules = append(handlers, audited...), append(schedules, sealed...)
	for _, m := range a.Modules {
		handlers, schedules = append(handlers, m.Jobs...), append(schedules, m.Schedules...)
	}
	return handlers, schedules
}

// checkQueues returns ErrUnknownName where a setting names a queue that no job of this program goes through.
func (a *App) checkQueues() error {
	there := map[string]bool{job.DefaultQueue: true}
	handlers, _ := a.jobs()
	for _, h := range handlers {
		there[h.Queue()] = true
	}
	for i, q := range a.settings.worker.Queues {
		if !there[q.Name] {
			return fmt.Errorf("%w: worker.queues[%d].name: no job goes through %s; there are %s", ErrUnknownName, i, q.Name, strings.Join(slices.Sorted(maps.Keys(there)), ", "))
		}
	}
	return nil
}

// queues says which queues of the settings there are not.
func (e *examination) queues() {
	if err := e.app.checkQueues(); err != nil {
		e.fail("worker.queues", strings.TrimPrefix(err.Error(), ErrUnknownName.Error()+": "), "mend the settings under worker")
	}
}

// openJobs opens the queue for what core and the modules bring.
func (a *App) openJobs() error {
	worked, err := a.telemetry.CounterBy("jobs.attempts", "{attempt}", "Attempts at jobs that have ended in this process, by kind and outcome.", "kind", "outcome")
	if err != nil {
		return err
	}
	o := job.QueueOptions{Logger: a.Stores.Logger, Observe: func(kind string, outcome job.Outcome) {
		worked(context.Background(), 1, kind, string(outcome))
	}}
	o.Handlers, o.Schedules = a.jobs()
	queue, err := job.Open(a.Stores.DB, o)
	if err != nil {
		return err
	}
	*a.Stores.Jobs = *queue
	return nil
}

// RetryJob is the queue's Retry, and writes down what it has changed. The app must be open.
func (a *App) RetryJob(ctx context.Context, id int64) (job.Record, bool, error) {
	return a.Stores.Jobs.Retry(ctx, id, a.writeDownJob(actRetryJob))
}

// CancelJob is the queue's Cancel, and writes down what it has changed. The app must be open.
func (a *App) CancelJob(ctx context.Context, id int64) (job.Record, bool, error) {
	return a.Stores.Jobs.Cancel(ctx, id, a.writeDownJob(actCancelJob))
}

// writeDownJob gives what writes an act in the transaction of a change of a job. Its arguments stay out: some are about people.
func (a *App) writeDownJob(action string) job.Also {
	return func(ctx context.Context, tx *database.Tx, j job.Record) error {
		return a.Stores.Audit.Append(ctx, tx, audit.Act{Action: action, Details: map[string]any{"job_id": j.ID, "kind": j.Kind}})
	}
}

// StartWorker works jobs, hands events on and receives messages in this process. Once ctx ends no new one is begun, and stop waits for those at
// work, a little. The app must be open. Serve does it by itself.
func (a *App) StartWorker(ctx context.Context) (stop func(), err error) {
	w, err := a.Stores.Jobs.Start(ctx, a.settings.worker)
	if err != nil {
		return nil, err
	}
	stopBrokers := a.brokers.start(ctx, func(destination string, err error) {
		a.Stores.Logger.WarnContext(ctx, "destination of events would take none just now; what is for it waits", "destination", destination, "cause", err)
	})
	stopEvents := a.Stores.Events.Start(ctx)
	return a.drainWorker(ctx, w, stopEvents, stopBrokers), nil
}

// drainWorker begins nothing new once ctx ends, and gives what waits for the jobs and events at work.
func (a *App) drainWorker(ctx context.Context, w *job.Worker, stops ...func()) (wait func()) {
	over, end := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		<-over.Done()
		var events sync.WaitGroup
		for _, stop := range stops {
			events.Go(stop)
		}
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin-2*stopMargin-job.HardStop)
		defer cancel()
		err := w.Stop(grace)
		events.Wait()
		done <- err
	}()
	return func() {
		end()
		if err := <-done; err != nil {
			a.Stores.Logger.WarnContext(ctx, "the worker did not end well", "cause", err)
		}
	}
}

// WorkJobs works every job that is due, hands on every event that somebody subscribes to, and returns when nothing is left of
// either. It is for tests and for commands that end.
func (a *App) WorkJobs(ctx context.Context) error {
	for {
		if err := a.Stores.Jobs.Drain(ctx, a.settings.worker); err != nil {
			return err
		}
		if more, err := a.Stores.Events.Drain(ctx); err != nil || !more {
			return err
		}
	}
}
