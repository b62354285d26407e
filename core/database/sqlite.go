package database

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"modernc.org/sqlite"
)

// leastSQLite is the first version without the WAL-reset bug, which could corrupt a database.
const leastSQLite = "3.51.3"

// maxStatements bounds the prepared statements of the read pool. SQL is constants of the source, so it is never reached.
const maxStatements = 1024

// sqliteEngine is one handle that writes and a pool of handles that only read, over database/sql.
type sqliteEngine struct {
	file             sqliteFile
	write, read      *sql.DB
	gate             chan struct{} // one place per reading handle, so that waiting for one has a deadline of its own
	acquireDeadline  time.Duration
	statementTimeout time.Duration
	statements       sync.Map // SQL → *sql.Stmt of the read pool
	prepared         atomic.Int64
	waits, waited    atomic.Int64 // for the gate; nanoseconds
	closing          sync.Once
}

func openSQLite(ctx context.Context, s Settings, o Options) (*sqliteEngine, error) {
	f, err := parseSQLite(s.URL.Reveal(), o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("database.url %w", err)
	}
	if err := createFile(f.path); err != nil {
		return nil, fmt.Errorf("open database: %w", err)
	}
	readers := min(max(4, 2*runtime.GOMAXPROCS(0)), 16)
	e := &sqliteEngine{file: f, gate: make(chan struct{}, readers), acquireDeadline: s.AcquireDeadline, statementTimeout: s.StatementTimeout}
	if e.write, err = openHandle(f, s.AcquireDeadline, false); err != nil {
		return nil, err
	}
	if e.read, err = openHandle(f, s.AcquireDeadline, true); err != nil {
		_ = e.write.Close()
		return nil, err
	}
	e.write.SetMaxOpenConns(1)
	e.write.SetMaxIdleConns(1)
	e.read.SetMaxOpenConns(readers)
	e.read.SetMaxIdleConns(readers)
	if err := e.checkVersion(ctx); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// createFile makes the database's folder and file readable by us alone; SQLite gives its side files the same mode.
func createFile(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func openHandle(f sqliteFile, busy time.Duration, reading bool) (*sql.DB, error) {
	pragmas := []string{
		"busy_timeout(" + strconv.FormatInt(busy.Milliseconds(), 10) + ")",
		"foreign_keys(1)",
	}
	if reading {
		pragmas = append(pragmas, "query_only(1)")
	} else {
		pragmas = append(pragmas, "synchronous("+f.synchronous+")", "journal_mode(wal)")
	}
	name := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.ToSlash(f.path)}).EscapedPath(), RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, fmt.Errorf("open database: %w", classifySQLite(err).answer())
	}
	if reading {
		return sql.OpenDB(connector), nil
	}
	return sql.OpenDB(keepStatements{connector}), nil
}

func (e *sqliteEngine) checkVersion(ctx context.Context) error {
	var version, journal string
	if err := e.write.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return fmt.Errorf("open database: %w", classifySQLite(err).answer())
	}
	if older(version, leastSQLite) {
		return fmt.Errorf("database: SQLite %s is too old; %s or later is needed", version, leastSQLite)
	}
	if err := e.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&journal); err != nil {
		return fmt.Errorf("open database: %w", classifySQLite(err).answer())
	}
	if journal != "wal" {
		return fmt.Errorf("database: the file system of the SQLite file does not allow write-ahead logging; use a local disk")
	}
	return nil
}

// older compares versions of the form 3.51.3.
func older(version, least string) bool {
	v, l := strings.Split(version, "."), strings.Split(least, ".")
	for i := range min(len(v), len(l)) {
		a, _ := strconv.Atoi(v[i])
		b, _ := strconv.Atoi(l[i])
		if a != b {
			return a < b
		}
	}
	return len(v) < len(l)
}

// handle takes the write handle within the deadline.
func (e *sqliteEngine) handle(ctx context.Context) (*sql.Conn, *refusal) {
	deadline, cancel := context.WithTimeout(ctx, e.acquireDeadline)
	defer cancel()
	c, err := e.write.Conn(deadline)
	if err != nil {
		r := classifySQLite(err)
		r.kind = unavailable
		if contextError(err) != nil {
			r.message = "no write handle within the deadline"
		}
		return nil, r
	}
	return c, nil
}

func (e *sqliteEngine) exec(ctx context.Context, sql string, args []any) (int64, error) {
	c, r := e.handle(ctx)
	if r != nil {
		return 0, r.answer()
	}
	defer func() { _ = c.Close() }()
	deadline, cancel := context.WithTimeout(ctx, e.statementTimeout)
	defer cancel()
	res, err := c.ExecContext(deadline, sql, args...)
	if err != nil {
		return 0, classifySQLite(err).answer()
	}
	n, _ := res.RowsAffected() // the driver has it at hand
	return n, nil
}

// change is a query on the write handle. The caller's leaving does not cut it short: whoever gave up half-way could not say
// whether it happened.
func (e *sqliteEngine) change(ctx context.Context, sql string, args []any) (cursor, error) {
	c, r := e.handle(ctx)
	if r != nil {
		return nil, r.answer()
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.statementTimeout)
	end := func() { cancel(); _ = c.Close() }
	rows, err := c.QueryContext(deadline, sql, args...) //nolint:rowserrcheck // the cursor's
	if err != nil {
		end()
		return nil, classifySQLite(err).answer()
	}
	return &sqlCursor{rows: rows, classify: classifySQLite, end: end}, nil
}

// enter waits for a reading handle to be free.
func (e *sqliteEngine) enter(ctx context.Context) *refusal {
	if err := ctx.Err(); err != nil {
		return &refusal{engine: SQLite, kind: unavailable, message: gaveUp, cause: err}
	}
	select {
	case e.gate <- struct{}{}:
		return nil
	default:
	}
	started := time.Now()
	t := time.NewTimer(e.acquireDeadline)
	defer t.Stop()
	defer func() { e.waits.Add(1); e.waited.Add(int64(time.Since(started))) }()
	select {
	case e.gate <- struct{}{}:
		return nil
	case <-t.C:
		return &refusal{engine: SQLite, kind: unavailable, message: "no reading handle within the deadline"}
	case <-ctx.Done():
		return &refusal{engine: SQLite, kind: unavailable, message: gaveUp, cause: ctx.Err()}
	}
}

func (e *sqliteEngine) leave() { <-e.gate }

// query reads. A single row, found by key, is read without watching the context meanwhile: it takes microseconds, and
// watching costs as much again. Everything else ends with its deadline.
func (e *sqliteEngine) query(ctx context.Context, sql string, args []any, single bool) (cursor, error) {
	if r := e.enter(ctx); r != nil {
		return nil, r.answer()
	}
	cancel := context.CancelFunc(func() {})
	if single {
		ctx = context.WithoutCancel(ctx)
	} else {
		ctx, cancel = context.WithTimeout(ctx, e.statementTimeout)
	}
	rows, err := e.run(ctx, sql, args) //nolint:rowserrcheck // the cursor's
	if err != nil {
		cancel()
		e.leave()
		return nil, readFault(err).answer()
	}
	return &sqlCursor{rows: rows, end: func() { cancel(); e.leave() }, classify: readFault}, nil
}

// run uses the prepared statement, which each handle of the pool prepares once.
func (e *sqliteEngine) run(ctx context.Context, text string, args []any) (*sql.Rows, error) {
	if s, ok := e.statements.Load(text); ok {
		return s.(*sql.Stmt).QueryContext(ctx, args...)
	}
	if e.prepared.Load() >= maxStatements {
		return e.read.QueryContext(ctx, text, args...)
	}
	s, err := e.read.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	if first, loaded := e.statements.LoadOrStore(text, s); loaded {
		_ = s.Close() //nolint:sqlclosecheck // another was quicker
		s = first.(*sql.Stmt)
	} else {
		e.prepared.Add(1)
	}
	return s.QueryContext(ctx, args...)
}

func (e *sqliteEngine) ping(ctx context.Context) error {
	c, err := e.query(ctx, "SELECT count(*) FROM sqlite_schema", nil, false)
	if err != nil {
		return err
	}
	defer c.close()
	c.next()
	return c.err()
}

func (e *sqliteEngine) stats() Stats {
	w, r := e.write.Stats(), e.read.Stats()
	return Stats{
		Open: w.OpenConnections + r.OpenConnections, InUse: w.InUse + r.InUse, Idle: w.Idle + r.Idle,
		Max:   w.MaxOpenConnections + r.MaxOpenConnections,
		Waits: w.WaitCount + e.waits.Load(), WaitTime: w.WaitDuration + time.Duration(e.waited.Load()),
	}
}

func (e *sqliteEngine) close() {
	e.closing.Do(func() {
		for range cap(e.gate) { // readers end first
			e.gate <- struct{}{}
		}
		e.statements.Range(func(_, s any) bool { _ = s.(*sql.Stmt).Close(); return true })
		e.statements.Clear()
		_ = e.read.Close()
		_ = e.write.Close()
		for range cap(e.gate) { // who comes now is told at once, and does not wait for a handle
			<-e.gate
		}
	})
}
