// Package drive builds the binary once and drives it from outside, for the end-to-end and fault tests.
package drive

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/internal/loopback"
)

// binary is what Main has built.
var binary string

// Main builds the binary, runs the tests and removes it. Call it from TestMain.
func Main(m *testing.M) int {
	dir, err := os.MkdirTemp("", "gatehouse-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary = filepath.Join(dir, "gatehouse")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "github.com/gatehouse/gatehouse/cmd/gatehouse")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the binary:", err)
		return 1
	}
	return m.Run()
}

// Often is how many times a heavy loop goes round: few in every run, many in the long set, which TEST_SOAK asks for.
func Often(few, many int) int {
	if os.Getenv("TEST_SOAK") != "" {
		return many
	}
	return few
}

// Command prepares a command of the binary, with none of the caller's settings.
func Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, args...)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir}
	return cmd
}

// Server is a running gatehouse serve.
type Server struct {
	URL, Ops string
	Started  time.Duration // from exec to the first answer of /healthz

	t    testing.TB
	args []string
	env  []string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	log  logtest.Logs
}

// Start serves with these settings, each as path=value, and waits until it answers. The test's end kills it.
func Start(t testing.TB, settings ...string) *Server {
	t.Helper()
	s := Prepare(t, settings...)
	s.Start()
	return s
}

// NoWorker makes the process serve without a worker: jobs wait.
func (s *Server) NoWorker() *Server {
	s.args = append(s.args, "--no-worker")
	return s
}

// Prepare is Start without starting.
func Prepare(t testing.TB, settings ...string) *Server {
	t.Helper()
	public, err := loopback.FreeAddr(t.Context())
	require.NoError(t, err)
	ops, err := loopback.FreeAddr(t.Context())
	require.NoError(t, err)
	s := &Server{t: t, URL: "http://" + public, Ops: "http://" + ops}
	s.args = []string{"serve", "--set", "http.addr=" + public, "--set", "ops.addr=" + ops}
	for _, v := range settings {
		s.args = append(s.args, "--set", v)
	}
	t.Cleanup(s.Kill)
	return s
}

// Start runs the process, again where it has ended, and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	s.Run()
	begun := time.Now()
	require.Eventually(s.t, func() bool {
		return s.ended() || s.Status("/healthz") == http.StatusOK
	}, time.Minute, 2*time.Millisecond, "%s", &s.log)
	require.False(s.t, s.ended(), "it ended: %v\n%s", s.err, &s.log)
	s.Started = time.Since(begun)
}

// Run runs the process and waits for nothing.
func (s *Server) Run() {
	s.t.Helper()
	s.cmd = Command(s.t, s.args...)
	s.cmd.Env = append(s.cmd.Env, s.env...)
	s.cmd.Stderr = &s.log
	s.done = make(chan struct{})
	require.NoError(s.t, s.cmd.Start())
	go func(cmd *exec.Cmd, done chan struct{}) {
		s.err = cmd.Wait()
		close(done)
	}(s.cmd, s.done)
}

func (s *Server) ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// PID is the process's.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Signal sends a signal.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Process.Signal(sig))
}

// Wait waits for the end, as long as within, and gives its error.
func (s *Server) Wait(within time.Duration) error {
	s.t.Helper()
	select {
	case <-s.done:
		return s.err
	case <-time.After(within):
		s.t.Fatalf("still running after %s\n%s", within, &s.log)
		return nil
	}
}

// Kill ends the process at once, as a crash would.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil || s.ended() {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended this moment
	<-s.done
}

// Log gives what it wrote to stderr so far.
func (s *Server) Log() string { return s.log.String() }

// Answer is what a request got: a status of 0 where there was no answer.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// client opens a connection for each request, so that no answer depends on an old one.
var client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Send sends a request to the public listener, with a JSON body unless it is empty.
func (s *Server) Send(method, path, token, body string) Answer {
	return send(method, s.URL+path, token, body)
}

func send(method, url, token, body string) Answer {
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return Answer{}
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := client.Do(req)
	if err != nil {
		return Answer{}
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return Answer{}
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: raw}
}

// Status gives the status of a GET of the public listener.
func (s *Server) Status(path string) int { return s.Send(http.MethodGet, path, "", "").Status }

// Ready gives the status of /readyz and its body's status member.
func (s *Server) Ready() (int, string) {
	a := send(http.MethodGet, s.Ops+"/readyz", "", "")
	var body struct {
		Status string `json:"status"`
	}
	_ = json.Unmarshal(a.Body, &body) // a body that is none has no status
	return a.Status, body.Status
}

// Metric gives a number without labels that /metrics shows.
func (s *Server) Metric(name string) float64 {
	s.t.Helper()
	a := send(http.MethodGet, s.Ops+"/metrics", "", "")
	for line := range strings.Lines(string(a.Body)) {
		if of, value, _ := strings.Cut(strings.TrimSpace(line), " "); of == name {
			n, err := strconv.ParseFloat(value, 64)
			require.NoError(s.t, err)
			return n
		}
	}
	require.FailNow(s.t, "no such metric", "%s among %s", name, a.Body)
	return 0
}

// Password is every account's. No example in the OpenAPI document is the same: the fuzzer sends those.
const Password = "Bernoulli-Numbers-1843"

// Register asks for an account.
func (s *Server) Register(email string) Answer {
	return s.Send(http.MethodPost, "/auth/register", "", fmt.Sprintf(`{"email":%q,"password":%q,"full_name":"Ada"}`, email, Password))
}

// LogIn gives the access token, or what the answer was.
func (s *Server) LogIn(email string) (string, Answer) {
	a := s.Send(http.MethodPost, "/auth/login", "", fmt.Sprintf(`{"email":%q,"password":%q}`, email, Password))
	var tokens struct {
		AccessToken string `json:"access_token"`
	}
	_ = json.Unmarshal(a.Body, &tokens) // then there is no token
	return tokens.AccessToken, a
}

// MustLogIn is LogIn that has to succeed.
func (s *Server) MustLogIn(email string) string {
	s.t.Helper()
	token, a := s.LogIn(email)
	require.Equal(s.t, http.StatusOK, a.Status, "%s", a.Body)
	return token
}
