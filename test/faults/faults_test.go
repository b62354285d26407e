// Package faults_test takes away what the binary stands on, and the binary itself, while it is at work.
package faults_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/internal/testenv"
	"github.com/gatehouse/gatehouse/test/drive"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestMain(m *testing.M) { os.Exit(drive.Main(m)) }

const noLimits = "ratelimit.enabled=false"

func hasPostgres() bool { return os.Getenv(testkit.PostgresVariable) != "" }

func hasRedis() bool { return os.Getenv(testkit.RedisVariable) != "" }

func startPostgres(t *testing.T) *testenv.Postgres {
	t.Helper()
	p, err := testenv.StartPostgres(t.Context(), testenv.PostgresOptions{Fsync: true, MaxConnections: 60})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

func startRedis(t *testing.T) *testenv.Redis {
	t.Helper()
	r, err := testenv.StartRedis(t.Context(), testenv.RedisOptions{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Stop() })
	return r
}

// TestKillsLoseNothingThatWasAcknowledged takes longer than five seconds: each round starts a process, hashes passwords and
// kills it.
func TestKillsLoseNothingThatWasAcknowledged(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		killing(t, drive.Often(10, 200), "data_dir="+dir, "sqlite:"+filepath.Join(dir, "gatehouse.db"))
	})
	if !hasPostgres() {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		p := startPostgres(t)
		killing(t, drive.Often(5, 200), "database.url="+p.URL, p.URL)
	})
}

func killing(t *testing.T, rounds int, setting, url string) {
	t.Helper()
	s := drive.Prepare(t, setting, "data_dir="+t.TempDir(), "database.pool_min=1", noLimits)
	if strings.HasPrefix(setting, "data_dir=") {
		s = drive.Prepare(t, setting, noLimits)
	}
	acknowledged := map[string]drive.Answer{}
	for round := range rounds {
		s.Start()
		maps.Copy(acknowledged, registeredUntilKilled(s, round))
	}
	s.Start()
	require.NotEmpty(t, acknowledged)
	t.Logf("%d accounts acknowledged over %d kills; back after %s", len(acknowledged), rounds, s.Started)
	settings := database.DefaultSettings()
	settings.URL, settings.PoolMin = secret.New(url), 0
	db, err := database.Open(t.Context(), settings, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	for email := range acknowledged {
		var found int
		require.NoError(t, db.QueryRow(t.Context(), `SELECT 1 FROM users WHERE email_canonical = ?`, email).Scan(&found), email)
	}
	if db.Engine() == database.SQLite {
		var verdict string
		require.NoError(t, db.QueryRow(t.Context(), `PRAGMA integrity_check`).Scan(&verdict))
		require.Equal(t, "ok", verdict)
	}
	for email := range acknowledged {
		s.MustLogIn(email)
		break // one hash is enough
	}
}

// registeredUntilKilled has four register at once, kills the server once it has acknowledged some, and gives those by their
// addresses.
func registeredUntilKilled(s *drive.Server, round int) map[string]drive.Answer {
	acknowledged := map[string]drive.Answer{}
	var mu sync.Mutex
	var all sync.WaitGroup
	begun := make(chan struct{}, 1)
	for worker := range 4 {
		all.Go(func() {
			for i := range 1000 {
				email := fmt.Sprintf("kill-%d-%d-%d@example.com", round, worker, i)
				a := s.Register(email)
				if a.Status == 0 {
					return // the server is gone
				}
				if a.Status == http.StatusCreated {
					mu.Lock()
					acknowledged[email] = a
					mu.Unlock()
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	select {
	case <-begun:
	case <-time.After(10 * time.Second):
	}
	wait(time.Duration(rand.IntN(300)) * time.Millisecond)
	s.Kill()
	all.Wait()
	return acknowledged
}

// TestAnAnswerComesAfterTheSync looks at the system calls of a registration: a kill does not lose the page cache, so only
// they can show that the write was on disk before the answer.
func TestAnAnswerComesAfterTheSync(t *testing.T) {
	t.Parallel()
	strace := os.Getenv(testenv.StraceVariable)
	if strace == "" {
		return // nothing to look with; make test brings it
	}
	// The jobs that a registration starts write too, and may do so before its answer: nobody works them here.
	s := drive.Prepare(t, "data_dir="+t.TempDir(), noLimits).NoWorker()
	s.Start()
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.CommandContext(t.Context(), strace, "-f", "-qq", "-e", "trace=fsync,fdatasync,pwrite64,write,writev", "-s", "64", "-o", trace, "-p", strconv.Itoa(s.PID()))
	require.NoError(t, cmd.Start())
	attached := func() bool {
		s.Status("/healthz")
		raw, err := os.ReadFile(trace)
		return err == nil && len(raw) > 0
	}
	require.Eventually(t, attached, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, http.StatusCreated, s.Register("sync@example.com").Status)
	answered := regexp.MustCompile(`write\(\d+, "HTTP/1\.1 201`)
	var calls string
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(trace)
		calls = string(raw)
		return err == nil && answered.MatchString(calls)
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	_ = cmd.Wait() // strace ends by the signal
	before := calls[:answered.FindStringIndex(calls)[0]]
	written := strings.LastIndex(before, "pwrite64(")
	require.Positive(t, written, "the write")
	require.Regexp(t, `(fsync|fdatasync)(\(\d+\)| resumed>\)) += 0`, before[written:], "then a sync that has ended, then the answer")
}

// TestPostgreSQLHasTheWriteBeforeTheAnswer asks PostgreSQL how far its log is on disk. Its log writer sleeps, so that nobody
// but the commit itself brings it there.
func TestPostgreSQLHasTheWriteBeforeTheAnswer(t *testing.T) {
	t.Parallel()
	if !hasPostgres() {
		return
	}
	p, err := testenv.StartPostgres(t.Context(), testenv.PostgresOptions{Fsync: true, MaxConnections: 40, Settings: map[string]string{"wal_writer_delay": "10s"}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Stop() })
	s := drive.Start(t, "database.url="+p.URL, "data_dir="+t.TempDir(), noLimits)
	settings := database.DefaultSettings()
	settings.URL, settings.PoolMin = secret.New(p.URL), 0
	db, err := database.Open(t.Context(), settings, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	facts, err := db.Facts(t.Context())
	require.NoError(t, err)
	require.Empty(t, facts.Lax, "fsync and synchronous_commit are on")
	position := func(function string) (at int64) {
		require.NoError(t, db.QueryRow(t.Context(), `SELECT (`+function+`() - '0/0'::pg_lsn)::bigint`).Scan(&at))
		return at
	}
	for i := range 20 {
		written := position("pg_current_wal_insert_lsn")
		require.Equal(t, http.StatusCreated, s.Register(fmt.Sprintf("durable-%d@example.com", i)).Status)
		require.Greater(t, position("pg_current_wal_flush_lsn"), written)
	}
}

// TestFourMigratorsAreOne starts four processes on one empty database.
func TestFourMigratorsAreOne(t *testing.T) {
	t.Parallel()
	stores := map[string]string{"sqlite": "data_dir=" + t.TempDir()}
	if hasPostgres() {
		stores["postgres"] = "database.url=" + databasetest.Postgres(t).URL
	}
	for name, setting := range stores {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var outputs []string
			var wg sync.WaitGroup
			for range 4 {
				cmd := drive.Command(t, "migrate", "up", "--set", setting)
				wg.Go(func() {
					out, err := cmd.CombinedOutput()
					mu.Lock()
					defer mu.Unlock()
					outputs = append(outputs, string(out))
					if err != nil {
						t.Errorf("%v: %s", err, out)
					}
				})
			}
			wg.Wait()
			require.Equal(t, 1, strings.Count(strings.Join(outputs, ""), "0001_users in"), "%v", outputs)
			var servers []*drive.Server
			for range 2 {
				servers = append(servers, drive.Start(t, setting, "data_dir="+t.TempDir(), noLimits))
				if name == "sqlite" {
					break
				}
			}
			keys := string(servers[0].Send("GET", "/.well-known/jwks.json", "", "").Body)
			for _, s := range servers {
				require.Equal(t, keys, string(s.Send("GET", "/.well-known/jwks.json", "", "").Body))
			}
		})
	}
}

// TestPostgreSQLMayRestart takes longer than five seconds: it restarts a server under load, twice.
func TestPostgreSQLMayRestart(t *testing.T) {
	t.Parallel()
	if !hasPostgres() {
		return
	}
	p := startPostgres(t)
	s := drive.Start(t, "database.url="+p.URL, "data_dir="+t.TempDir(), noLimits)
	require.Equal(t, http.StatusCreated, s.Register("ada@example.com").Status)
	token := s.MustLogIn("ada@example.com")
	for _, how := range []testenv.Shutdown{testenv.Fast, testenv.Immediate} {
		stop := make(chan struct{})
		var seen sync.Map
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						seen.Store(s.Send("GET", "/users/me", token, "").Status, true)
					}
				}
			})
		}
		require.NoError(t, p.Halt(t.Context(), how))
		require.Eventually(t, func() bool { return s.Send("GET", "/users/me", token, "").Status == http.StatusServiceUnavailable }, 10*time.Second, 10*time.Millisecond)
		begun := time.Now()
		r := s.Register("away@example.com")
		require.Equal(t, http.StatusServiceUnavailable, r.Status)
		require.NotEmpty(t, r.Header.Get("Retry-After"))
		require.Less(t, time.Since(begun), 5*time.Second)
		require.Equal(t, http.StatusOK, s.Status("/healthz"))
		status, _ := s.Ready()
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.NoError(t, p.Start(t.Context()))
		begun = time.Now()
		require.Eventually(t, func() bool { return s.Send("GET", "/users/me", token, "").Status == http.StatusOK }, 10*time.Second, 10*time.Millisecond)
		t.Logf("%s: back after %s", how, time.Since(begun))
		close(stop)
		wg.Wait()
		seen.Range(func(status, _ any) bool {
			require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, status)
			return true
		})
	}
}

// TestALockedTableIsNoEnd holds what a login needs, and expects quick refusals meanwhile. It waits for time-outs.
func TestALockedTableIsNoEnd(t *testing.T) {
	t.Parallel()
	if !hasPostgres() {
		return
	}
	url := databasetest.Postgres(t).URL
	s := drive.Start(t, "database.url="+url, "data_dir="+t.TempDir(), "database.pool_min=1", "database.pool_max=4", "database.statement_timeout=2s", noLimits)
	require.Equal(t, http.StatusCreated, s.Register("ada@example.com").Status)
	settings := database.DefaultSettings()
	settings.URL, settings.PoolMin, settings.StatementTimeout = secret.New(url), 0, time.Minute
	db, err := database.Open(t.Context(), settings, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
		if _, err := tx.Exec(ctx, `LOCK TABLE users IN ACCESS EXCLUSIVE MODE`); err != nil {
			return err
		}
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				begun := time.Now()
				_, r := s.LogIn("ada@example.com")
				if r.Status != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || time.Since(begun) > 5*time.Second {
					t.Errorf("%d after %s", r.Status, time.Since(begun))
				}
			})
		}
		require.Equal(t, http.StatusOK, s.Status("/healthz"))
		wg.Wait()
		return nil
	}))
	s.MustLogIn("ada@example.com")
}

// TestRedisMayBeAwaySlowOrEmpty takes longer than five seconds: it waits for a breaker to open and close.
func TestRedisMayBeAwaySlowOrEmpty(t *testing.T) {
	t.Parallel()
	if !hasRedis() {
		return
	}
	r := startRedis(t)
	require.NoError(t, r.Halt(t.Context()))
	s := drive.Start(t, "data_dir="+t.TempDir(), "redis.url="+r.URL, "ratelimit.login=1000/1m", "ratelimit.register=1000/1m", "ratelimit.login_failure=1000/15m")
	answers := func(state string) {
		t.Helper()
		require.Eventually(t, func() bool {
			status, found := s.Ready()
			return status == http.StatusOK && found == state
		}, 20*time.Second, 20*time.Millisecond, state)
		for range 5 {
			begun := time.Now()
			_, a := s.LogIn("nobody@example.com")
			require.Equal(t, http.StatusBadRequest, a.Status)
			require.NotEmpty(t, a.Header.Get("RateLimit"))
			require.Less(t, time.Since(begun), 3*time.Second)
		}
	}
	answers("degraded") // absent at the start
	require.NoError(t, r.Start(t.Context()))
	answers("ready")
	require.NoError(t, r.Pause(t.Context()))
	answers("degraded")
	require.NoError(t, r.Resume(t.Context()))
	answers("ready")
	require.NoError(t, r.Flush(t.Context()))
	answers("ready")
	require.NoError(t, r.Halt(t.Context()))
	answers("degraded")
	require.NoError(t, r.Start(t.Context()))
	answers("ready")
}

// TestStoppingUnderLoadFailsNothingInFlight takes longer than five seconds: each round starts and drains a process.
func TestStoppingUnderLoadFailsNothingInFlight(t *testing.T) {
	t.Parallel()
	s := drive.Prepare(t, "data_dir="+t.TempDir(), "http.drain_delay=2s", noLimits) // in which it is asked whether it still answers
	for round := range drive.Often(3, 50) {
		s.Start()
		s.Register("ada@example.com")
		token := s.MustLogIn("ada@example.com")
		var stopping atomic.Bool
		var wg sync.WaitGroup
		for worker := range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					var a drive.Answer
					if worker == 0 {
						a = s.Register(fmt.Sprintf("stop-%d-%d@example.com", round, i))
					} else {
						a = s.Send("GET", "/users/me", token, "")
					}
					if a.Status == 0 {
						if !stopping.Load() {
							t.Error("no answer before the end")
						}
						return
					}
					if a.Status >= http.StatusInternalServerError {
						t.Errorf("%d: %s", a.Status, a.Body)
					}
				}
			})
		}
		s.Signal(syscall.SIGTERM)
		require.Eventually(t, func() bool { status, _ := s.Ready(); return status == http.StatusServiceUnavailable }, 5*time.Second, time.Millisecond)
		require.Equal(t, http.StatusOK, s.Status("/healthz"), "not ready, and still answering")
		stopping.Store(true)
		require.NoError(t, s.Wait(10*time.Second))
		wg.Wait()
	}
}

// TestAWrongMasterKeyChangesNothing restarts with another key, and with the right one again.
func TestAWrongMasterKeyChangesNothing(t *testing.T) {
	t.Parallel()
	right, wrong := "master_key=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "master_key=ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
	dir := "data_dir=" + t.TempDir()
	s := drive.Start(t, dir, right, noLimits)
	s.Register("ada@example.com")
	token := s.MustLogIn("ada@example.com")
	s.Kill()
	other := drive.Prepare(t, dir, wrong)
	other.Run()
	require.Error(t, other.Wait(30*time.Second))
	require.Contains(t, other.Log(), "master key")
	s.Start()
	require.Equal(t, http.StatusOK, s.Send("GET", "/users/me", token, "").Status)
}
