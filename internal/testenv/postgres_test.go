package testenv

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/loopback"
)

// onPostgres runs the test where a cluster can be had; elsewhere there is no such case.
func onPostgres(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if Can(t.Context(), PostgreSQL) {
		t.Run("postgres", test)
	}
}

func query(t *testing.T, address, sql string) string {
	t.Helper()
	conn, err := pgconn.Connect(t.Context(), address)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) }()
	results, err := conn.Exec(t.Context(), sql).ReadAll()
	require.NoError(t, err)
	last := results[len(results)-1]
	if len(last.Rows) == 0 {
		return ""
	}
	return string(last.Rows[0][0])
}

func TestPostgresKeepsItsAddressAndDataOverRestarts(t *testing.T) {
	t.Parallel()
	onPostgres(t, func(t *testing.T) {
		t.Parallel()
		p, err := StartPostgres(t.Context(), PostgresOptions{Fsync: true})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Stop()) })
		require.Equal(t, "on", query(t, p.URL, "SHOW fsync"))
		require.Equal(t, "on", query(t, p.URL, "SHOW synchronous_commit"))
		query(t, p.URL, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
		for _, how := range []Shutdown{Fast, Immediate} {
			before := p.PID()
			require.NoError(t, p.Restart(t.Context(), how))
			require.NotEqual(t, before, p.PID())
			require.Equal(t, "7", query(t, p.URL, "SELECT n FROM kept"), how)
		}
	})
}

func TestPostgresIsAwayBetweenHaltAndStart(t *testing.T) {
	t.Parallel()
	onPostgres(t, func(t *testing.T) {
		t.Parallel()
		p, err := StartPostgres(t.Context(), PostgresOptions{Settings: map[string]string{"work_mem": "5MB"}})
		require.NoError(t, err)
		require.Equal(t, "off", query(t, p.URL, "SHOW fsync"))
		require.Equal(t, "5MB", query(t, p.URL, "SHOW work_mem"))
		require.Equal(t, "400", query(t, p.URL, "SHOW max_connections"))
		require.NoError(t, p.Halt(t.Context(), Fast))
		require.Error(t, PingPostgres(t.Context(), p.URL))
		require.NoError(t, p.Start(t.Context()))
		require.NoError(t, PingPostgres(t.Context(), p.URL))
		require.NoError(t, p.Stop())
		require.Error(t, PingPostgres(t.Context(), p.URL))
	})
}

func TestPostgresAsksForItsPassword(t *testing.T) {
	t.Parallel()
	onPostgres(t, func(t *testing.T) {
		t.Parallel()
		p, err := StartPostgres(t.Context(), PostgresOptions{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, p.Stop()) })
		config, err := pgconn.ParseConfig(p.URL)
		require.NoError(t, err)
		config.Password = "wrong"
		_, err = pgconn.ConnectConfig(t.Context(), config)
		require.Error(t, err)
	})
}

func TestPostgresThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	onPostgres(t, func(t *testing.T) {
		t.Parallel()
		port, err := loopback.FreePort(t.Context())
		require.NoError(t, err)
		_, err = StartPostgres(t.Context(), PostgresOptions{Port: port, Settings: map[string]string{"no_such_setting": "1"}})
		require.ErrorIs(t, err, ErrEarlyExit)
		require.ErrorContains(t, err, "no_such_setting")
	})
}

func TestStopRemovesTheFolder(t *testing.T) {
	t.Parallel()
	onPostgres(t, func(t *testing.T) {
		t.Parallel()
		p, err := StartPostgres(t.Context(), PostgresOptions{})
		require.NoError(t, err)
		pid := p.PID()
		n, isNative := p.host.(*native)
		require.NoError(t, p.Stop())
		if isNative {
			require.NoDirExists(t, n.dir)
			require.ErrorIs(t, syscall.Kill(pid, 0), syscall.ESRCH)
		}
	})
}

func TestMajorReadsTheVersionOutOfAFolder(t *testing.T) {
	t.Parallel()
	for dir, want := range map[string]int{
		"/usr/lib/postgresql/15/bin":            15,
		"/usr/pgsql-9.6/bin":                    9,
		"/opt/homebrew/opt/postgresql@17/bin":   17,
		"/usr/lib/postgresql/bin":               0,
		"/usr/local/opt/postgresql@experim/bin": 0,
	} {
		require.Equal(t, want, major(dir), dir)
	}
}

func TestHoldsPostgresAsksForBothPrograms(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "initdb"), nil, 0o755))
	require.False(t, holdsPostgres(dir))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "postgres"), nil, 0o755))
	require.True(t, holdsPostgres(dir))
}

func TestArgumentsAreStableAndLetSettingsWin(t *testing.T) {
	t.Parallel()
	fast := PostgresOptions{Settings: map[string]string{"fsync": "on"}}.arguments()
	require.Equal(t, []string{
		"-c", "fsync=on", "-c", "full_page_writes=off", "-c", "max_connections=400", "-c", "synchronous_commit=off",
	}, fast)
	require.Equal(t, []string{"-c", "max_connections=9"}, PostgresOptions{Fsync: true, MaxConnections: 9}.arguments())
}
