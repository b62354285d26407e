package job

import (
	"context"
	"database/sql"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// NextRun is when a leader runs a schedule again.
func NextRun(every time.Duration, now time.Time) time.Time { return steady(every).Next(now) }

// OpenOn is Open on a handle of the test's own: on SQLite where pool is nil.
func OpenOn(pool *pgxpool.Pool, write *sql.DB, o QueueOptions) (*Queue, error) {
	return open(o, func(q *Queue) (engine, error) {
		if pool == nil {
			return newEngine(riversqlite.New(write), q.config(true))
		}
		return newEngine(riverpgxv5.New(pool), q.config(false))
	})
}

// StartUnasking is Start of a worker that looks for jobs when it is told, and never unasked.
func (q *Queue) StartUnasking(ctx context.Context, s Settings) (*Worker, error) {
	return q.start(ctx, s, func(c *river.Config) { c.FetchPollInterval = time.Hour })
}
