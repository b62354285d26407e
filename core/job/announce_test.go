package job_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
)

// TestWorkersAreToldOfEachJob has jobs come right behind one another, in transactions that end in another order than they
// begin, and workers that never look unasked: whoever was not told of a job would wait for it for an hour.
func TestWorkersAreToldOfEachJob(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		if p.db.Engine() == database.SQLite {
			return // where nobody can be told, and workers look every second
		}
		worked := make(chan int, 100)
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{
			job.Handle(job.Options{}, func(_ context.Context, j job.Job[errandArgs]) error { worked <- j.Args.Number; return nil }),
		}})
		p.enqueue(t, q, 1, job.At(time.Now().Add(time.Hour)))
		p.enqueue(t, q, 1, job.At(time.Now().Add(time.Hour)))
		later := ids(t, q, job.RecordQuery{Limit: 2})
		w, err := q.StartUnasking(t.Context(), job.Settings{Concurrency: 2})
		require.NoError(t, err)
		stopLater(t, w)
		next := func() int {
			select {
			case n := <-worked:
				return n
			case <-time.After(20 * time.Second):
				require.FailNow(t, "nobody was told")
				return 0
			}
		}
		for range 20 {
			p.enqueue(t, q, 1)
			next()
		}
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			if err := q.Enqueue(ctx, tx, errandArgs{Number: 1}); err != nil {
				return err
			}
			p.enqueue(t, q, 1) // and commit
			require.Equal(t, 0, next())
			return nil
		}))
		require.Equal(t, 1, next())
		for _, id := range later {
			_, changed, err := q.Retry(t.Context(), id)
			require.NoError(t, err)
			require.True(t, changed)
			require.Zero(t, next())
		}
	})
}

func TestAJobLearnsThatItsWorkerStops(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		began, ended := make(chan struct{}), make(chan error, 1)
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{
			job.Handle(job.Options{}, func(ctx context.Context, j job.Job[errandArgs]) error {
				close(began)
				select {
				case <-j.Stopping:
				case <-ctx.Done():
				}
				ended <- ctx.Err()
				return nil
			}),
		}})
		p.enqueue(t, q, 1)
		w := start(t, q, 1)
		<-began
		require.NoError(t, w.Stop(t.Context()))
		require.NoError(t, <-ended, "it ended by itself and was not cancelled")
		require.Equal(t, 1, p.count(t, `state = 'completed'`))
	})
}
