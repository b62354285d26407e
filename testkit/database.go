package testkit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
)

// The variables that name servers to test against. Without them everything runs on SQLite and in memory.
const (
	PostgresVariable  = postgrestest.Variable
	PgBouncerVariable = databasetest.PgBouncerVariable
	RedisVariable     = "TEST_REDIS_URL"
)

// Database is a place for one test's tables: a file, or a database of its own on the test server. It has those of the
// standard modules already, and no row of any; what else a build has is brought up as on any start.
type Database = databasetest.Database

// EachDB runs a case on every store there is, in parallel.
func EachDB(t *testing.T, run func(t *testing.T, db Database)) {
	t.Helper()
	databasetest.EachOf(t, SQLite, Postgres, run)
}

// SQLite gives a database in a folder of the test. It does not wait for the disk: durability has tests of its own.
func SQLite(t testing.TB) Database {
	t.Helper()
	content, err := sqliteTemplate()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "gatehouse.db")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return databasetest.SQLiteAt(path)
}

// Postgres makes a database on the server that TEST_POSTGRES_URL names, and drops it when the test ends.
func Postgres(t testing.TB) Database {
	t.Helper()
	return databasetest.PostgresAt(postgresTemplate.New(t))
}

// Pooled is Postgres by way of the pooler that TEST_PGBOUNCER_URL names.
func Pooled(t testing.TB) Database {
	t.Helper()
	return databasetest.ByPooler(t, Postgres(t))
}

// sqliteTemplate gives a file that has the tables.
var sqliteTemplate = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "gatehouse-template-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "gatehouse.db")
	if err := bringUp(databasetest.SQLiteAt(path)); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})

var postgresTemplate = postgrestest.Template{
	Version: schemaVersion,
	Fill:    func(url string) error { return bringUp(databasetest.PostgresAt(url)) },
}

// schemaVersion is a digest of all that bringUp runs.
func schemaVersion() (string, error) {
	a, err := app.New(app.Standard, app.Options{})
	if err != nil {
		return "", err
	}
	scripts, err := database.Scripts(database.PostgreSQL, a.Migrations())
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256(fmt.Appendf(nil, "%q", scripts))
	return hex.EncodeToString(digest[:8]), nil
}

// bringUp makes the tables of the standard modules.
func bringUp(at Database) error {
	a, err := app.New(app.Standard, app.Options{})
	if err != nil {
		return err
	}
	ctx := context.Background()
	db, err := database.Open(ctx, at.Settings(), database.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	_, err = db.Migrate(ctx, a.Migrations())
	return err
}
