package job

import (
	"database/sql"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// OpenOn is Open on a handle of the test's own: on SQLite where pool is nil.
func OpenOn(pool *pgxpool.Pool, write *sql.DB, o QueueOptions) (*Queue, error) {
	return open(o, func(q *Queue) (engine, error) {
		if pool == nil {
			return newEngine(riversqlite.New(write), q.config(true))
		}
		return newEngine(riverpgxv5.New(pool), q.config(false))
	})
}
