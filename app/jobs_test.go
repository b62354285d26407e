package app_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/internal/loopback"
	"github.com/gatehouse/gatehouse/testkit"
)

// errandArgs are the jobs of a module that these tests append.
type errandArgs struct {
	Number int `json:"number"`
}

func (errandArgs) Kind() string { return "errands.run" }

type errand = job.Job[errandArgs]

// with appends the module.
func with(work func(context.Context, errand) error) app.Build {
	return func(s *app.Stores) ([]module.Module, error) {
		modules, err := app.Standard(s)
		return append(modules, module.Module{Name: "errands", Jobs: []job.Handler{job.Handle(job.Options{Timeout: time.Minute}, work)}}), err
	}
}

// process is an app that does its roles as a process of its own would.
type process struct {
	*app.App
	at    app.Listening
	t     *testing.T
	term  context.CancelFunc
	ended chan error
	over  bool
}

func run(t *testing.T, db testkit.Database, roles app.Roles, work func(context.Context, errand) error) *process {
	t.Helper()
	a := load(t, db, work, nil)
	require.NoError(t, a.Open(t.Context()))
	ctx, term := context.WithCancel(context.Background())
	p := &process{App: a, t: t, term: term, ended: make(chan error, 1)}
	ready := make(chan app.Listening, 1)
	go func() { p.ended <- a.Serve(ctx, roles, func(at app.Listening) { ready <- at }) }()
	select {
	case p.at = <-ready:
	case err := <-p.ended:
		require.NoError(t, err)
	}
	t.Cleanup(func() { p.stop() })
	proven, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, a.Stores.Push.Wait(proven))
	return p
}

func load(t *testing.T, db testkit.Database, work func(context.Context, errand) error, set map[string]string) *app.App {
	t.Helper()
	a, err := app.New(with(work), app.Options{Logs: &logtest.Logs{}})
	require.NoError(t, err)
	args := map[string]string{
		"http.addr": "127.0.0.1:0", "ops.addr": "127.0.0.1:0", "database.url": db.URL, "database.pool_min": "0", "database.acquire_deadline": "20s",
		"data_dir": t.TempDir(), "log.format": "json",
	}
	maps.Copy(args, set)
	_, err = a.Load(config.Source{Args: args})
	require.NoError(t, err)
	return a
}

// stop is SIGTERM and the wait for the end.
func (p *process) stop() (took time.Duration) {
	p.t.Helper()
	if p.over {
		return 0
	}
	p.over = true
	begun := time.Now()
	p.term()
	require.NoError(p.t, <-p.ended)
	p.Close(context.Background())
	return time.Since(begun)
}

// enqueue puts errands with these numbers into the queue.
func (p *process) enqueue(numbers ...int) {
	p.t.Helper()
	require.NoError(p.t, p.Stores.DB.InTx(p.t.Context(), func(ctx context.Context, tx *database.Tx) error {
		for _, n := range numbers {
			if err := p.Stores.Jobs.Enqueue(ctx, tx, errandArgs{Number: n}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// ops asks the operations listener.
func (p *process) ops(path string) (status int, body string) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, "http://"+p.at.Ops.String()+path, http.NoBody)
	require.NoError(p.t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(p.t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, string(raw)
}

func (p *process) left(where string) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.Stores.DB.QueryRow(p.t.Context(), "SELECT count(*) FROM river_job WHERE "+where).Scan(&n))
	return n
}

// into notes which errands ran.
func into(ran chan<- int) func(context.Context, errand) error {
	return func(_ context.Context, j errand) error { ran <- j.Args.Number; return nil }
}

func TestAServerWithoutAWorkerLeavesItsJobsToOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		here, there := make(chan int, 8), make(chan int, 8)
		server := run(t, db, app.Roles{API: true}, into(here))
		require.NotNil(t, server.at.Public)
		server.enqueue(1, 2, 3)
		require.Equal(t, 3, server.left("state = 'available'"))
		worker := run(t, db, app.Roles{Worker: true}, into(there))
		require.Nil(t, worker.at.Public, "a worker answers nobody")
		require.ElementsMatch(t, []int{1, 2, 3}, []int{<-there, <-there, <-there})
		server.enqueue(4)
		require.Equal(t, 4, <-there, "and it learns of later ones")
		require.Empty(t, here)
	})
}

func TestTwoServersShareTheirJobs(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		const each = 50
		var runs [2 * each]atomic.Int64
		done := make(chan struct{}, 4*each)
		work := func(_ context.Context, j errand) error { runs[j.Args.Number].Add(1); done <- struct{}{}; return nil }
		both := app.Roles{API: true, Worker: true}
		a, b := run(t, db, both, work), run(t, db, both, work)
		for n := range each {
			a.enqueue(n)
			b.enqueue(each + n)
		}
		for range 2 * each {
			<-done
		}
		for n := range runs {
			require.EqualValues(t, 1, runs[n].Load(), "errand %d", n)
		}
	})
}

func TestAJobAtWorkFinishesWithinTheGrace(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		began, release := make(chan struct{}), make(chan struct{})
		p := run(t, db, app.Roles{Worker: true}, func(ctx context.Context, _ errand) error {
			close(began)
			<-release
			return ctx.Err()
		})
		p.enqueue(1)
		<-began
		p.term()
		require.Eventually(t, func() bool {
			status, body := p.ops("/readyz")
			return status == http.StatusServiceUnavailable && readiness(t, body).Status == "draining"
		}, 5*time.Second, time.Millisecond)
		close(release)
		require.Less(t, p.stop(), 5*time.Second)
		again := make(chan int, 4)
		other := run(t, db, app.Roles{Worker: true}, into(again))
		other.enqueue(2)
		require.Equal(t, 2, <-again, "the first is done")
	})
}

// TestAStuckJobIsCutOffAndRunAgain takes longer than five seconds: that is the grace.
func TestAStuckJobIsCutOffAndRunAgain(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		began, release := make(chan errand, 2), make(chan struct{})
		p := run(t, db, app.Roles{API: true, Worker: true}, func(ctx context.Context, j errand) error {
			began <- j
			if j.Args.Number == 2 {
				<-release // and is deaf to its context
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		})
		t.Cleanup(func() { close(release) })
		p.enqueue(1, 2)
		deaf := <-began
		if other := <-began; other.Args.Number == 2 {
			deaf = other
		}
		took := p.stop()
		t.Logf("it ended after %s", took)
		require.Less(t, took, 10*time.Second)
		again := make(chan errand, 4)
		other := run(t, db, app.Roles{Worker: true}, func(_ context.Context, j errand) error { again <- j; return nil })
		j := <-again
		require.Equal(t, 1, j.Args.Number)
		require.Equal(t, 1, j.Attempt, "an interruption is no failure")
		require.Equal(t, 1, other.left(fmt.Sprintf("state = 'running' AND id = %d", deaf.ID)), "the deaf one waits for its time-out")
	})
}

func TestAWorkerTellsHowItIs(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		ran := make(chan int, 4)
		p := run(t, db, app.Roles{Worker: true}, func(_ context.Context, j errand) error {
			ran <- j.Args.Number
			if j.Args.Number == 2 {
				return job.Pointless(context.Canceled)
			}
			return nil
		})
		status, body := p.ops("/readyz")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "ready", readiness(t, body).Status)
		require.Equal(t, "up", readiness(t, body).Stores["database"].Status)
		status, _ = p.ops("/healthz")
		require.Equal(t, http.StatusOK, status)
		p.enqueue(1, 2)
		<-ran
		<-ran
		for _, outcome := range []string{"completed", "cancelled"} {
			line := `jobs_attempts_total{kind="errands.run",outcome="` + outcome + `"`
			require.Eventually(t, func() bool { _, body := p.ops("/metrics"); return strings.Contains(body, line) }, 5*time.Second, 10*time.Millisecond, line)
		}
	})
}

func TestAWorkerSaysWhoseAddressItCannotHave(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	a := load(t, testkit.SQLite(t), into(nil), map[string]string{"ops.addr": l.Addr().String()})
	require.NoError(t, a.Open(t.Context()))
	defer a.Close(context.Background())
	require.EqualError(t, a.Serve(t.Context(), app.Roles{Worker: true}, nil),
		"ops.addr: "+l.Addr().String()+" is in use by another program; stop it or set another address")
}

// TestRequestsAreAnsweredBeforeTheWorkerRuns holds the connection that the worker waits for.
func TestRequestsAreAnsweredBeforeTheWorkerRuns(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		addr, err := loopback.FreeAddr(t.Context())
		require.NoError(t, err)
		a := load(t, db, into(nil), map[string]string{"http.addr": addr, "database.pool_max": "1"})
		require.NoError(t, a.Open(t.Context()))
		defer a.Close(context.Background())
		ctx, term := context.WithCancel(t.Context())
		defer term()
		ready, ended := make(chan app.Listening, 1), make(chan error, 1)
		require.NoError(t, a.Stores.DB.InTx(t.Context(), func(context.Context, *database.Tx) error {
			go func() {
				ended <- a.Serve(ctx, app.Roles{API: true, Worker: true}, func(at app.Listening) { ready <- at })
			}()
			require.Eventually(t, func() bool { return healthy(t, "http://"+addr+"/healthz") }, 10*time.Second, 5*time.Millisecond)
			require.Empty(t, ready, "the worker waits")
			return nil
		}))
		<-ready
		term()
		require.NoError(t, <-ended)
	})
}

func healthy(t *testing.T, url string) bool {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

func TestAServerWhoseWorkerCannotStartEnds(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		a := load(t, db, into(nil), nil)
		require.NoError(t, a.Open(t.Context()))
		defer a.Close(context.Background())
		a.Stores.DB.Close()
		err := a.Serve(t.Context(), app.Roles{API: true, Worker: true}, func(app.Listening) { t.Error("it says that it is ready") })
		require.ErrorContains(t, err, "job: start workers: ")
	})
}

func TestAKindBeginsWithItsModulesName(t *testing.T) {
	t.Parallel()
	_, err := app.New(func(*app.Stores) ([]module.Module, error) {
		return []module.Module{{Name: "shop", Jobs: []job.Handler{job.Handle(job.Options{}, into(nil))}}}, nil
	}, app.Options{})
	require.EqualError(t, err, `module shop handles jobs of the kind "errands.run", which does not begin with its name and a dot`)
}

func readiness(t *testing.T, body string) (r httpapi.Readiness) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(body), &r))
	return r
}
