package database

import (
	"context"
	"database/sql"
	"errors"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// sqlCursor is rows of database/sql.
type sqlCursor struct {
	rows     *sql.Rows
	classify func(error) *refusal
	end      func()         // gives the handle back
	failed   func(*refusal) // tells the transaction; may be nil
	fault    *refusal
	closed   bool
}

func (c *sqlCursor) next() bool { return c.rows.Next() }

func (c *sqlCursor) scan(dest []any) error {
	if err := c.rows.Scan(dest...); err != nil {
		return c.settle(err).answer()
	}
	return nil
}

// err asks the rows only until they are closed: after that their context is cancelled by ourselves, and they may say so.
func (c *sqlCursor) err() error {
	if !c.closed && c.fault == nil {
		if err := c.rows.Err(); err != nil {
			_ = c.settle(err) // it keeps the fault
		}
	}
	if c.fault != nil {
		return c.fault.answer()
	}
	return nil
}

func (c *sqlCursor) settle(err error) *refusal {
	if c.fault == nil {
		c.fault = c.classify(err)
		if c.failed != nil {
			c.failed(c.fault)
		}
	}
	return c.fault
}

func (c *sqlCursor) close() {
	if c.closed {
		return
	}
	if err := c.rows.Close(); err != nil {
		_ = c.settle(err) // it keeps the fault
	}
	_ = c.err()
	c.closed = true
	c.end()
}

// readFault classifies on the read pool, where writing is the program's mistake and no fault of the disk.
func readFault(err error) *refusal {
	var e *sqlite.Error
	if errors.As(err, &e) && e.Code() == lib.SQLITE_READONLY {
		return &refusal{engine: SQLite, cause: errReadOnly}
	}
	return classifySQLite(err)
}

// sqliteTx is a transaction on the write handle.
type sqliteTx struct {
	e    *sqliteEngine
	conn *sql.Conn
	tx   *sql.Tx
}

// begin takes the write handle, and the file's write lock from other processes. Each is waited for within the deadline.
func (e *sqliteEngine) begin(ctx context.Context) (engineTx, *refusal) {
	c, r := e.handle(ctx)
	if r != nil {
		return nil, r
	}
	// Statements watch the caller's context; the transaction as a whole does not, so that it ends at one place.
	tx, err := c.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		_ = c.Close()
		return nil, classifySQLite(err)
	}
	return &sqliteTx{e: e, conn: c, tx: tx}, nil
}

func (t *sqliteTx) exec(ctx context.Context, text string, args []any) (int64, *refusal) {
	deadline, cancel := context.WithTimeout(ctx, t.e.statementTimeout)
	defer cancel()
	res, err := t.tx.ExecContext(deadline, text, args...)
	if err != nil {
		return 0, classifySQLite(err)
	}
	n, _ := res.RowsAffected() // the driver has it at hand
	return n, nil
}

// queue waits for nothing: there is no way to and fro.
func (t *sqliteTx) queue(ctx context.Context, text string, args []any) *refusal {
	_, r := t.exec(ctx, text, args)
	return r
}

func (t *sqliteTx) queueChange(ctx context.Context, text string, args []any) *refusal {
	n, r := t.exec(ctx, text, args)
	if r == nil && n == 0 {
		return &refusal{engine: SQLite, kind: noRow}
	}
	return r
}

func (t *sqliteTx) query(ctx context.Context, text string, args []any, failed func(*refusal)) (cursor, *refusal) {
	deadline, cancel := context.WithTimeout(ctx, t.e.statementTimeout)
	rows, err := t.tx.QueryContext(deadline, text, args...) //nolint:rowserrcheck // the cursor's
	if err != nil {
		cancel()
		return nil, classifySQLite(err)
	}
	return &sqlCursor{rows: rows, classify: classifySQLite, end: cancel, failed: failed}, nil
}

// lock has nothing to do: SQLite's transactions run one after the other.
func (t *sqliteTx) lock(ctx context.Context, _ string) *refusal {
	if err := ctx.Err(); err != nil {
		return &refusal{engine: SQLite, kind: unavailable, message: gaveUp, cause: err}
	}
	return nil
}

// commit is durable when it returns: synchronous=FULL syncs the log. A commit that fails is rolled back by the driver.
func (t *sqliteTx) commit(context.Context) *refusal {
	defer func() { _ = t.conn.Close() }()
	if err := t.tx.Commit(); err != nil {
		return classifySQLite(err)
	}
	return nil
}

func (t *sqliteTx) rollback(context.Context) {
	defer func() { _ = t.conn.Close() }()
	_ = t.tx.Rollback()
}
