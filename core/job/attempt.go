package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"
)

// attempts is a handler as River wants it. What comes of an attempt is logged here, once, with the kind and never the
// arguments; River stores what it is told, so it is told of a panic only that there was one.
type attempts[A Args] struct {
	river.WorkerDefaults[A]

	options  Options
	work     func(ctx context.Context, j Job[A]) error
	logger   *slog.Logger
	stopping <-chan struct{}
}

// errPanicked is what a panic counts as.
var errPanicked = errors.New("the job panicked; the log has the stack")

// Work implements river.Worker.
func (a *attempts[A]) Work(ctx context.Context, j *river.Job[A]) (err error) {
	log := a.logger.With("kind", j.Kind, "job_id", j.ID, "attempt", j.Attempt, "of", j.MaxAttempts)
	defer func() {
		if v := recover(); v != nil {
			logPanic(ctx, log, v)
			err = errPanicked
		}
	}()
	err = a.work(ctx, Job[A]{ID: j.ID, Args: j.Args, Attempt: j.Attempt, MaxAttempts: j.MaxAttempts, EnqueuedAt: j.CreatedAt.UTC(), Stopping: a.stopping})
	p := (*pointless)(nil)
	switch {
	case err == nil:
	case errors.As(err, &p):
		log.InfoContext(ctx, "job given up as pointless", "cause", err.Error())
		return river.JobCancel(err)
	case errors.Is(context.Cause(ctx), river.ErrJobCancelledRemotely):
		log.InfoContext(ctx, "job cancelled by an operator", "cause", err.Error())
		return context.Cause(ctx)
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		log.InfoContext(ctx, "job interrupted; it goes back to the queue")
		return context.Cause(ctx) // whatever err says: to River this alone is no failed attempt
	case j.Attempt >= j.MaxAttempts:
		log.ErrorContext(ctx, "job failed for the last time", "cause", err.Error())
	default:
		log.WarnContext(ctx, "job failed; it will be tried again", "cause", err.Error())
	}
	return err
}

// logPanic logs where it happened. Of the value it logs the type, and the text where the runtime wrote it: any other may
// hold what no log may.
func logPanic(ctx context.Context, log *slog.Logger, v any) {
	cause := ""
	if err, ok := v.(runtime.Error); ok {
		cause = err.Error()
	}
	log.ErrorContext(ctx, "job panicked", "panic", fmt.Sprintf("%T", v), "cause", cause, "stack", string(debug.Stack()))
}

// Timeout implements river.Worker.
func (a *attempts[A]) Timeout(*river.Job[A]) time.Duration { return a.options.Timeout }

// NextRetry implements river.Worker; the zero time leaves it to River's own policy.
func (a *attempts[A]) NextRetry(j *river.Job[A]) time.Time {
	if a.options.Backoff == nil {
		return time.Time{}
	}
	return time.Now().Add(a.options.Backoff(j.Attempt)) //nolint:forbidigo // River compares with the wall clock
}
