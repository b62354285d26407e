package testenv

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func itoa(n int) string { return strconv.Itoa(n) }

func TestParseNeedsRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	got, err := ParseNeeds("postgres, redis,,cc")
	require.NoError(t, err)
	require.Equal(t, []Need{PostgreSQL, RedisStore, Compiler}, got)
	_, err = ParseNeeds("postgres,oracle")
	require.ErrorContains(t, err, "oracle")
}

func TestAdviceIsOneSentenceWithACommand(t *testing.T) {
	t.Parallel()
	require.Equal(t, "the tests need PostgreSQL, Chromium: install with `sudo apt-get install --no-install-recommends postgresql chromium` or your"+
		" system's equivalent, or start Docker, or set TEST_POSTGRES_URL, TEST_CHROMIUM (`go test ./...` needs none of it and runs on SQLite and memory)",
		advice([]need{needs[0], needs[3]}))
	require.NotContains(t, advice([]need{needs[4]}), "Docker")
}

func TestCanKnowsNothingOfStrangers(t *testing.T) {
	t.Parallel()
	require.False(t, Can(t.Context(), "oracle"))
}

func TestWhatIsMissingIsSaidOnce(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"CC", PostgresVariable, RedisVariable, ChromiumVariable} {
		t.Setenv(name, "")
	}
	_, err := Provide(t.Context(), []Need{RedisStore, Compiler, Node}, &bytes.Buffer{})
	require.ErrorIs(t, err, ErrUnavailable)
	require.ErrorContains(t, err, "the tests need Redis, a C compiler, Node.js")
}

func TestAServerThatAVariableNamesMustAnswer(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	nobody := l.Addr().String()
	require.NoError(t, l.Close())
	t.Setenv(RedisVariable, "redis://"+nobody)
	_, err = Provide(t.Context(), []Need{RedisStore}, &bytes.Buffer{})
	require.ErrorContains(t, err, RedisVariable)
	t.Setenv(PostgresVariable, "postgres://postgres:hidden@"+nobody+"/postgres")
	_, err = Provide(t.Context(), []Need{PostgreSQL}, &bytes.Buffer{})
	require.ErrorContains(t, err, PostgresVariable)
	require.NotContains(t, err.Error(), "hidden")
}

func TestWhatAVariableNamesIsUsedAsItIs(t *testing.T) {
	t.Setenv(ChromiumVariable, "/some/browser")
	e, err := Provide(t.Context(), []Need{Browser}, &bytes.Buffer{})
	require.NoError(t, err)
	require.Equal(t, []string{"TEST_CHROMIUM=/some/browser"}, e.Vars())
	require.NoError(t, e.Stop())
}

func TestBrowsersThatDoNotRunArePassedOver(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv(ChromiumVariable, "")
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755))
	}
	write("chromium", "#!/bin/sh\necho 'install the snap' >&2; exit 1\n")
	write("google-chrome", "#!/bin/sh\necho Chrome 1\n")
	got, err := Chromium(t.Context())
	require.NoError(t, err)
	require.Equal(t, filepath.Join(dir, "google-chrome"), got)
}

func TestProvideSharesAPostgresAndARedis(t *testing.T) {
	if !Can(t.Context(), PostgreSQL) || !Can(t.Context(), RedisStore) {
		return
	}
	t.Setenv(PostgresVariable, "")
	t.Setenv(RedisVariable, "")
	var progress bytes.Buffer
	e, err := Provide(t.Context(), []Need{PostgreSQL, RedisStore}, &progress)
	require.NoError(t, err)
	require.Len(t, e.Vars(), 2)
	require.Contains(t, progress.String(), "testenv: PostgreSQL on port "+itoa(e.postgres.Port))
	require.NoError(t, e.Stop())
}

func TestAnotherIdentityGetsAFolderThatItCanReach(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	require.NoError(t, os.Mkdir(closed, 0o700))
	t.Setenv("TMPDIR", closed)
	as, err := unprivileged()
	require.NoError(t, err)
	dir, err := as.folder("testenv-test-")
	require.NoError(t, err)
	defer func() { require.NoError(t, os.Remove(dir)) }()
	if as.credential == nil {
		require.Equal(t, closed, filepath.Dir(dir))
	} else {
		require.Equal(t, "/tmp", filepath.Dir(dir))
	}
	n := &native{dir: dir, as: as}
	require.NoError(t, n.command(context.WithoutCancel(t.Context()), "/bin/sh", "-c", "touch here && rm here").Run())
}
