// Package postgrestest gives tests PostgreSQL: databases of their own on the server that they share.
package postgrestest

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// Variable names the server, by a URL of a user who may create databases. Without it tests run on SQLite alone.
const Variable = "TEST_POSTGRES_URL"

// copyingVersion is of the first server that can be told how to copy the template of a new database: PostgreSQL 15.
const copyingVersion = 150_000

// Exists says whether tests have a server.
func Exists() bool { return os.Getenv(Variable) != "" }

// New makes an empty database, drops it when the test ends, and gives its URL.
func New(t testing.TB) string {
	t.Helper()
	return lend(t, "")
}

// Template is a database that others begin as copies of, where to fill each would take longer than most tests do. It is filled
// once for each version, and stays on the server, for other processes and the next run. It is safe for concurrent use.
type Template struct {
	Version func() (string, error) // in letters and digits, another for whatever Fill makes another way
	Fill    func(url string) error

	mu   sync.Mutex
	name string // empty until it is known to be there
}

// New makes a database that is a copy, drops it when the test ends, and gives its URL.
func (m *Template) New(t testing.TB) string {
	t.Helper()
	return lend(t, " TEMPLATE "+m.ready(t))
}

func (m *Template) ready(t testing.TB) (name string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.name != "" {
		return m.name
	}
	version, err := m.Version()
	require.NoError(t, err)
	name = "gatehouse_template_" + version
	with(t, func(ctx context.Context, conn *pgx.Conn) {
		// One process fills it, while others wait until this connection ends.
		_, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext($1))", name)
		require.NoError(t, err)
		var there bool
		require.NoError(t, conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name).Scan(&there))
		if !there {
			half := create(t, "") // until it is whole, under a name that nobody takes for the template's
			t.Cleanup(func() { drop(t, half) })
			require.NoError(t, m.Fill(address(t, half)))
			_, err = conn.Exec(ctx, "ALTER DATABASE "+half+" RENAME TO "+name)
			require.NoError(t, err)
		}
	})
	m.name = name
	return name
}

func lend(t testing.TB, how string) string {
	t.Helper()
	name := create(t, how)
	t.Cleanup(func() { drop(t, name) })
	return address(t, name)
}

func create(t testing.TB, how string) (name string) {
	t.Helper()
	name = "gatehouse_test_" + strings.ToLower(rand.Text())
	with(t, func(ctx context.Context, conn *pgx.Conn) {
		var version int
		require.NoError(t, conn.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version))
		if version >= copyingVersion {
			how += " STRATEGY file_copy" // the other writes each page to the log, which takes five times as long
		}
		_, err := conn.Exec(ctx, "CREATE DATABASE "+name+how)
		require.NoError(t, err)
	})
	return name
}

func drop(t testing.TB, name string) {
	t.Helper()
	with(t, func(ctx context.Context, conn *pgx.Conn) {
		_, err := conn.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		require.NoError(t, err)
	})
}

func address(t testing.TB, name string) string {
	t.Helper()
	u, err := url.Parse(os.Getenv(Variable))
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// with lends a connection to the server.
func with(t testing.TB, work func(context.Context, *pgx.Conn)) {
	t.Helper()
	server := os.Getenv(Variable)
	require.NotEmpty(t, server, "set "+Variable)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	work(ctx, conn)
}
