package job_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
)

// surveyArgs are jobs of which two at one place are the same.
type surveyArgs struct {
	Place string `json:"place" river:"unique"`
	Asked int    `json:"asked"`
}

func (surveyArgs) Kind() string { return "test.survey" }

// twinArgs have the members of errands.
type twinArgs struct {
	Number int `json:"number"`
}

func (twinArgs) Kind() string { return "test.twin" }

// unique is a queue that does errands as told, and the other kinds well.
func (p place) unique(t *testing.T, o job.Options, work func(context.Context, job.Job[errandArgs]) error) *job.Queue {
	t.Helper()
	return p.open(t, job.QueueOptions{Handlers: []job.Handler{
		job.Handle(o, work),
		job.Handle(job.Options{}, func(context.Context, job.Job[surveyArgs]) error { return nil }),
		job.Handle(job.Options{}, func(context.Context, job.Job[twinArgs]) error { return nil }),
	}})
}

// wanted is a job to be enqueued.
type wanted struct {
	args job.Args
	opts []job.Option
}

func TestAUniqueJobIsInTheQueueOnce(t *testing.T) {
	t.Parallel()
	once := []job.Option{job.Unique()}
	later := []job.Option{job.Unique(), job.At(time.Now().Add(time.Hour))}
	for _, c := range []struct {
		name string
		jobs []wanted
		want int
	}{
		{"the same", []wanted{{errandArgs{1}, once}, {errandArgs{1}, once}, {errandArgs{1}, once}}, 1},
		{"other arguments", []wanted{{errandArgs{1}, once}, {errandArgs{2}, once}}, 2},
		{"another kind", []wanted{{errandArgs{1}, once}, {twinArgs{1}, once}}, 2},
		{"one that is not unique", []wanted{{errandArgs{1}, nil}, {errandArgs{1}, once}, {errandArgs{1}, nil}}, 3},
		{"one that waits for its time", []wanted{{errandArgs{1}, later}, {errandArgs{1}, once}}, 1},
		{"the same in what is tagged", []wanted{{surveyArgs{"Ulm", 1}, once}, {surveyArgs{"Ulm", 2}, once}}, 1},
		{"another one in what is tagged", []wanted{{surveyArgs{"Ulm", 1}, once}, {surveyArgs{"Bonn", 1}, once}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, p place) {
				q := p.unique(t, job.Options{}, done)
				put := func(ctx context.Context, tx *database.Tx, jobs ...wanted) error {
					for _, w := range jobs {
						if err := q.Enqueue(ctx, tx, w.args, w.opts...); err != nil {
							return err
						}
					}
					return nil
				}
				undone := errors.New("undone")
				require.ErrorIs(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return errors.Join(put(ctx, tx, c.jobs...), undone) }), undone)
				require.Zero(t, p.count(t, "true"), "nothing is left of what is undone")
				require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return put(ctx, tx, c.jobs...) }))
				require.Equal(t, c.want, p.count(t, "true"), "in one transaction")
				_, err := p.db.Exec(t.Context(), "DELETE FROM river_job")
				require.NoError(t, err)
				for _, w := range c.jobs {
					require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return put(ctx, tx, w) }))
				}
				require.Equal(t, c.want, p.count(t, "true"), "each in its own")
			})
		})
	}
}

func TestTheUniqueJobThatIsThereKeepsItsTime(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.unique(t, job.Options{}, done)
		p.enqueue(t, q, 1, job.Unique(), job.At(time.Now().Add(time.Hour)))
		before := newest(t, q)
		p.enqueue(t, q, 1, job.Unique())
		require.Equal(t, before, newest(t, q))
		require.Equal(t, job.StateScheduled, before.State)
	})
}

func TestAThousandAtOnceMakeOneUniqueJob(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) { p.requireOneOfAThousand(t) })
}

// requireOneOfAThousand enqueues one job from a hundred writers, ten times each.
func (p place) requireOneOfAThousand(t *testing.T) {
	t.Helper()
	const writers, each = 100, 10
	var c count
	q := p.unique(t, job.Options{}, c.work)
	begin := make(chan struct{})
	var all errgroup.Group
	for range writers {
		all.Go(func() error {
			<-begin
			for range each {
				if err := p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
					return q.Enqueue(ctx, tx, errandArgs{Number: 7}, job.Unique())
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	close(begin)
	require.NoError(t, all.Wait())
	require.Equal(t, 1, p.count(t, "kind = 'test.errand'"))
	drain(t, q)
	require.Equal(t, map[int]int{7: 1}, c.all())
}

// TestOfTwoTransactionsOneHasTheUniqueJob has one enqueue while the other one, which has, is open. SQLite does not let it begin.
func TestOfTwoTransactionsOneHasTheUniqueJob(t *testing.T) {
	t.Parallel()
	for name, outcome := range map[string]error{"the first commits": nil, "the first rolls back": errors.New("undone")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, p place) {
				q := p.unique(t, job.Options{}, done)
				inside, end := make(chan struct{}, 8), make(chan struct{}) // a transaction that lost its connection begins anew
				first, second := make(chan error, 1), make(chan error, 1)
				go func() {
					first <- p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
						if err := q.Enqueue(ctx, tx, errandArgs{}, job.Unique()); err != nil {
							return err
						}
						inside <- struct{}{}
						<-end
						return outcome
					})
				}()
				<-inside
				go func() {
					second <- p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
						return q.Enqueue(ctx, tx, errandArgs{}, job.Unique())
					})
				}()
				if p.db.Engine() != database.SQLite {
					require.Eventually(t, func() bool { return p.waits(t) }, 20*time.Second, 5*time.Millisecond, "the second waits for the first")
				}
				close(end)
				require.ErrorIs(t, <-first, outcome)
				require.NoError(t, <-second)
				require.Equal(t, 1, p.count(t, "state = 'available'"))
			})
		})
	}
}

// waits says whether somebody on this database waits for what another one holds.
func (p place) waits(t *testing.T) (somebody bool) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(t.Context(), `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&somebody))
	return somebody
}

func TestAnotherUniqueJobComesOnceOneIsOver(t *testing.T) {
	t.Parallel()
	for state, outcome := range map[job.State]error{
		job.StateCompleted: nil, job.StateCancelled: job.Pointless(errors.New("the shop has closed")), job.StateDiscarded: errors.New("the shop has burnt down"),
	} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, p place) {
				q := p.unique(t, job.Options{MaxAttempts: 1}, func(context.Context, job.Job[errandArgs]) error { return outcome })
				for n := range 3 {
					p.enqueue(t, q, 1, job.Unique())
					require.Equal(t, job.StateAvailable, newest(t, q).State)
					drain(t, q)
					require.Equal(t, state, newest(t, q).State)
					require.Equal(t, n+1, p.count(t, "true"))
				}
			})
		})
	}
}

func TestNoOtherUniqueJobComesWhileOneIsAtWork(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		began, end, outcomes := make(chan struct{}), make(chan struct{}), make(chan job.Outcome, 4)
		q := p.open(t, job.QueueOptions{
			Handlers: []job.Handler{job.Handle(job.Options{}, func(context.Context, job.Job[errandArgs]) error {
				began <- struct{}{}
				<-end
				return nil
			})},
			Observe: func(_ string, o job.Outcome) { outcomes <- o },
		})
		start(t, q, 2)
		p.enqueue(t, q, 1, job.Unique())
		<-began
		p.enqueue(t, q, 1, job.Unique())
		require.Equal(t, 1, p.count(t, "true"))
		close(end)
		require.Equal(t, job.Completed, <-outcomes)
		p.enqueue(t, q, 1, job.Unique())
		<-began
		require.Equal(t, 2, p.count(t, "true"))
	})
}

func TestNoOtherUniqueJobComesWhileOneWaitsForItsNextAttempt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		q := p.unique(t, job.Options{Backoff: func(int) time.Duration { return time.Hour }}, func(context.Context, job.Job[errandArgs]) error { return errors.New("not yet") })
		p.enqueue(t, q, 1, job.Unique())
		drain(t, q)
		p.enqueue(t, q, 1, job.Unique())
		require.Equal(t, 1, p.count(t, "state = 'retryable'"))
		require.Equal(t, 1, p.count(t, "true"))
	})
}

func TestAUniqueJobIsNotBroughtBackBesideItsLike(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		failing := p.unique(t, job.Options{MaxAttempts: 1}, func(context.Context, job.Job[errandArgs]) error { return errors.New("no") })
		p.enqueue(t, failing, 1, job.Unique())
		drain(t, failing)
		dead := newest(t, failing)
		q := p.unique(t, job.Options{MaxAttempts: 1}, done)
		p.enqueue(t, q, 1, job.Unique())
		_, changed, err := q.Retry(t.Context(), dead.ID, func(context.Context, *database.Tx, job.Record) error {
			return errors.New("nothing has changed")
		})
		require.ErrorIs(t, err, job.ErrDuplicate)
		require.False(t, changed)
		still, err := q.Get(t.Context(), dead.ID)
		require.NoError(t, err)
		require.Equal(t, dead, still)

		drain(t, q)
		_, changed, err = q.Retry(t.Context(), dead.ID)
		require.NoError(t, err)
		require.True(t, changed)
		drain(t, q)
		require.Equal(t, 2, p.count(t, "state = 'completed'"))
	})
}
