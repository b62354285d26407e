package testenv

import (
	"io"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
)

func TestPgBouncerSharesServerConnectionsBetweenTransactions(t *testing.T) {
	t.Parallel()
	if !Can(t.Context(), PostgreSQL) || !Can(t.Context(), Bouncer) {
		return
	}
	ctx := t.Context()
	server, err := StartPostgres(ctx, PostgresOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	b, err := StartPgBouncer(ctx, server.URL)
	require.NoError(t, err)
	u, err := url.Parse(b.URL)
	require.NoError(t, err)
	u.Path = "/template1" // any database will do
	right := u.User

	backends := map[string]bool{}
	for range 20 { // all of which stay connected
		conn, err := pgconn.Connect(ctx, u.String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close(ctx) })
		results, err := conn.Exec(ctx, "SELECT pg_backend_pid()").ReadAll()
		require.NoError(t, err)
		backends[string(results[0].Rows[0][0])] = true
	}
	require.LessOrEqual(t, len(backends), 5)

	u.User = url.UserPassword("postgres", "wrong")
	require.ErrorContains(t, PingPostgres(ctx, u.String()), "password authentication failed")
	u.User, u.RawQuery = right, "sslmode=disable&statement_timeout=1000"
	require.ErrorContains(t, PingPostgres(ctx, u.String()), "unsupported startup parameter")
	require.NoError(t, b.Stop())
	require.Error(t, PingPostgres(ctx, b.URL))
}

func TestAPoolerComesWithItsPostgres(t *testing.T) {
	if !Can(t.Context(), PostgreSQL) || !Can(t.Context(), Bouncer) {
		return
	}
	t.Setenv(PostgresVariable, "")
	t.Setenv(BouncerVariable, "")
	e, err := Provide(t.Context(), []Need{Bouncer}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, []string{PostgresVariable + "=" + e.postgres.URL, BouncerVariable + "=" + e.bouncer.URL}, e.Vars())
	require.NoError(t, e.Stop())

	_, err = StartPgBouncer(t.Context(), "postgres://u:hidden@127.0.0.1:bad/x")
	require.ErrorContains(t, err, "cannot be read")
	require.NotContains(t, err.Error(), "hidden")
}
