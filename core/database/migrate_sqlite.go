package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"time"
)

// sqliteMigrator migrates under a lock on a file beside the database. The system frees the lock when the process ends,
// however it ends.
//
// Only the last migration goes through the write handle, which syncs the log up to itself. Those before go through one that
// does not: a new database has some thirty, whose syncs took a fifth of a first start. A loss of power meanwhile takes whole
// migrations away, the last ones first, and the next start applies them again.
type sqliteMigrator struct {
	e    *sqliteEngine
	file *os.File // nil until locked
	lax  *sql.DB  // as well; its commits are not synced
}

func (e *sqliteEngine) migrator(context.Context, Options) (migrator, error) {
	return &sqliteMigrator{e: e}, nil
}

func (m *sqliteMigrator) lock(ctx context.Context, waiting func()) error {
	f, err := os.OpenFile(m.e.file.path+".migrate.lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := poll(ctx, waiting, func() (bool, error) { return tryLock(f) }); err != nil {
		_ = f.Close()
		return err
	}
	m.file = f
	lax := m.e.file
	if lax.synchronous == "full" {
		lax.synchronous = "normal"
	}
	if m.lax, err = openHandle(lax, m.e.acquireDeadline, false); err != nil {
		return err
	}
	m.lax.SetMaxOpenConns(1)
	return nil
}

func (m *sqliteMigrator) applied(ctx context.Context, create bool) ([]applied, error) {
	if create {
		if _, err := m.e.exec(ctx, recordTable[SQLite], nil); err != nil {
			return nil, err
		}
	}
	var exists int
	if err := m.e.read.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'gatehouse_migrations'").Scan(&exists); err != nil {
		return nil, classifySQLite(err).answer()
	}
	if exists == 0 {
		return nil, nil
	}
	rows, err := m.e.read.QueryContext(ctx, selectApplied)
	if err != nil {
		return nil, classifySQLite(err).answer()
	}
	defer func() { _ = rows.Close() }()
	var list []applied
	for rows.Next() {
		var a applied
		if err := rows.Scan(&a.module, &a.number, &a.name, &a.digest, (*microTime)(&a.at)); err != nil {
			return nil, classifySQLite(err).answer()
		}
		list = append(list, a)
	}
	if err := rows.Err(); err != nil {
		return nil, classifySQLite(err).answer()
	}
	return list, nil
}

func (m *sqliteMigrator) apply(ctx context.Context, step migration, at time.Time, last bool) error {
	c, r := m.handle(ctx, last)
	if r != nil {
		return r.answer()
	}
	defer func() { _ = c.Close() }()
	tx, err := c.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return classifySQLite(err).answer()
	}
	if err := applySQLite(ctx, tx, step, at); err != nil {
		_ = tx.Rollback()
		return err
	}
	if err := tx.Commit(); err != nil {
		return classifySQLite(err).answer()
	}
	return nil
}

func (m *sqliteMigrator) handle(ctx context.Context, syncs bool) (*sql.Conn, *refusal) {
	if syncs {
		return m.e.handle(ctx)
	}
	c, err := m.lax.Conn(ctx)
	if err != nil {
		return nil, classifySQLite(err)
	}
	return c, nil
}

func applySQLite(ctx context.Context, tx *sql.Tx, step migration, at time.Time) error {
	// A savepoint is gone if the file ended our transaction, and releasing it shows that.
	if _, err := tx.ExecContext(ctx, "SAVEPOINT migration"); err != nil {
		return classifySQLite(err).answer()
	}
	if _, err := tx.ExecContext(ctx, step.text); err != nil {
		return classifySQLite(err).answer()
	}
	if _, err := tx.ExecContext(ctx, "RELEASE migration"); err != nil {
		return errors.Join(errOwnTransaction, classifySQLite(err))
	}
	if _, err := tx.ExecContext(ctx, insertApplied, step.module, step.number, step.name, step.digest, at.UnixMicro()); err != nil {
		return fmt.Errorf("record it: %w", classifySQLite(err).answer())
	}
	return nil
}

// close leaves the lock's file: removing it would let two processes lock two files of one name.
func (m *sqliteMigrator) close() {
	if m.lax != nil {
		_ = m.lax.Close()
	}
	if m.file != nil {
		_ = m.file.Close()
	}
}
