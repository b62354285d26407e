package job_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/job"
)

// TestBehindAPoolerEachJobIsWorkedOnceIfItsCauseIsThere has two workers of twenty jobs each at five connections to the
// server, and undoes every third cause.
func TestBehindAPoolerEachJobIsWorkedOnceIfItsCauseIsThere(t *testing.T) {
	t.Parallel()
	if os.Getenv(databasetest.PgBouncerVariable) == "" {
		return
	}
	const causes = 150
	p := newPlace(t, databasetest.Pooled(t))
	var c count
	ran := make(chan struct{}, 2*causes)
	work := func(ctx context.Context, j job.Job[errandArgs]) error {
		defer func() { ran <- struct{}{} }()
		return c.work(ctx, j)
	}
	o := job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, work)}}
	q := p.open(t, o)
	for range 2 {
		start(t, p.open(t, o), 20)
	}
	_, err := p.db.Exec(t.Context(), `CREATE TABLE causes (n INTEGER PRIMARY KEY)`)
	require.NoError(t, err)
	undone, want := errors.New("undone"), map[int]int{}
	for n := range causes {
		err := p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			if _, err := tx.Exec(ctx, `INSERT INTO causes (n) VALUES (?)`, n); err != nil {
				return err
			}
			if err := q.Enqueue(ctx, tx, errandArgs{Number: n}); err != nil {
				return err
			}
			if n%3 == 0 {
				return undone
			}
			return nil
		})
		if n%3 == 0 {
			require.ErrorIs(t, err, undone)
			continue
		}
		require.NoError(t, err)
		want[n] = 1
	}
	late := time.After(time.Minute)
	for range want {
		select {
		case <-ran:
		case <-late:
			t.Fatal("not all jobs have run")
		}
	}
	drain(t, q) // what would be left
	require.Equal(t, want, c.all())
	var there int
	require.NoError(t, p.db.QueryRow(t.Context(), `SELECT count(*) FROM causes`).Scan(&there))
	require.Equal(t, len(want), there)
}

func TestBehindAPoolerAThousandAtOnceMakeOneUniqueJob(t *testing.T) {
	t.Parallel()
	if os.Getenv(databasetest.PgBouncerVariable) == "" {
		return
	}
	newPlace(t, databasetest.Pooled(t)).requireOneOfAThousand(t)
}
