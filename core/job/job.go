package job

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
)

// Args are what a job works on: a struct that JSON can carry. A kind names it for good, since jobs outlive programs:
// lower-case words with dots, the module's name first, such as "auth.mail".
type Args interface{ Kind() string }

// Job is one job at work.
type Job[A Args] struct {
	ID          int64
	Args        A
	Attempt     int // 1 the first time
	MaxAttempts int
	EnqueuedAt  time.Time // by the database's clock
	// Stopping is closed once the worker takes no new jobs. It waits a few seconds for those at work: a long one that can be
	// cut into parts ends behind the part it is at.
	Stopping <-chan struct{}
}

// Options say how a kind of job is worked. The zero value is right for most.
type Options struct {
	Queue       string                                  // jobs of one queue wait for each other's workers; "default" unless set
	Timeout     time.Duration                           // of one attempt, after which its context ends; 1 minute unless set
	MaxAttempts int                                     // 13 unless set: with the usual back-off, about 17 hours
	Backoff     func(attempt int) (after time.Duration) // how long to wait after an attempt that failed; 1s, 16s, 81s … (attempt⁴) unless set
	Shows       []string                                // members of the arguments, by their names in JSON, that operators are shown; none unless set
}

// The defaults of Options.
const (
	DefaultQueue       = "default"
	defaultTimeout     = time.Minute
	defaultMaxAttempts = 13
)

func (o Options) withDefaults() Options {
	if o.Queue == "" {
		o.Queue = DefaultQueue
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.MaxAttempts <= 0 {
		o.MaxAttempts = defaultMaxAttempts
	}
	return o
}

// Handler works one kind of job. Handle makes it.
type Handler struct {
	kind     string
	options  Options
	register func(ws *river.Workers, logger *slog.Logger, stopping <-chan struct{}) error
}

// Kind is the kind of job that the handler works.
func (h Handler) Kind() string { return h.kind }

// Queue is the queue that jobs of this kind go through.
func (h Handler) Queue() string { return h.options.Queue }

// Handle makes the handler of a kind of job. work runs at least once for each, and may run again after a crash, so a second
// run must do no harm. Its error, or panic, is logged and has the job tried again later, until MaxAttempts are used up;
// Pointless ends it at once. No error may hold what a log may not.
func Handle[A Args](o Options, work func(ctx context.Context, j Job[A]) error) Handler {
	var none A
	o = o.withDefaults()
	return Handler{kind: none.Kind(), options: o, register: func(ws *river.Workers, logger *slog.Logger, stopping <-chan struct{}) error {
		return river.AddWorkerSafely(ws, &attempts[A]{options: o, work: work, logger: logger, stopping: stopping})
	}}
}

// Periodic has a job enqueued once in every period while any worker runs: by one of them, however many there are, and whoever
// takes over from it. Periods are multiples of Every since the year 1, UTC. It is for cleaning up; nothing may depend on its
// running in time. Finished jobs of all kinds are kept for the longest Every of all: they tell which periods had theirs.
type Periodic struct {
	Every time.Duration
	Args  Args
}

// pointless is an outcome that no further attempt will mend.
type pointless struct{ err error }

// Pointless says that a job has become pointless, such as a mail whose link has expired: it is not tried again. The log has
// err once, as a notice.
func Pointless(err error) error { return &pointless{err} }

// Error implements error.
func (p *pointless) Error() string { return p.err.Error() }

// Unwrap gives the reason.
func (p *pointless) Unwrap() error { return p.err }

// handlersByKind wants every kind to have one handler, and what runs on a schedule to have one.
func handlersByKind(handlers []Handler, schedules []Periodic) (map[string]Handler, error) {
	kinds := make(map[string]Handler, len(handlers))
	for _, h := range handlers {
		if _, twice := kinds[h.kind]; twice {
			return nil, fmt.Errorf("job: two handlers for %s", h.kind)
		}
		kinds[h.kind] = h
	}
	for _, p := range schedules {
		if _, ok := kinds[p.Args.Kind()]; !ok {
			return nil, fmt.Errorf("job: %s is on a schedule and has no handler", p.Args.Kind())
		}
		if p.Every < time.Second {
			return nil, fmt.Errorf("job: %s is on a schedule of less than a second", p.Args.Kind())
		}
	}
	return kinds, nil
}
