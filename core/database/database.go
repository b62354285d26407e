// Package database is the one way to the store: SQLite or PostgreSQL behind one small Querier. It holds the connections,
// transactions, conversions between Go and column types, error classes and migrations; it knows no table but its own.
//
// SQL is one text for both engines, with ? for each value. Values are always bound; no error or log line of this package
// holds one. A store that is away, full, overloaded or past its deadline gives an error that is errs.ErrUnavailable.
package database

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse/gatehouse/core/clock"
)

// Engine is the kind of database behind a DB.
type Engine string

// The engines.
const (
	SQLite     Engine = "sqlite"
	PostgreSQL Engine = "postgres"
)

// Options are what Open needs beside settings. All but DataDir may be left out.
type Options struct {
	DataDir string                                 // folder of gatehouse.db where the URL is empty
	Logger  *slog.Logger                           // nil logs nothing
	Clock   clock.Clock                            // dates applied migrations; nil is the system's
	Observe func(ctx context.Context, s Statement) // is told each statement before it runs; nil costs nothing
}

// Statement is what Options.Observe is told: the SQL as its author wrote it and the values given with it. Values may be
// secret, so it is for tests, never for a log.
type Statement struct {
	SQL  string
	Args []any
	InTx bool
}

// Querier runs SQL. DB and *Tx implement it. Values are bound in place of each ?.
//
// Exec gives the number of rows that changed. Queue is for changes whose outcome nobody looks at, and whose violations are
// no answer to anyone: a transaction sends them together with what follows. QueueChange is for those among them that have to
// find a row, since there is nothing to be done without it: one that changes none fails with ErrNoRows. Query gives rows that
// must be closed. QueryRow runs nothing until its Scan, and is for statements that find at most one row by key; on a DB both
// are for reading alone, since SQLite sends them to handles that cannot write.
type Querier interface {
	Exec(ctx context.Context, sql string, args ...any) (int64, error)
	Queue(ctx context.Context, sql string, args ...any) error
	QueueChange(ctx context.Context, sql string, args ...any) error
	Query(ctx context.Context, sql string, args ...any) (*Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) *Row
	ExecRow(ctx context.Context, sql string, args ...any) *Row
}

// engine is what SQLite and PostgreSQL do each in its own way. SQL comes as written, arguments already converted.
type engine interface {
	exec(ctx context.Context, sql string, args []any) (int64, error)
	query(ctx context.Context, sql string, args []any, single bool) (cursor, error)
	change(ctx context.Context, sql string, args []any) (cursor, error)
	begin(ctx context.Context) (engineTx, *refusal)
	ping(ctx context.Context) error
	stats() Stats
	migrator(ctx context.Context, o Options) (migrator, error)
	close()
}

// DB is an open database. It is safe for concurrent use.
type DB struct {
	kind    Engine
	engine  engine
	options Options
}

// Stats are the pool's numbers: connections open, in use, idle and allowed, and since the start how often and how long a
// caller waited for one. On SQLite they sum the write handle and the read pool.
type Stats struct {
	Open, InUse, Idle, Max int
	Waits                  int64
	WaitTime               time.Duration
}

// Open connects to the database that the settings name and checks that it answers. For SQLite it creates the file (0600)
// and its folder (0700) where they are missing. Its errors never hold the URL.
func Open(ctx context.Context, s Settings, o Options) (*DB, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	kind, err := engineOf(s.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("database.url %w", err)
	}
	db := &DB{kind: kind, options: o}
	if kind == PostgreSQL {
		db.engine, err = openPostgres(ctx, s, o)
	} else {
		db.engine, err = openSQLite(ctx, s, o)
	}
	if err != nil {
		return nil, err
	}
	return db, nil
}

// Engine says what kind of database it is.
func (db *DB) Engine() Engine { return db.kind }

// Ping asks the database for an answer, within the acquire deadline and the context's.
func (db *DB) Ping(ctx context.Context) error { return db.engine.ping(ctx) }

// Stats gives the pool's numbers.
func (db *DB) Stats() Stats { return db.engine.stats() }

// Close ends every connection. It waits for those in use.
func (db *DB) Close() { db.engine.close() }

// Exec implements Querier.
func (db *DB) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	bound, err := db.prepare(ctx, sql, args)
	if err != nil {
		return 0, err
	}
	return db.engine.exec(ctx, sql, bound)
}

// Queue implements Querier. There is nothing to send it with, so it is Exec.
func (db *DB) Queue(ctx context.Context, sql string, args ...any) error {
	_, err := db.Exec(ctx, sql, args...)
	return err
}

// QueueChange implements Querier, at once like Queue.
func (db *DB) QueueChange(ctx context.Context, sql string, args ...any) error {
	n, err := db.Exec(ctx, sql, args...)
	if err == nil && n == 0 {
		return ErrNoRows
	}
	return err
}

// Query implements Querier.
func (db *DB) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	return db.query(ctx, sql, args, false)
}

// QueryRow implements Querier.
func (db *DB) QueryRow(ctx context.Context, sql string, args ...any) *Row {
	return &Row{ctx: ctx, source: db, sql: sql, args: args}
}

// ExecRow implements Querier. Like Exec it commits by itself, and has when Scan returns.
func (db *DB) ExecRow(ctx context.Context, sql string, args ...any) *Row {
	return &Row{ctx: ctx, source: changes{db}, sql: sql, args: args, changes: true}
}

// changes is the source of rows that a statement outside a transaction has changed.
type changes struct{ db *DB }

func (c changes) query(ctx context.Context, sql string, args []any, _ bool) (*Rows, error) {
	bound, err := c.db.prepare(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	changed, err := c.db.engine.change(ctx, sql, bound)
	if err != nil {
		return nil, err
	}
	return &Rows{cursor: changed, kind: c.db.kind}, nil
}

func (db *DB) query(ctx context.Context, sql string, args []any, single bool) (*Rows, error) {
	bound, err := db.prepare(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	c, err := db.engine.query(ctx, sql, bound, single)
	if err != nil {
		return nil, err
	}
	return &Rows{cursor: c, kind: db.kind}, nil
}

// prepare refuses the pool inside a transaction, tells the observer, and converts the arguments.
func (db *DB) prepare(ctx context.Context, sql string, args []any) ([]any, error) {
	if db.inside(ctx) {
		return nil, errPoolInTx
	}
	if db.options.Observe != nil {
		db.options.Observe(ctx, Statement{SQL: sql, Args: args})
	}
	return bind(db.kind, args)
}
