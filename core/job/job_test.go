package job_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// errandArgs are the jobs of these tests.
type errandArgs struct {
	Number int `json:"number"`
}

func (errandArgs) Kind() string { return "test.errand" }

// place is a database with River's tables, and the log of the queues on it.
type place struct {
	db   *database.DB
	logs *logtest.Logs
}

func onEach(t *testing.T, run func(t *testing.T, p place)) {
	t.Helper()
	databasetest.Each(t, func(t *testing.T, at databasetest.Database) { run(t, newPlace(t, at)) })
}

func newPlace(t *testing.T, at databasetest.Database) place {
	t.Helper()
	s := at.Settings()
	s.PoolMin, s.PoolMax = 0, 15
	s.AcquireDeadline = 10 * time.Second
	db, err := database.Open(t.Context(), s, database.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.Migrate(t.Context(), []database.Migrations{{Module: job.MigrationsName, FS: job.Migrations()}})
	require.NoError(t, err)
	return place{db: db, logs: &logtest.Logs{}}
}

func (p place) open(t *testing.T, o job.QueueOptions) *job.Queue {
	t.Helper()
	o.Logger = slog.New(slog.NewJSONHandler(p.logs, nil))
	q, err := job.Open(p.db, o)
	require.NoError(t, err)
	return q
}

// enqueue puts n errands into the queue, each in a transaction of its own.
func (p place) enqueue(t *testing.T, q *job.Queue, n int, opts ...job.Option) {
	t.Helper()
	for i := range n {
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			return q.Enqueue(ctx, tx, errandArgs{Number: i}, opts...)
		}))
	}
}

// start runs a worker until the test ends.
func start(t *testing.T, q *job.Queue, concurrency int) *job.Worker {
	t.Helper()
	return startWith(t, q, job.Settings{Concurrency: concurrency})
}

func startWith(t *testing.T, q *job.Queue, s job.Settings) *job.Worker {
	t.Helper()
	w, err := q.Start(t.Context(), s)
	require.NoError(t, err)
	stopLater(t, w)
	return w
}

func stopLater(t *testing.T, w *job.Worker) {
	t.Helper()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = w.Stop(ctx) // a test of its own looks at how it ends
	})
}

func drain(t *testing.T, q *job.Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, q.Drain(ctx, job.Settings{Concurrency: 4}))
}

// count is a handler that counts how often it ran for each number.
type count struct {
	mu   sync.Mutex
	runs map[int]int
}

func (c *count) work(_ context.Context, j job.Job[errandArgs]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runs == nil {
		c.runs = map[int]int{}
	}
	c.runs[j.Args.Number]++
	return nil
}

func (c *count) all() map[int]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[int]int{}
	maps.Copy(all, c.runs)
	return all
}

func TestAJobIsThereWhenItsCauseIs(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var c count
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, c.work)}})
		undone := errors.New("undone")
		require.ErrorIs(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			require.NoError(t, q.Enqueue(ctx, tx, errandArgs{Number: 7}))
			return undone
		}), undone)
		p.enqueue(t, q, 3)
		drain(t, q)
		require.Equal(t, map[int]int{0: 1, 1: 1, 2: 1}, c.all())
	})
}

// TestManyWorkersDoEachJobOnce has four workers do a thousand jobs, and ten thousand with TEST_SOAK.
func TestManyWorkersDoEachJobOnce(t *testing.T) {
	t.Parallel()
	jobs := 1000
	if os.Getenv("TEST_SOAK") != "" {
		jobs = 10_000
	}
	onEach(t, func(t *testing.T, p place) {
		var c count
		done := make(chan struct{})
		var left atomic.Int64
		left.Store(int64(jobs))
		work := func(ctx context.Context, j job.Job[errandArgs]) error {
			defer func() {
				if left.Add(-1) == 0 {
					close(done)
				}
			}()
			return c.work(ctx, j)
		}
		o := job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, work)}}
		for range 4 {
			start(t, p.open(t, o), 25)
		}
		p.enqueue(t, p.open(t, o), jobs)
		select {
		case <-done:
		case <-time.After(time.Duration(1+jobs/2000) * time.Minute):
		}
		all := c.all()
		require.Len(t, all, jobs)
		for n, runs := range all {
			require.Equal(t, 1, runs, "job %d", n)
		}
	})
}

func TestAFailedJobIsTriedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var attempts atomic.Int64
		outcomes := make(chan job.Outcome, 16)
		q := p.open(t, job.QueueOptions{
			Handlers: []job.Handler{job.Handle(job.Options{Backoff: func(int) time.Duration { return 0 }}, func(_ context.Context, j job.Job[errandArgs]) error {
				if attempts.Add(1); j.Attempt < 3 {
					return fmt.Errorf("not yet")
				}
				return nil
			})},
			Observe: func(_ string, o job.Outcome) { outcomes <- o },
		})
		start(t, q, 2)
		p.enqueue(t, q, 1)
		require.Equal(t, job.Failed, <-outcomes)
		require.Equal(t, job.Failed, <-outcomes)
		require.Equal(t, job.Completed, <-outcomes)
		require.EqualValues(t, 3, attempts.Load())
		require.Equal(t, 2, strings.Count(p.logs.String(), `"msg":"job failed; it will be tried again"`), "once for each attempt:\n%s", p.logs)
	})
}

func TestAPointlessJobIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var attempts atomic.Int64
		var outcome atomic.Value
		q := p.open(t, job.QueueOptions{
			Handlers: []job.Handler{job.Handle(job.Options{}, func(context.Context, job.Job[errandArgs]) error {
				attempts.Add(1)
				return fmt.Errorf("errand: %w", job.Pointless(errors.New("the shop has closed")))
			})},
			Observe: func(_ string, o job.Outcome) { outcome.Store(o) },
		})
		p.enqueue(t, q, 1)
		drain(t, q)
		require.EqualValues(t, 1, attempts.Load())
		require.Equal(t, job.Cancelled, outcome.Load())
		require.Equal(t, 1, strings.Count(p.logs.String(), "the shop has closed"))
	})
}

func TestAPanicIsOneJobsAlone(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var c count
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, func(ctx context.Context, j job.Job[errandArgs]) error {
			if j.Args.Number == 1 {
				panic("secret-of-the-panic")
			}
			return c.work(ctx, j)
		})}})
		p.enqueue(t, q, 3)
		drain(t, q)
		require.Equal(t, map[int]int{0: 1, 2: 1}, c.all())
		require.Equal(t, 1, strings.Count(p.logs.String(), `"msg":"job panicked"`))
		require.Contains(t, p.logs.String(), "job_test.go", "the stack says where")
		require.NotContains(t, p.logs.String(), "secret-of-the-panic")
	})
}

func TestAJobEndsWithItsTimeout(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		cause := make(chan error, 1)
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{Timeout: 50 * time.Millisecond}, func(ctx context.Context, _ job.Job[errandArgs]) error {
			<-ctx.Done()
			cause <- ctx.Err()
			return ctx.Err()
		})}})
		p.enqueue(t, q, 1)
		drain(t, q)
		require.ErrorIs(t, <-cause, context.DeadlineExceeded)
	})
}

func TestStoppingGivesBackWhatDoesNotEnd(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		began := make(chan int, 4)
		var stopped atomic.Bool
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{Timeout: time.Minute}, func(ctx context.Context, j job.Job[errandArgs]) error {
			began <- j.Attempt
			if stopped.Load() {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})}})
		w := start(t, q, 1)
		p.enqueue(t, q, 1)
		<-began
		soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		require.NoError(t, w.Stop(soon))
		stopped.Store(true)
		start(t, q, 1)
		<-began
	})
}

func TestAJobMayWait(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var c count
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, c.work)}})
		p.enqueue(t, q, 1, job.At(time.Now().Add(time.Hour)))
		drain(t, q)
		require.Empty(t, c.all())
	})
}

func TestMistakesOfAProgramAreFoundBeforeItRuns(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		errand := job.Handle(job.Options{}, func(context.Context, job.Job[errandArgs]) error { return nil })
		for name, o := range map[string]job.QueueOptions{
			"two handlers of a kind":       {Handlers: []job.Handler{errand, errand}},
			"a schedule without a handler": {Schedules: []job.Periodic{{Every: time.Hour, Args: errandArgs{}}}},
			"a schedule that never rests":  {Handlers: []job.Handler{errand}, Schedules: []job.Periodic{{Args: errandArgs{}}}},
		} {
			o.Logger = slog.New(slog.DiscardHandler)
			_, err := job.Open(p.db, o)
			require.Error(t, err, name)
		}
		q := p.open(t, job.QueueOptions{})
		require.ErrorContains(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			return q.Enqueue(ctx, tx, errandArgs{})
		}), "no module of this program handles test.errand")
	})
}
