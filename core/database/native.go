package database

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Handles gives what the engine itself works with, for a library that brings its own SQL for both engines, as core/job's
// does: the pool of PostgreSQL, or the one handle of SQLite that writes. The other is nil. Nothing that they run is seen by
// Options.Observe or bound to our deadlines.
func (db *DB) Handles() (pool *pgxpool.Pool, write *sql.DB) {
	switch e := db.engine.(type) {
	case *postgres:
		return e.pool, nil
	case *sqliteEngine:
		return nil, e.write
	default:
		return nil, nil
	}
}

// Pooled says that connections to PostgreSQL lead through a pooler that shares them between transactions, so that nothing
// may depend on a connection: no LISTEN, no named statements.
func (db *DB) Pooled() bool {
	p, ok := db.engine.(*postgres)
	return ok && p.pooled
}

// Native lets such a library work inside the transaction: fn gets the pgx.Tx or the *sql.Tx. What fn returns dooms the
// transaction as a failed statement does, and comes back in this package's classes.
func (tx *Tx) Native(ctx context.Context, fn func(ctx context.Context, native any) error) error {
	if err := tx.over(); err != nil {
		return err
	}
	if r := tx.inner.native(ctx, fn); r != nil {
		tx.fail(r)
		return r.answer()
	}
	return nil
}

func (t *sqliteTx) native(ctx context.Context, fn func(ctx context.Context, native any) error) *refusal {
	ctx, cancel := context.WithTimeout(ctx, t.e.statementTimeout)
	defer cancel()
	if err := fn(ctx, t.tx); err != nil {
		return classifySQLite(err)
	}
	return nil
}
