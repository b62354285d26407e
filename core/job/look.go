package job

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/core/secret"
)

// State is where a job is in its life.
type State string

// The states.
const (
	StateAvailable State = "available" // waits for a worker
	StateScheduled State = "scheduled" // waits for its time
	StateRunning   State = "running"
	StateRetryable State = "retryable" // failed, and waits for its next attempt
	StateCompleted State = "completed"
	StateCancelled State = "cancelled" // by an operator, or because it became pointless
	StateDiscarded State = "discarded" // dead: it failed as often as it may
)

// States lists all of them, in the order of a job's life.
func States() []State {
	return []State{StateAvailable, StateScheduled, StateRunning, StateRetryable, StateCompleted, StateCancelled, StateDiscarded}
}

// Record is what the queue keeps about a job. Times are by the database's clock.
type Record struct {
	ID          int64
	Kind        string
	Queue       string
	State       State
	Attempt     int // how many there were, the one under way included
	MaxAttempts int
	CreatedAt   time.Time
	ScheduledAt time.Time  // when it may be worked, or be tried again
	AttemptedAt *time.Time // when the latest attempt began
	EndedAt     *time.Time // when it was over
	Args        map[string]json.RawMessage
	Failures    []Failure // the oldest first
	// Cancelled says that an operator wants it ended; one at work is asked to end, and does so when it heeds its context.
	Cancelled bool
}

// Failure is an attempt that failed. Cause is what the log has, which holds nothing secret.
type Failure struct {
	Attempt int
	At      time.Time
	Cause   string
}

// RecordQuery says which jobs are listed, and how many of them at once: the newest first.
type RecordQuery struct {
	States []State // none means all; likewise below
	Kinds  []string
	Queues []string
	Limit  int    // page.MinLimit to page.MaxLimit
	Cursor string // of the page before; empty for the first
}

// What an operator may get to hear of a job.
var (
	ErrNotFound  = errs.NotFound("there is no such job")
	ErrRunning   = errs.Conflict("job_running", "the job is at work")
	ErrCompleted = errs.Conflict("job_completed", "the job is done already")
	ErrDiscarded = errs.Conflict("job_discarded", "the job is dead already")
	ErrDuplicate = errs.Conflict("job_duplicate", "the same job waits or is at work already")
	errState     = refuse("state", "is not a state of a job")
)

func refuse(parameter, message string) *errs.Error {
	return errs.ErrValidation.WithDetail("1 field is invalid").WithFields(errs.Field{Parameter: parameter, Code: errs.NotAllowed, Message: message})
}

// List gives one page. It returns a validation error for a limit, a state or a cursor that is none.
func (q *Queue) List(ctx context.Context, r RecordQuery) (page.Page[Record], error) {
	params, err := r.params()
	if err != nil {
		return page.Page[Record]{}, err
	}
	var rows []*rivertype.JobRow
	if err := q.looking(ctx, func(ctx context.Context, _ *database.Tx, t table) error {
		rows, err = t.list(ctx, params)
		return err
	}); err != nil {
		return page.Page[Record]{}, err
	}
	records := make([]Record, len(rows))
	for i, row := range rows {
		records[i] = q.record(row)
	}
	return page.Cut(records, r.Limit, func(last Record) (string, error) { return strconv.FormatInt(last.ID, 10), nil })
}

// params asks for one more than a page holds.
func (r RecordQuery) params() (*river.JobListParams, error) {
	if r.Limit < page.MinLimit || r.Limit > page.MaxLimit {
		return nil, page.ErrLimit
	}
	p := river.NewJobListParams().OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(r.Limit + 1)
	if len(r.States) > 0 {
		states := make([]rivertype.JobState, len(r.States))
		for i, s := range r.States {
			if !slices.Contains(States(), s) {
				return nil, errState
			}
			states[i] = rivertype.JobState(s)
		}
		p = p.States(states...)
	}
	if len(r.Kinds) > 0 {
		p = p.Kinds(r.Kinds...)
	}
	if len(r.Queues) > 0 {
		p = p.Queues(r.Queues...)
	}
	if r.Cursor != "" {
		id, err := strconv.ParseInt(r.Cursor, 10, 64)
		if err != nil || id < 1 {
			return nil, page.ErrCursor
		}
		p = p.After(river.JobListCursorFromJob(&rivertype.JobRow{ID: id}))
	}
	return p, nil
}

// Get gives a job, or ErrNotFound.
func (q *Queue) Get(ctx context.Context, id int64) (Record, error) {
	r, _, err := q.handle(ctx, id, func(context.Context, *database.Tx, table, State) error { return nil })
	return r, err
}

// Also is what belongs into the transaction of a change of a job, which it gets as it is then.
type Also func(ctx context.Context, tx *database.Tx, changed Record) error

// Retry has a job worked at once that is dead, was cancelled, or waits for its time or its next attempt; one more attempt is
// granted to a job that has none left. Workers learn of it as of a new one. It says false, and changes nothing, for a job that
// waits for a worker already. It returns ErrNotFound, ErrRunning and ErrCompleted, and ErrDuplicate for a unique job that
// another one has taken the place of.
//
// A job that begins to run meanwhile stays as it is. One that waits for its next attempt, is begun and ends meanwhile may run
// once more, which does no harm to what every job promises.
func (q *Queue) Retry(ctx context.Context, id int64, also ...Also) (Record, bool, error) {
	r, changed, err := q.handle(ctx, id, func(ctx context.Context, tx *database.Tx, t table, now State) error {
		switch now {
		case StateRunning:
			return ErrRunning
		case StateCompleted:
			return ErrCompleted
		default:
			if err := t.retry(ctx, id); err != nil {
				return err
			}
			return forgetCancelling(ctx, tx, id)
		}
	}, also...)
	if index, twice := database.UniqueViolation(err); twice && strings.HasPrefix(index, "river_job_unique") {
		err = ErrDuplicate
	}
	if changed && !q.engine.polls() { // and not by the announcer: a command ends before that tells anybody
		told, cancel := context.WithTimeout(ctx, announceDeadline)
		defer cancel()
		_ = q.engine.announce(told, []string{r.Queue}) // where it fails, workers find the job when they look unasked
	}
	return r, changed, err
}

// Cancel ends a job for good that waits, and asks one that is at work to end: workers hear of it at once on PostgreSQL, and
// within two seconds elsewhere. It says false, and changes nothing, for a job that was cancelled already. It returns
// ErrNotFound, and ErrCompleted and ErrDiscarded for a job that is over.
func (q *Queue) Cancel(ctx context.Context, id int64, also ...Also) (Record, bool, error) {
	return q.handle(ctx, id, func(ctx context.Context, _ *database.Tx, t table, now State) error {
		switch now {
		case StateCancelled:
			return nil
		case StateCompleted:
			return ErrCompleted
		case StateDiscarded:
			return ErrDiscarded
		default:
			return t.cancel(ctx, id)
		}
	}, also...)
}

// forgetCancelling has a job that was cancelled at work no longer be one whose next failure is final. On PostgreSQL River does
// it itself.
func forgetCancelling(ctx context.Context, tx *database.Tx, id int64) error {
	if tx.Engine() != database.SQLite {
		return nil
	}
	_, err := tx.Exec(ctx, `UPDATE river_job SET metadata = jsonb_remove(metadata, '$.cancel_attempted_at') WHERE id = ?`, id)
	return err
}

// handle does something to a job, whose state it gives, and says whether that has changed anything: if so, also runs.
func (q *Queue) handle(ctx context.Context, id int64, do func(context.Context, *database.Tx, table, State) error, also ...Also) (after Record, changed bool, err error) {
	var refused error // by us: a statement's failure dooms the transaction, a refusal is no failure
	err = q.looking(ctx, func(ctx context.Context, tx *database.Tx, t table) error {
		refused, changed = nil, false
		before, err := t.get(ctx, id)
		if errors.Is(err, rivertype.ErrNotFound) {
			refused = ErrNotFound
			return nil
		}
		if err != nil {
			return err
		}
		err = do(ctx, tx, t, State(before.State))
		if asked := (*errs.Error)(nil); errors.As(err, &asked) {
			refused = err
			return nil
		}
		if err != nil {
			return err
		}
		row, err := t.get(ctx, id)
		if err != nil {
			return err
		}
		after = q.record(row)
		changed = row.State != before.State || after.Cancelled != isCancelled(before) || !row.ScheduledAt.Equal(before.ScheduledAt)
		return nil
	}, func(ctx context.Context, tx *database.Tx) error {
		if !changed {
			return nil
		}
		for _, f := range also {
			if err := f(ctx, tx, after); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return Record{}, false, err
	}
	return after, changed, nil
}

// looking runs fn in a transaction, for its deadlines and the classes of its errors, and then what touches no job.
func (q *Queue) looking(ctx context.Context, fn func(context.Context, *database.Tx, table) error, then ...func(context.Context, *database.Tx) error) error {
	if q.engine == nil {
		return errNotOpen
	}
	return q.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		err := tx.Native(ctx, func(ctx context.Context, native any) error {
			t, err := q.engine.on(native)
			if err != nil {
				return err
			}
			return fn(ctx, tx, t)
		})
		for _, f := range then {
			if err == nil {
				err = f(ctx, tx)
			}
		}
		return err
	})
}

func (q *Queue) record(j *rivertype.JobRow) Record {
	r := Record{
		ID: j.ID, Kind: j.Kind, Queue: j.Queue, State: State(j.State), Attempt: j.Attempt, MaxAttempts: j.MaxAttempts,
		CreatedAt: j.CreatedAt.UTC(), ScheduledAt: j.ScheduledAt.UTC(), AttemptedAt: utc(j.AttemptedAt), EndedAt: utc(j.FinalizedAt),
		Args: q.shown(j.Kind, j.EncodedArgs), Failures: make([]Failure, len(j.Errors)), Cancelled: isCancelled(j),
	}
	for i, e := range j.Errors {
		r.Failures[i] = Failure{Attempt: e.Attempt, At: e.At.UTC(), Cause: e.Error}
	}
	return r
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	at := t.UTC()
	return &at
}

// shown gives the arguments, of which those alone are legible that the kind declares as fit to be seen.
func (q *Queue) shown(kind string, encoded []byte) map[string]json.RawMessage {
	var args map[string]json.RawMessage
	if json.Unmarshal(encoded, &args) != nil {
		return nil // River writes objects alone
	}
	for name := range args {
		if !slices.Contains(q.kinds[kind].options.Shows, name) {
			args[name] = redacted
		}
	}
	return args
}

// redacted stands for what is not shown.
var redacted = json.RawMessage(strconv.Quote(secret.String{}.String()))

// isCancelled says whether an operator has cancelled a job, which River notes while it is at work, and afterwards too.
func isCancelled(j *rivertype.JobRow) bool {
	var noted struct {
		At *string `json:"cancel_attempted_at"`
	}
	return j.State == rivertype.JobStateCancelled || j.State == rivertype.JobStateRunning && json.Unmarshal(j.Metadata, &noted) == nil && noted.At != nil
}
