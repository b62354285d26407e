package database

import (
	"context"
	"database/sql/driver"
)

// keepStatements makes a connector whose connections prepare each text once. database/sql prepares anew for whoever holds a
// connection of its own, as all do that write here, and preparing costs a third of a short write.
type keepStatements struct{ driver.Connector }

// Connect implements driver.Connector.
func (k keepStatements) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := k.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &keepingConn{sqliteConn: c.(sqliteConn), idle: map[string]sqliteStmt{}}, nil // one driver, one type
}

// sqliteConn and sqliteStmt are what the driver's types can do.
type (
	sqliteConn interface {
		driver.Conn
		driver.ConnPrepareContext
		driver.ExecerContext
		driver.QueryerContext
		driver.Pinger
		driver.SessionResetter
		driver.Validator
	}
	sqliteStmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
)

// keepingConn belongs to one goroutine at a time, as database/sql promises.
type keepingConn struct {
	sqliteConn
	idle map[string]sqliteStmt // a statement at work is not in it, so that a second use beside it gets one of its own
}

// take gives the statement of a text. SQLite itself prepares it anew where the schema has changed since.
func (c *keepingConn) take(ctx context.Context, text string) (sqliteStmt, error) {
	if s, ok := c.idle[text]; ok {
		delete(c.idle, text)
		return s, nil
	}
	s, err := c.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return s.(sqliteStmt), nil
}

func (c *keepingConn) giveBack(text string, s sqliteStmt) error {
	if _, ok := c.idle[text]; ok || len(c.idle) >= maxStatements {
		return s.Close()
	}
	c.idle[text] = s
	return nil
}

// ExecContext implements driver.ExecerContext.
func (c *keepingConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	res, err := s.ExecContext(ctx, args)
	if back := c.giveBack(text, s); err == nil {
		err = back
	}
	return res, err
}

// QueryContext implements driver.QueryerContext.
func (c *keepingConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, text)
	if err != nil {
		return nil, err
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		_ = c.giveBack(text, s) // the query's own fault is the one to tell
		return nil, err
	}
	return &keptRows{Rows: rows, conn: c, text: text, stmt: s}, nil
}

// BeginTx implements driver.ConnBeginTx. The transaction takes the write lock at once, and its bounds are kept statements, too.
// It waits for the lock as long as busy_timeout has it: a beginning that was cut short may have happened.
func (c *keepingConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	if _, err := c.ExecContext(context.WithoutCancel(ctx), "BEGIN IMMEDIATE", nil); err != nil {
		return nil, err
	}
	return keptTx{c}, nil
}

// keptTx is a transaction of a connection, which has one at a time.
type keptTx struct{ conn *keepingConn }

// Commit implements driver.Tx. What could not be committed is undone, since database/sql takes the transaction for ended.
func (t keptTx) Commit() error {
	_, err := t.conn.ExecContext(context.Background(), "COMMIT", nil)
	if err != nil {
		_ = t.Rollback() // the commit's fault is the one to tell, and may have done it already
	}
	return err
}

// Rollback implements driver.Tx.
func (t keptTx) Rollback() error {
	_, err := t.conn.ExecContext(context.Background(), "ROLLBACK", nil)
	return err
}

// Close implements driver.Conn.
func (c *keepingConn) Close() error {
	for _, s := range c.idle {
		_ = s.Close() // the connection's end tells what is wrong with it
	}
	clear(c.idle)
	return c.sqliteConn.Close()
}

// keptRows give their statement back.
type keptRows struct {
	driver.Rows
	conn *keepingConn
	text string
	stmt sqliteStmt
}

// Close implements driver.Rows.
func (r *keptRows) Close() error {
	err := r.Rows.Close()
	if back := r.conn.giveBack(r.text, r.stmt); err == nil {
		err = back
	}
	return err
}
