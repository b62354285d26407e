package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/gatehouse/gatehouse/core/database"
)

// Queue is where jobs are put. Its zero value takes none; Open gives one that does. It is safe for concurrent use.
type Queue struct {
	db        *database.DB
	engine    engine
	kinds     map[string]Handler
	schedules []Periodic
	logger    *slog.Logger
	observe   func(kind string, outcome Outcome)
	announcer *announcer
}

// Outcome is what became of an attempt.
type Outcome string

// The outcomes. A failed attempt is followed by another one later; a discarded job has used them all up.
const (
	Completed Outcome = "completed"
	Failed    Outcome = "failed"
	Cancelled Outcome = "cancelled" // pointless
	Discarded Outcome = "discarded"
)

// QueueOptions are what Open needs beside the database.
type QueueOptions struct {
	Handlers  []Handler
	Schedules []Periodic
	Logger    *slog.Logger
	Observe   func(kind string, outcome Outcome) // is told of every attempt of this process's workers; may be nil
}

// Open prepares a queue in the database, whose schema must be there, and does no I/O. It fails where two handlers share a
// kind, or a schedule has none: mistakes of the program.
func Open(db *database.DB, o QueueOptions) (*Queue, error) {
	return open(o, func(q *Queue) (engine, error) {
		q.db = db
		pool, write := db.Handles()
		if pool == nil {
			return newEngine(riversqlite.New(write), q.config(true)) // River would ask for news 20 times a second
		}
		return newEngine(riverpgxv5.New(pool), q.config(db.Pooled()))
	})
}

func open(o QueueOptions, on func(*Queue) (engine, error)) (*Queue, error) {
	kinds, err := handlersByKind(o.Handlers, o.Schedules)
	if err != nil {
		return nil, err
	}
	q := &Queue{kinds: kinds, schedules: o.Schedules, logger: o.Logger, observe: o.Observe}
	if q.observe == nil {
		q.observe = func(string, Outcome) {}
	}
	if q.engine, err = on(q); err != nil {
		return nil, fmt.Errorf("job: %w", err)
	}
	q.announcer = &announcer{tell: q.engine.announce}
	return q, nil
}

// Option changes how one job is enqueued.
type Option func(*river.InsertOpts)

// At lets the job wait until a time.
func At(t time.Time) Option { return func(o *river.InsertOpts) { o.ScheduledAt = t } }

// Unique has the job enqueued unless the same one is in the queue already: waiting for a worker, for its time or for its next
// attempt, or at work. Then Enqueue changes nothing and returns nil; the one that is there keeps its time. The same are jobs
// of one kind with the same arguments, both enqueued with Unique; where members of the arguments have the tag
// `river:"unique"`, those alone count. One that is over, however it ended, does not count, and another may come.
//
// Of transactions at the same time the first one's job is enqueued: on PostgreSQL the others wait for its end, and one of
// theirs is enqueued where it rolls back. The job that waits begins once this transaction has ended, and so sees what it has
// changed. One that is at work may have looked before: Unique is not for work that has to follow each change.
func Unique() Option {
	return func(o *river.InsertOpts) { o.UniqueOpts = river.UniqueOpts{ByArgs: true, ByState: notOver()} }
}

// notOver lists the states of a job that is still to be worked, or at work.
func notOver() []rivertype.JobState {
	return []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}
}

// errNotOpen is what the zero Queue says.
var errNotOpen = errors.New("job: the queue is not open")

// Enqueue puts a job into the queue when, and only when, the transaction commits. Workers learn of it at once on
// PostgreSQL, within a second on SQLite and behind a pooler.
func (q *Queue) Enqueue(ctx context.Context, tx *database.Tx, a Args, opts ...Option) error {
	if q.engine == nil {
		return errNotOpen
	}
	h, ok := q.kinds[a.Kind()]
	if !ok {
		return fmt.Errorf("job: no module of this program handles %s", a.Kind())
	}
	insert := river.InsertOpts{Queue: h.options.Queue, MaxAttempts: h.options.MaxAttempts}
	for _, opt := range opts {
		opt(&insert)
	}
	if !q.engine.polls() {
		tx.AfterCommit(func() { q.announcer.add(insert.Queue) })
	}
	return tx.Native(ctx, func(ctx context.Context, native any) error {
		t, err := q.engine.on(native)
		if err != nil {
			return err
		}
		return t.insert(ctx, a, &insert)
	})
}
