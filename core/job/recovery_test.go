package job_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/internal/testenv"
)

// set changes rows of River's, as time or a crash would.
func (p place) set(t *testing.T, change string, values ...any) {
	t.Helper()
	n, err := p.db.Exec(t.Context(), "UPDATE river_job SET "+change, values...)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func (p place) count(t *testing.T, where string) (n int) {
	t.Helper()
	require.NoError(t, p.db.QueryRow(t.Context(), "SELECT count(*) FROM river_job WHERE "+where).Scan(&n))
	return n
}

// ago writes a time as River does: SQLite holds text.
func (p place) ago(d time.Duration) any {
	at := time.Now().UTC().Add(-d)
	if p.db.Engine() == database.SQLite {
		return at.Format("2006-01-02 15:04:05.000")
	}
	return at
}

// TestAJobWhoseProcessDiedIsGivenToAnotherWorker may take longer than five seconds: River looks for jobs to take up again
// that often. What a dead process leaves is a row that says "running".
func TestAJobWhoseProcessDiedIsGivenToAnotherWorker(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		ran := make(chan job.Job[errandArgs], 4)
		o := job.QueueOptions{Handlers: []job.Handler{
			job.Handle(job.Options{Backoff: func(int) time.Duration { return 0 }}, func(_ context.Context, j job.Job[errandArgs]) error { ran <- j; return nil }),
			job.Handle(job.Options{Timeout: 3 * time.Minute}, func(context.Context, job.Job[chatterArgs]) error { return nil }),
		}}
		q := p.open(t, o)
		p.enqueue(t, q, 2)
		const longest, margin = 3 * time.Minute, 30 * time.Second
		p.set(t, "state = 'running', attempt = 1, attempted_at = ? WHERE id = 1", p.ago(longest+margin+time.Second))
		p.set(t, "state = 'running', attempt = 1, attempted_at = ? WHERE id = 2", p.ago(longest+margin-20*time.Second))
		start(t, q, 2)
		again := <-ran
		require.EqualValues(t, 1, again.ID)
		require.Equal(t, 2, again.Attempt)
		require.Equal(t, 1, p.count(t, "id = 2 AND state = 'running' AND attempt = 1"), "it may still be at work")
	})
}

// chatterArgs are jobs of another kind.
type chatterArgs struct{}

func (chatterArgs) Kind() string { return "test.chatter" }

func TestAJobOfAKindThatIsNotKnownWaits(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var c count
		newer := p.open(t, job.QueueOptions{Handlers: []job.Handler{
			job.Handle(job.Options{}, c.work), job.Handle(job.Options{}, func(context.Context, job.Job[chatterArgs]) error { return nil }),
		}})
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return newer.Enqueue(ctx, tx, chatterArgs{}) }))
		p.enqueue(t, newer, 1)
		drain(t, p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, c.work)}}))
		require.Equal(t, map[int]int{0: 1}, c.all())
		require.Equal(t, 1, p.count(t, "kind = 'test.chatter' AND state = 'available' AND attempt = 0"))
		drain(t, newer)
		require.Zero(t, p.count(t, "state <> 'completed'"))
	})
}

// TestAnInterruptionIsNoFailedAttempt: not even the last one, and whatever the job makes of its context's end.
func TestAnInterruptionIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		began := make(chan int, 4)
		var stopped atomic.Bool
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{MaxAttempts: 1}, func(ctx context.Context, j job.Job[errandArgs]) error {
			began <- j.Attempt
			if stopped.Load() {
				return nil
			}
			<-ctx.Done()
			return errors.New("the store is away")
		})}})
		w := start(t, q, 1)
		p.enqueue(t, q, 1)
		require.Equal(t, 1, <-began)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, w.Stop(over))
		stopped.Store(true)
		drain(t, q)
		require.Equal(t, 1, <-began)
		require.Equal(t, 1, p.count(t, "state = 'completed'"))
		require.Contains(t, p.logs.String(), "job interrupted; it goes back to the queue")
		require.NotContains(t, p.logs.String(), `"level":"WARN"`)
	})
}

func TestStartingAndStoppingWarnOfNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, p place) {
		var c count
		q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, c.work)}, Schedules: []job.Periodic{{Every: time.Hour, Args: errandArgs{}}}})
		for range 3 {
			w, err := q.Start(t.Context(), job.Settings{Concurrency: 2})
			require.NoError(t, err)
			p.enqueue(t, q, 1)
			require.NoError(t, w.Stop(t.Context()))
		}
		require.Empty(t, p.logs.String())
	})
}

// TestWorkersOutliveTheirDatabase takes longer than five seconds: it restarts a server twice, and a worker that polls comes
// back at its next turn.
func TestWorkersOutliveTheirDatabase(t *testing.T) {
	t.Parallel()
	if !testenv.Can(t.Context(), testenv.PostgreSQL) {
		return
	}
	server, err := testenv.StartPostgres(t.Context(), testenv.PostgresOptions{MaxConnections: 60})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	for _, pooler := range []string{database.PoolerNone, database.PoolerTransaction} {
		outlive(t, server, pooler)
	}
}

func outlive(t *testing.T, server *testenv.Postgres, pooler string) {
	t.Helper()
	s := database.DefaultSettings()
	s.URL, s.DirectURL, s.Pooler = secret.New(server.URL), secret.New(server.URL), pooler
	db, err := database.Open(t.Context(), s, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Migrate(t.Context(), []database.Migrations{{Module: job.MigrationsName, FS: job.Migrations()}})
	require.NoError(t, err)
	p := place{db: db, logs: &logtest.Logs{}}
	ran := make(chan int, 4)
	q := p.open(t, job.QueueOptions{Handlers: []job.Handler{job.Handle(job.Options{}, func(_ context.Context, j job.Job[errandArgs]) error { ran <- j.Args.Number; return nil })}})
	w, err := q.Start(t.Context(), job.Settings{Concurrency: 2})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return p.listens(t) == (pooler == database.PoolerNone) }, 5*time.Second, 10*time.Millisecond)
	const marker = 271828182
	for _, how := range []testenv.Shutdown{testenv.Fast, testenv.Immediate} {
		enqueue := func(ctx context.Context, tx *database.Tx) error {
			return q.Enqueue(ctx, tx, errandArgs{Number: marker})
		}
		require.NoError(t, db.InTx(t.Context(), enqueue))
		require.Equal(t, marker, <-ran)
		require.NoError(t, server.Halt(t.Context(), how))
		require.Error(t, db.InTx(t.Context(), enqueue), "no job without a database")
		require.Eventually(t, func() bool { return strings.Contains(p.logs.String(), `"level":"ERROR"`) }, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, server.Start(t.Context()))
		require.Eventually(t, func() bool { return db.InTx(t.Context(), enqueue) == nil }, 10*time.Second, 10*time.Millisecond)
		begun := time.Now()
		require.Equal(t, marker, <-ran)
		t.Logf("pooler %s, %s: a new job ran after %s", pooler, how, time.Since(begun))
		if pooler == database.PoolerTransaction {
			require.False(t, p.listens(t), "a pooler has no connection to listen on")
			var named int
			require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM pg_prepared_statements").Scan(&named))
			require.Zero(t, named, "nor keeps it statements")
		}
		for len(ran) > 0 { // an attempt whose commit was not answered
			<-ran
		}
	}
	require.NoError(t, w.Stop(t.Context()))
	t.Logf("the log:\n%s", p.logs)
	requireSaidOnce(t, p.logs.String(), marker)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	password, _ := u.User.Password()
	require.NotContains(t, p.logs.String(), password)
}

// listens says whether a connection to the server waits for notifications.
func (p place) listens(t *testing.T) bool {
	t.Helper()
	var n int
	require.NoError(t, p.db.QueryRow(t.Context(), "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'").Scan(&n))
	return n > 0
}

// requireSaidOnce wants no line of the log twice, and no job's arguments.
func requireSaidOnce(t *testing.T, log string, marker int) {
	t.Helper()
	seen := map[string]bool{}
	for line := range strings.Lines(log) {
		var entry struct {
			Msg string `json:"msg"`
		}
		require.NoError(t, json.Unmarshal([]byte(line), &entry))
		require.False(t, seen[entry.Msg], "twice: %s", line)
		seen[entry.Msg] = true
	}
	require.NotContains(t, log, strconv.Itoa(marker))
}
