package testkit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
)

// The variables that name servers to test against. Without them everything runs on SQLite and in memory.
const (
	PostgresVariable  = "TEST_POSTGRES_URL"
	PgBouncerVariable = "TEST_PGBOUNCER_URL" // the same server by way of PgBouncer in transaction mode
	RedisVariable     = "TEST_REDIS_URL"
)

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

// EachDB runs a case on every store there is, in parallel.
func EachDB(t *testing.T, run func(t *testing.T, db Database)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, SQLite(t))
	})
	if os.Getenv(PostgresVariable) == "" {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		run(t, Postgres(t))
	})
}

// SQLite gives an empty database in a folder of the test. It does not wait for the disk: durability has tests of its own.
func SQLite(t testing.TB) Database {
	t.Helper()
	return Database{Engine: database.SQLite, URL: "sqlite:" + filepath.Join(t.TempDir(), "gatehouse.db") + "?synchronous=off"}
}

// Postgres makes an empty database on the server that TEST_POSTGRES_URL names, and drops it when the test ends.
func Postgres(t testing.TB) Database {
	t.Helper()
	server := os.Getenv(PostgresVariable)
	require.NotEmpty(t, server, "set "+PostgresVariable)
	name := "gatehouse_test_" + randomName()
	onServer(t, server, "CREATE DATABASE "+name)
	t.Cleanup(func() { onServer(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)") })
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return Database{Engine: database.PostgreSQL, URL: u.String()}
}

// Pooled is Postgres by way of the pooler that TEST_PGBOUNCER_URL names.
func Pooled(t testing.TB) Database {
	t.Helper()
	pooler := os.Getenv(PgBouncerVariable)
	require.NotEmpty(t, pooler, "set "+PgBouncerVariable)
	db := Postgres(t)
	direct, err := url.Parse(db.URL)
	require.NoError(t, err)
	u, err := url.Parse(pooler)
	require.NoError(t, err)
	u.Path = direct.Path
	return Database{Engine: db.Engine, URL: u.String(), DirectURL: db.URL}
}

// onServer runs a statement on a connection of its own.
func onServer(t testing.TB, server, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	s := database.DefaultSettings()
	s.URL, s.PoolMin, s.PoolMax = secret.New(server), 0, 1
	s.AcquireDeadline, s.StatementTimeout = 20*time.Second, 20*time.Second
	db, err := database.Open(ctx, s, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Exec(ctx, sql)
	require.NoError(t, err)
}

func randomName() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
