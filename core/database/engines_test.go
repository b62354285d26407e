package database

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/secret"
)

// store is a fresh, empty database and how to open it.
type store struct {
	name     string
	settings Settings
	options  Options
}

func (s store) open(t testing.TB, change ...func(*Settings, *Options)) *DB {
	t.Helper()
	settings, options := s.settings, s.options
	for _, f := range change {
		f(&settings, &options)
	}
	db, err := Open(t.Context(), settings, options)
	require.NoError(t, err)
	t.Cleanup(db.Close)
	return db
}

// eachStore runs the test on SQLite and, where TEST_POSTGRES_URL is set, on PostgreSQL without and with a pooler's rules:
// through a PgBouncer where TEST_PGBOUNCER_URL names one.
func eachStore(t *testing.T, test func(t *testing.T, s store)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, sqliteStore(t)) })
	if !postgrestest.Exists() {
		return
	}
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, postgresStore(t)) })
	t.Run("postgres with pooler", func(t *testing.T) {
		t.Parallel()
		test(t, pooledStore(t))
	})
}

func sqliteStore(t testing.TB) store {
	t.Helper()
	s := DefaultSettings()
	s.URL = secret.New("sqlite:" + filepath.Join(t.TempDir(), "test.db") + "?synchronous=off")
	return store{name: "sqlite", settings: s}
}

// postgresStore makes a database of its own in the server of TEST_POSTGRES_URL.
func postgresStore(t testing.TB) store {
	t.Helper()
	s := DefaultSettings()
	s.URL, s.PoolMin, s.PoolMax = secret.New(postgrestest.New(t)), 0, 5
	return store{name: "postgres", settings: s}
}

// pooledStore makes a database of its own as well, and leads to it as far as there is a pooler through that.
func pooledStore(t testing.TB) store {
	t.Helper()
	s := postgresStore(t)
	s.settings.Pooler, s.settings.DirectURL = PoolerTransaction, s.settings.URL
	if pooler := os.Getenv("TEST_PGBOUNCER_URL"); pooler != "" {
		u, err := url.Parse(pooler)
		require.NoError(t, err)
		behind, err := url.Parse(s.settings.DirectURL.Reveal())
		require.NoError(t, err)
		u.Path = behind.Path
		s.settings.URL = secret.New(u.String())
	}
	return s
}

// server is where PostgreSQL itself is.
func (s store) server() string {
	if s.settings.DirectURL.IsZero() {
		return s.settings.URL.Reveal()
	}
	return s.settings.DirectURL.Reveal()
}

func admin(t testing.TB, server string, statements ...string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	for _, s := range statements {
		_, err = conn.Exec(ctx, s)
		require.NoError(t, err)
	}
}

// files makes a module's migrations of name, text pairs.
func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

// things is a table with a column of every type.
func things() []Migrations {
	const columns = `CREATE TABLE things (
		id UUID PRIMARY KEY, name TEXT NOT NULL, size INT NOT NULL DEFAULT 0, ratio FLOAT, flag BOOL NOT NULL DEFAULT FALSE,
		at TIME, doc JSON, raw BLOB, parent UUID REFERENCES things (id), note TEXT);
	CREATE UNIQUE INDEX things_name_key ON things (name); -- a comment; with a semicolon
	CREATE UNIQUE INDEX things_size_note_key ON things (size, note);
	INSERT INTO things (id, name) VALUES ('00000000-0000-7000-8000-000000000001', 'first?;');`
	lite := strings.NewReplacer("UUID", "TEXT", "INT ", "INTEGER ", "FLOAT", "REAL", "BOOL ", "INTEGER ", "at TIME", "at INTEGER", "JSON", "TEXT").Replace(columns)
	lite = strings.Replace(lite, "note TEXT);", "note TEXT) STRICT;", 1)
	pg := strings.NewReplacer("UUID", "uuid", "INT ", "bigint ", "FLOAT", "double precision", "BOOL ", "boolean ", "at TIME", "at timestamptz", "JSON", "jsonb", "BLOB", "bytea").Replace(columns)
	return []Migrations{{Module: "things", FS: files("0001_things.sqlite.sql", lite, "0001_things.postgres.sql", pg)}}
}

func (s store) withThings(t testing.TB, change ...func(*Settings, *Options)) *DB {
	t.Helper()
	db := s.open(t, change...)
	_, err := db.Migrate(t.Context(), things())
	require.NoError(t, err)
	return db
}

const firstThing = "00000000-0000-7000-8000-000000000001"
