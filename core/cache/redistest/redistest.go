// Package redistest gives tests a Redis: the shared one of TEST_REDIS_URL, and private ones to stop, pause and flush.
package redistest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/internal/loopback"
)

// URL is the shared Redis, empty where tests have none. Use keys of your own, and do not flush it.
func URL() secret.String { return secret.New(os.Getenv("TEST_REDIS_URL")) }

// Each runs a case with a private server, as a subtest. Without TEST_REDIS_URL or redis-server there is no such case.
func Each(t *testing.T, run func(t *testing.T, s *Server)) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil || URL().IsZero() {
		return
	}
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		s := New(t)
		s.Start()
		run(t, s)
	})
}

// Server is a private Redis on a port of its own, without persistence. It ends with the test.
type Server struct {
	t    *testing.T
	port int
	cmd  *exec.Cmd
	args []string
}

// New draws a port; nothing listens on it before Start. args are added to the server's command line.
func New(t *testing.T, args ...string) *Server {
	t.Helper()
	port, err := loopback.FreePort(t.Context())
	require.NoError(t, err)
	s := &Server{t: t, port: port, args: args}
	t.Cleanup(s.Stop)
	return s
}

// URL is the server's address.
func (s *Server) URL() secret.String {
	return secret.New("redis://127.0.0.1:" + strconv.Itoa(s.port))
}

// Start starts the server and returns once it answers.
func (s *Server) Start() {
	s.t.Helper()
	args := append([]string{"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", s.t.TempDir()}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	require.NoError(s.t, s.cmd.Start())
	require.Eventually(s.t, func() bool { return s.do("PING") == nil }, 10*time.Second, 10*time.Millisecond, "redis-server does not answer")
}

// Stop kills the server and waits for its end. Stopping twice does nothing.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Pause makes the server silent, connections stay open.
func (s *Server) Pause() { require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGSTOP)) }

// Resume ends a Pause.
func (s *Server) Resume() { require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGCONT)) }

// Do runs a command on a connection of its own and fails the test where the server refuses it.
func (s *Server) Do(words ...string) {
	s.t.Helper()
	require.NoError(s.t, s.do(words...))
}

func (s *Server) do(words ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{fmt.Sprintf("127.0.0.1:%d", s.port)}, ForceSingleClient: true, DisableRetry: true, DisableCache: true})
	if c != nil {
		defer c.Close()
	}
	if err != nil {
		return err
	}
	return c.Do(ctx, c.B().Arbitrary(words...).Build()).Error()
}
