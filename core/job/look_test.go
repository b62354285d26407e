package job_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/page"
)

// letterArgs are jobs of another kind, in a queue of their own, one of whose arguments nobody shall see.
type letterArgs struct {
	To     string `json:"to"`
	Marker string `json:"marker"`
}

func (letterArgs) Kind() string { return "test.letter" }

// errands are handled as the test says, letters not at all well.
func errands(o job.Options, work func(context.Context, job.Job[errandArgs]) error) job.QueueOptions {
	return job.QueueOptions{Handlers: []job.Handler{
		job.Handle(o, work),
		job.Handle(job.Options{Queue: "post", Shows: []string{"to", "unknown"}}, func(context.Context, job.Job[letterArgs]) error { return errors.New("no stamps") }),
	}}
}

func (p place) post(t *testing.T, q *job.Queue, l letterArgs, opts ...job.Option) {
	t.Helper()
	require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return q.Enqueue(ctx, tx, l, opts...) }))
}

// ids lists jobs, the whole of them, page by page.
func ids(t *testing.T, q *job.Queue, query job.RecordQuery) (all []int64) {
	t.Helper()
	for {
		p, err := q.List(t.Context(), query)
		require.NoError(t, err)
		require.LessOrEqual(t, len(p.Items), query.Limit)
		for _, r := range p.Items {
			all = append(all, r.ID)
		}
		if p.NextCursor == nil {
			return all
		}
		query.Cursor = *p.NextCursor
	}
}

func newest(t *testing.T, q *job.Queue) job.Record {
	t.Helper()
	p, err := q.List(t.Context(), job.RecordQuery{Limit: 1})
	require.NoError(t, err)
	require.Len(t, p.Items, 1)
	return p.Items[0]
}

func done(context.Context, job.Job[errandArgs]) error { return nil }

func TestJobsAreListedTheNewestFirst(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.open(t, errands(job.Options{}, done))
		require.Empty(t, ids(t, q, job.RecordQuery{Limit: 1}))
		p.enqueue(t, q, 3)
		drain(t, q)
		p.enqueue(t, q, 1, job.At(time.Now().Add(time.Hour)))
		p.post(t, q, letterArgs{})
		all := ids(t, q, job.RecordQuery{Limit: 2})
		require.Len(t, all, 5)
		require.IsDecreasing(t, all)
		for name, c := range map[string]struct {
			query job.RecordQuery
			want  []int64
		}{
			"of a state":       {job.RecordQuery{States: []job.State{job.StateCompleted}}, all[2:]},
			"of two states":    {job.RecordQuery{States: []job.State{job.StateAvailable, job.StateScheduled}}, all[:2]},
			"of a kind":        {job.RecordQuery{Kinds: []string{"test.letter"}}, all[:1]},
			"of a queue":       {job.RecordQuery{Queues: []string{job.DefaultQueue}}, all[1:]},
			"of all of them":   {job.RecordQuery{States: []job.State{job.StateScheduled}, Kinds: []string{"test.errand"}, Queues: []string{job.DefaultQueue}}, all[1:2]},
			"of an empty page": {job.RecordQuery{Kinds: []string{"test.nothing"}}, nil},
		} {
			for _, limit := range []int{1, 2, 100} {
				c.query.Limit = limit
				require.Equal(t, c.want, ids(t, q, c.query), "%s, %d on a page", name, limit)
			}
		}
	})
}

func TestAListRefusesWhatItCannotGive(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.open(t, errands(job.Options{}, done))
		for _, limit := range []int{0, -1, 101} {
			_, err := q.List(t.Context(), job.RecordQuery{Limit: limit})
			require.ErrorIs(t, err, page.ErrLimit)
		}
		for _, cursor := range []string{"x", "0", "-1", "1.5", "99999999999999999999"} {
			_, err := q.List(t.Context(), job.RecordQuery{Limit: 1, Cursor: cursor})
			require.ErrorIs(t, err, page.ErrCursor, cursor)
		}
		_, err := q.List(t.Context(), job.RecordQuery{Limit: 1, States: []job.State{"lost"}})
		require.ErrorContains(t, err, "VALIDATION_ERROR")
		_, err = new(job.Queue).List(t.Context(), job.RecordQuery{Limit: 1})
		require.ErrorContains(t, err, "not open")
	})
}

func TestOfTheArgumentsThoseAreShownThatAreDeclared(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.open(t, errands(job.Options{}, done))
		p.post(t, q, letterArgs{To: "Ada", Marker: "secret-marker"})
		for _, r := range []job.Record{newest(t, q), newest(t, p.open(t, job.QueueOptions{}))} {
			require.Equal(t, `"[redacted]"`, string(r.Args["marker"]))
			require.Len(t, r.Args, 2)
		}
		require.Equal(t, `"Ada"`, string(newest(t, q).Args["to"]))
		require.Equal(t, `"[redacted]"`, string(newest(t, p.open(t, job.QueueOptions{})).Args["to"]), "a kind that this program does not know")
		p.enqueue(t, q, 1)
		require.Equal(t, `"[redacted]"`, string(newest(t, q).Args["number"]), "a kind that declares nothing")
	})
}

func TestADeadJobIsTriedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		fault := errors.New("closed on Sundays")
		failing := p.open(t, errands(job.Options{MaxAttempts: 1}, func(context.Context, job.Job[errandArgs]) error { return fault }))
		p.enqueue(t, failing, 1)
		drain(t, failing)
		dead := newest(t, failing)
		require.Equal(t, job.StateDiscarded, dead.State)
		require.Equal(t, 1, dead.Attempt)
		require.Equal(t, 1, dead.MaxAttempts)
		require.Len(t, dead.Failures, 1)
		require.Equal(t, 1, dead.Failures[0].Attempt)
		require.Equal(t, fault.Error(), dead.Failures[0].Cause)
		require.Equal(t, time.UTC, dead.Failures[0].At.Location())
		require.NotNil(t, dead.AttemptedAt)
		require.NotNil(t, dead.EndedAt)

		q := p.open(t, errands(job.Options{MaxAttempts: 1}, done))
		r, changed, err := q.Retry(t.Context(), dead.ID)
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, job.StateAvailable, r.State)
		require.Equal(t, 2, r.MaxAttempts)
		require.Nil(t, r.EndedAt)
		_, changed, err = q.Retry(t.Context(), dead.ID)
		require.NoError(t, err)
		require.False(t, changed)
		drain(t, q)
		r, err = q.Get(t.Context(), dead.ID)
		require.NoError(t, err)
		require.Equal(t, job.StateCompleted, r.State)
		require.Equal(t, 2, r.Attempt)
		require.Len(t, r.Failures, 1, "what failed is still told")
		_, _, err = q.Retry(t.Context(), dead.ID)
		require.ErrorIs(t, err, job.ErrCompleted)
		_, _, err = q.Cancel(t.Context(), dead.ID)
		require.ErrorIs(t, err, job.ErrCompleted)
	})
}

func TestAJobNeedNotWaitForItsNextAttempt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		c, failed := count{}, false
		q := p.open(t, errands(job.Options{Backoff: func(int) time.Duration { return time.Hour }}, func(ctx context.Context, j job.Job[errandArgs]) error {
			if !failed {
				failed = true
				return errors.New("not yet")
			}
			return c.work(ctx, j)
		}))
		p.enqueue(t, q, 1)
		drain(t, q)
		waiting := newest(t, q)
		require.Equal(t, job.StateRetryable, waiting.State)
		require.True(t, waiting.ScheduledAt.After(time.Now().Add(30*time.Minute)))
		_, changed, err := q.Retry(t.Context(), waiting.ID)
		require.NoError(t, err)
		require.True(t, changed)
		drain(t, q)
		require.Equal(t, map[int]int{0: 1}, c.all())
	})
}

func TestAWaitingJobIsCancelledAndBroughtBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var c count
		q := p.open(t, errands(job.Options{}, c.work))
		p.enqueue(t, q, 1)
		id := newest(t, q).ID
		r, changed, err := q.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, job.StateCancelled, r.State)
		require.True(t, r.Cancelled)
		_, changed, err = q.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.False(t, changed)
		drain(t, q)
		require.Empty(t, c.all())

		r, changed, err = q.Retry(t.Context(), id)
		require.NoError(t, err)
		require.True(t, changed)
		require.False(t, r.Cancelled)
		drain(t, q)
		require.Equal(t, map[int]int{0: 1}, c.all())
	})
}

func TestAJobAtWorkIsAskedToEnd(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		began, over := make(chan int64, 1), make(chan job.Outcome, 1)
		o := errands(job.Options{Timeout: time.Minute}, func(ctx context.Context, j job.Job[errandArgs]) error {
			began <- j.ID
			<-ctx.Done()
			return ctx.Err()
		})
		o.Observe = func(_ string, outcome job.Outcome) { over <- outcome }
		start(t, p.open(t, o), 1)
		q := p.open(t, errands(job.Options{}, done)) // as another process has it
		p.enqueue(t, q, 1)
		id := <-began
		_, _, err := q.Retry(t.Context(), id)
		require.ErrorIs(t, err, job.ErrRunning)
		r, changed, err := q.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.True(t, changed)
		require.Equal(t, job.StateRunning, r.State)
		require.True(t, r.Cancelled)
		require.Equal(t, job.Cancelled, <-over)
		r, err = q.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, job.StateCancelled, r.State)
		require.Contains(t, p.logs.String(), `"msg":"job cancelled by an operator"`)
	})
}

func TestAJobThatWasCancelledAtWorkMayFailAgainOnceItIsBroughtBack(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		began, over := make(chan int64, 4), make(chan job.Outcome, 4)
		o := errands(job.Options{Timeout: time.Minute, Backoff: func(int) time.Duration { return time.Hour }}, func(ctx context.Context, j job.Job[errandArgs]) error {
			began <- j.ID
			if j.Attempt == 1 {
				<-ctx.Done()
			}
			return errors.New("not yet")
		})
		o.Observe = func(_ string, outcome job.Outcome) { over <- outcome }
		q := p.open(t, o)
		start(t, q, 1)
		p.enqueue(t, q, 1)
		id := <-began
		_, _, err := q.Cancel(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, job.Cancelled, <-over)
		_, changed, err := q.Retry(t.Context(), id)
		require.NoError(t, err)
		require.True(t, changed)
		<-began
		require.Equal(t, job.Failed, <-over)
		r, err := q.Get(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, job.StateRetryable, r.State)
	})
}

func TestWhatBelongsToAChangeOfAJobCommitsWithIt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.open(t, errands(job.Options{}, done))
		p.enqueue(t, q, 1)
		id := newest(t, q).ID
		var got []job.State
		note := func(_ context.Context, _ *database.Tx, changed job.Record) error {
			require.Equal(t, []any{id, "test.errand"}, []any{changed.ID, changed.Kind})
			got = append(got, changed.State)
			return nil
		}
		fault := errors.New("no ink")
		_, _, err := q.Cancel(t.Context(), id, note, func(context.Context, *database.Tx, job.Record) error { return fault })
		require.ErrorIs(t, err, fault)
		require.Equal(t, job.StateAvailable, newest(t, q).State, "neither is done without the other")
		for range 2 {
			_, _, err = q.Cancel(t.Context(), id, note)
			require.NoError(t, err)
		}
		for range 2 {
			_, _, err = q.Retry(t.Context(), id, note)
			require.NoError(t, err)
		}
		drain(t, q)
		_, _, err = q.Retry(t.Context(), id, note)
		require.ErrorIs(t, err, job.ErrCompleted)
		require.Equal(t, []job.State{job.StateCancelled, job.StateCancelled, job.StateAvailable}, got, "where nothing changes there is nothing")
	})
}

func TestADeadJobIsNotCancelled(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.open(t, errands(job.Options{MaxAttempts: 1}, func(context.Context, job.Job[errandArgs]) error { return errors.New("no") }))
		p.enqueue(t, q, 1)
		drain(t, q)
		_, _, err := q.Cancel(t.Context(), newest(t, q).ID)
		require.ErrorIs(t, err, job.ErrDiscarded)
	})
}

func TestThereIsNothingToDoToAJobThatIsNotThere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.open(t, errands(job.Options{}, done))
		for name, do := range map[string]func(int64) error{
			"get":    func(id int64) error { _, err := q.Get(t.Context(), id); return err },
			"retry":  func(id int64) error { _, _, err := q.Retry(t.Context(), id); return err },
			"cancel": func(id int64) error { _, _, err := q.Cancel(t.Context(), id); return err },
		} {
			for _, id := range []int64{1, 1 << 40} {
				require.ErrorIs(t, do(id), job.ErrNotFound, "%s %s", name, strconv.FormatInt(id, 10))
			}
		}
	})
}
