// Package databasetest gives tests of core databases: a case on every store, and empty databases of their own. Modules, and
// programs built on Gatehouse, find the same in testkit, which needs all of core and so is nothing for its tests.
package databasetest

import (
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/secret"
)

// PgBouncerVariable names the server of postgrestest by way of PgBouncer in transaction mode.
const PgBouncerVariable = "TEST_PGBOUNCER_URL"

// Database is a place for one test's tables: a file, or a database of its own on the test server.
type Database struct {
	Engine    database.Engine
	URL       string // as database.url takes it
	DirectURL string // as database.direct_url takes it, where URL leads through a pooler
}

// Settings are the default ones, led to the database.
func (d Database) Settings() database.Settings {
	s := database.DefaultSettings()
	s.URL = secret.New(d.URL)
	if d.DirectURL != "" {
		s.Pooler, s.DirectURL = database.PoolerTransaction, secret.New(d.DirectURL)
	}
	return s
}

// Each runs a case on an empty database of every store there is, in parallel.
func Each(t *testing.T, run func(t *testing.T, db Database)) {
	t.Helper()
	EachOf(t, SQLite, Postgres, run)
}

// EachOf is Each with databases of the caller's making.
func EachOf(t *testing.T, sqlite, postgres func(testing.TB) Database, run func(t *testing.T, db Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, sqlite(t))
	})
	if !postgrestest.Exists() {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, postgres(t))
	})
}

// SQLite gives an empty database in a folder of the test. It does not wait for the disk: durability has tests of its own.
func SQLite(t testing.TB) Database {
	t.Helper()
	return SQLiteAt(filepath.Join(t.TempDir(), "gatehouse.db"))
}

// SQLiteAt is the database in a file.
func SQLiteAt(path string) Database {
	return Database{Engine: database.SQLite, URL: "sqlite:" + path + "?synchronous=off"}
}

// Postgres makes an empty database on the server that TEST_POSTGRES_URL names, and drops it when the test ends.
func Postgres(t testing.TB) Database {
	t.Helper()
	return PostgresAt(postgrestest.New(t))
}

// PostgresAt is the database of a URL.
func PostgresAt(url string) Database { return Database{Engine: database.PostgreSQL, URL: url} }

// Pooled is Postgres by way of a pooler.
func Pooled(t testing.TB) Database {
	t.Helper()
	return ByPooler(t, Postgres(t))
}

// ByPooler is a database of PostgreSQL by way of the pooler that TEST_PGBOUNCER_URL names.
func ByPooler(t testing.TB, db Database) Database {
	t.Helper()
	pooler := os.Getenv(PgBouncerVariable)
	require.NotEmpty(t, pooler, "set "+PgBouncerVariable)
	direct, err := url.Parse(db.URL)
	require.NoError(t, err)
	u, err := url.Parse(pooler)
	require.NoError(t, err)
	u.Path = direct.Path
	return Database{Engine: db.Engine, URL: u.String(), DirectURL: db.URL}
}
