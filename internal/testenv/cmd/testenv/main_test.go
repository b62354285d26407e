package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/testenv"
)

// asCommand tells this test binary to be the command itself.
const asCommand = "TESTENV_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", "TMPDIR="+t.TempDir())
	return cmd
}

func TestItExitsAsTheCommandDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		args []string
		code int
	}{
		{"success", []string{"-need", "", "--", "true"}, 0},
		{"failure", []string{"-need", "", "--", "sh", "-c", "exit 7"}, 7},
		{"killed", []string{"-need", "", "--", "sh", "-c", "kill -9 $$"}, 137},
		{"no such program", []string{"-need", "", "--", "/no/such/program"}, failed},
		{"no such need", []string{"-need", "oracle", "--", "true"}, failed},
		{"no command", []string{"-need", ""}, failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := command(t, c.args...)
			if c.code == 0 {
				require.NoError(t, cmd.Run())
				return
			}
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Run(), &exit)
			require.Equal(t, c.code, exit.ExitCode())
		})
	}
}

func TestItPassesInputAndOutputOn(t *testing.T) {
	t.Parallel()
	cmd := command(t, "-need", "", "--", "cat")
	cmd.Stdin = strings.NewReader("hello")
	out, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, "hello", string(out))
}

// grandchildren starts the command over a shell that leaves a child in the background, and gives the processes of both.
func grandchildren(t *testing.T, cmd *exec.Cmd) []int {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var pids []int
	for word := range strings.FieldsSeq(line) {
		pid, err := strconv.Atoi(word)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	return pids
}

const family = "sleep 600 & echo $$ $!; wait"

func gone(pid int) bool { return syscall.Kill(pid, 0) != nil }

func requireGone(t *testing.T, pids []int) {
	t.Helper()
	for _, pid := range pids {
		require.Eventually(t, func() bool { return gone(pid) }, 20*time.Second, 20*time.Millisecond)
	}
}

func TestSignalsReachTheCommandAndAllItStarted(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			script := family
			if sig == syscall.SIGINT {
				script = "trap 'exit 130' INT; " + family // a shell's background job ignores SIGINT
			}
			cmd := command(t, "-need", "", "--", "sh", "-c", script)
			pids := grandchildren(t, cmd)
			require.NoError(t, cmd.Process.Signal(sig))
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Wait(), &exit)
			require.Equal(t, 128+int(sig), exit.ExitCode())
			requireGone(t, pids)
		})
	}
}

func TestNothingIsLeftWhenItIsKilled(t *testing.T) {
	t.Parallel()
	needs := map[string]testenv.Need{"": "", "redis": testenv.RedisStore, "postgres": testenv.PostgreSQL}
	for name, need := range needs {
		if name != "" && !testenv.Can(t.Context(), need) {
			continue
		}
		t.Run("with "+name, func(t *testing.T) {
			t.Parallel()
			temp := openTemp(t)
			cmd := command(t, "-need", name, "--", "sh", "-c", family)
			cmd.Env = append(cmd.Env, "TMPDIR="+temp, "TEST_REDIS_URL=", "TEST_POSTGRES_URL=")
			pids := grandchildren(t, cmd)
			files, err := filepath.Glob(filepath.Join(temp, "gatehouse-*", "testenv.pid"))
			require.NoError(t, err)
			for _, file := range files {
				text, err := os.ReadFile(file)
				require.NoError(t, err)
				pid, err := strconv.Atoi(string(bytes.TrimSpace(text)))
				require.NoError(t, err)
				pids = append(pids, pid)
			}
			require.NoError(t, cmd.Process.Kill())
			require.Error(t, cmd.Wait())
			requireGone(t, pids)
			require.Eventually(t, func() bool { return empty(temp) }, 20*time.Second, 20*time.Millisecond)
		})
	}
}

// openTemp is a temporary folder that other users may pass through, as /tmp is.
func openTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "testenv-killed-") //nolint:usetesting // that folder is closed to others
	require.NoError(t, err)
	require.NoError(t, os.Chmod(dir, 0o755))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func empty(dir string) bool {
	f, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	_, err = f.Readdirnames(1)
	return errors.Is(err, io.EOF)
}
