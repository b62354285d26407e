package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/clock"
)

// ErrNoDatabase means that the file of the SQLite database is not there, or is empty: the first start makes it.
var ErrNoDatabase = errors.New("there is no database yet")

// Target says where a database is, without anything secret.
type Target struct {
	Engine Engine
	Place  string // the file's path, or host:port/name
	Lax    bool   // SQLite is told not to wait for the disk at each commit
}

// Target reads the settings. Its error never holds the URL.
func (s Settings) Target(dataDir string) (Target, error) {
	kind, err := engineOf(s.URL.Reveal())
	if err != nil {
		return Target{}, fmt.Errorf("database.url %w", err)
	}
	if kind == SQLite {
		f, err := parseSQLite(s.URL.Reveal(), dataDir)
		if err != nil {
			return Target{}, fmt.Errorf("database.url %w", err)
		}
		return Target{Engine: SQLite, Place: f.path, Lax: f.synchronous != "full"}, nil
	}
	c, err := parsePostgres(s.URL.Reveal())
	if err != nil {
		return Target{}, fmt.Errorf("database.url %w", err)
	}
	hosts := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))}
	for _, f := range c.Fallbacks {
		if host := net.JoinHostPort(f.Host, strconv.Itoa(int(f.Port))); !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return Target{Engine: PostgreSQL, Place: strings.Join(hosts, ",") + "/" + c.Database}, nil
}

// OpenExisting opens a database to look at it: nothing is created or converted, and no handle of SQLite writes. It returns
// ErrNoDatabase where SQLite's file is missing. PostgreSQL gets two connections at most.
func OpenExisting(ctx context.Context, s Settings, o Options) (*DB, error) {
	s.PoolMin, s.PoolMax = 0, 2
	if kind, err := engineOf(s.URL.Reveal()); err != nil || kind == PostgreSQL {
		return Open(ctx, s, o)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	e, err := openSQLiteToRead(s, o)
	if err != nil {
		return nil, err
	}
	db := &DB{kind: SQLite, options: o, engine: e}
	if err := db.Ping(ctx); err != nil {
		e.close()
		return nil, fmt.Errorf("open database: %w", err)
	}
	return db, nil
}

// openSQLiteToRead makes an engine whose write handle refuses to write.
func openSQLiteToRead(s Settings, o Options) (*sqliteEngine, error) {
	f, err := parseSQLite(s.URL.Reveal(), o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("database.url %w", err)
	}
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && info.Size() == 0:
		return nil, ErrNoDatabase
	case err != nil:
		return nil, fmt.Errorf("open database: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("open database: %s is not a file", f.path)
	}
	const readers = 2
	e := &sqliteEngine{file: f, gate: make(chan struct{}, readers), acquireDeadline: s.AcquireDeadline, statementTimeout: s.StatementTimeout}
	if e.write, err = openHandle(f, s.AcquireDeadline, true); err != nil {
		return nil, err
	}
	if e.read, err = openHandle(f, s.AcquireDeadline, true); err != nil {
		_ = e.write.Close() // nothing was done with it
		return nil, err
	}
	e.write.SetMaxOpenConns(1)
	e.read.SetMaxOpenConns(readers)
	return e, nil
}

// Unapplied lists the migrations of the sets as they stand in a database that is not there yet.
func Unapplied(kind Engine, sets []Migrations) ([]MigrationStatus, error) {
	wanted, err := readMigrations(kind, sets)
	if err != nil {
		return nil, err
	}
	return status(wanted, nil), nil
}

// Now gives the time by the clock of PostgreSQL's server, which all instances share. SQLite has none: it is this machine's.
func (db *DB) Now(ctx context.Context) (time.Time, error) {
	if db.kind == SQLite {
		return db.options.Clock.Now(), nil
	}
	var at time.Time
	err := db.QueryRow(ctx, `SELECT clock_timestamp()`).Scan(&at)
	return at, err
}

// Facts is what a database says about itself.
type Facts struct {
	Version   string    // of PostgreSQL's server, or of SQLite
	Now       time.Time // by its clock; zero for SQLite, which has none
	Encrypted bool      // the connection to PostgreSQL uses TLS
	Lax       []string  // PostgreSQL's settings that let a commit be acknowledged and lost
}

// Facts asks for them, within the statement time-out.
func (db *DB) Facts(ctx context.Context) (Facts, error) {
	var f Facts
	if db.kind == SQLite {
		err := db.QueryRow(ctx, `SELECT sqlite_version()`).Scan(&f.Version)
		return f, err
	}
	var fsync, commit string
	if err := db.QueryRow(ctx, `SELECT current_setting('server_version'), clock_timestamp(), current_setting('fsync'), current_setting('synchronous_commit')`).
		Scan(&f.Version, &f.Now, &fsync, &commit); err != nil {
		return f, err
	}
	for name, value := range map[string]string{"fsync": fsync, "synchronous_commit": commit} {
		if value == "off" {
			f.Lax = append(f.Lax, name)
		}
	}
	slices.Sort(f.Lax)
	p, ok := db.engine.(*postgres)
	if !ok {
		return f, nil
	}
	c, r := p.acquire(ctx)
	if r != nil {
		return f, r.answer()
	}
	defer c.Release()
	_, f.Encrypted = c.Conn().PgConn().Conn().(*tls.Conn)
	return f, nil
}
