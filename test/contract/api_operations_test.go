package contract_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/httpapi"
)

func TestContractOperations(t *testing.T) {
	t.Parallel()
	proveChapter(t, operations())
}

func operations() []proof {
	return []proof{
		{says: `A listener of its own, 127.0.0.1:9090 by default, speaks to operators: what is said of every endpoint is said of the public one.`, prove: func(s *stage) {
			a, err := app.New(app.Standard, app.Options{})
			require.NoError(s.T, err)
			values, err := a.Load(config.Source{})
			require.NoError(s.T, err)
			addr, ok := values.Get("ops.addr")
			require.True(s.T, ok)
			require.Equal(s.T, []string{"127.0.0.1:9090", "default"}, []string{addr.Value, addr.Origin})
			public, ops := s.wholly()
			require.NotEqual(s.T, public, ops)
			for _, path := range []string{"/readyz", "/metrics", "/debug/pprof/"} {
				require.Equal(s.T, http.StatusNotFound, s.ask(public+path).status, path)
				require.Equal(s.T, http.StatusOK, s.ask(ops+path).status, path)
			}
			require.NotEqual(s.T, "application/problem+json", s.ask(ops+"/nothing").header.Get("Content-Type"))
			require.Equal(s.T, http.StatusNotFound, s.ask(ops+"/users/me").status)
		}},
		{says: `/healthz (alive).`, prove: func(s *stage) {
			public, ops := s.wholly()
			for _, url := range []string{public, ops} {
				require.JSONEq(s.T, `{"status":"ok"}`, string(s.ask(url+"/healthz").body))
			}
		}},
		{says: `/readyz (each store with its latency; 503 only when the database is away or the server drains; without Redis 200 degraded).`, prove: func(s *stage) {
			ready := func(ops string) (int, httpapi.Readiness) {
				var r httpapi.Readiness
				got := s.ask(ops + "/readyz")
				require.NoError(s.T, json.Unmarshal(got.body, &r), "%s", got.body)
				return got.status, r
			}
			_, ops := s.wholly()
			require.Eventually(s.T, func() bool { // once the channel to other instances is there
				status, r := ready(ops)
				return status == http.StatusOK && r.Status == "ready" && r.Stores["database"].Status == "up"
			}, 10*time.Second, time.Millisecond)
			require.Contains(s.T, string(s.ask(ops+"/readyz").body), `"latency_ms":`)

			_, ops = s.wholly("redis.url=redis://127.0.0.1:1", "redis.timeout=50ms")
			status, r := ready(ops)
			require.Equal(s.T, []any{200, "degraded", "down"}, []any{status, r.Status, r.Stores["redis"].Status})

			p := s.process()
			p.app.Stores.DB.Close()
			status, r = ready(p.ops)
			require.Equal(s.T, []any{503, "unavailable", "down"}, []any{status, r.Status, r.Stores["database"].Status})

			p = s.process("http.drain_delay=3s")
			p.stop()
			require.Eventually(s.T, func() bool {
				status, r := ready(p.ops)
				return status == http.StatusServiceUnavailable && r.Status == "draining"
			}, time.Second, time.Millisecond)
		}, elsewhere: []string{"test/faults TestRedisMayBeAwaySlowOrEmpty", "test/faults TestStoppingUnderLoadFailsNothingInFlight"}},
		{says: `/metrics (Prometheus).`, prove: func(s *stage) {
			public, ops := s.wholly()
			s.ask(public + "/users/me")
			got := s.ask(ops + "/metrics")
			require.Contains(s.T, got.header.Get("Content-Type"), "text/plain")
			require.Regexp(s.T, `(?m)^# TYPE \S+ histogram$`, string(got.body))
			require.Regexp(s.T, `(?m)^\S+\{[^}]*route="/users/me"[^}]*\} \S+$`, string(got.body))
		}},
		{says: `/debug/pprof/.`, prove: func(s *stage) {
			_, ops := s.wholly()
			require.Equal(s.T, http.StatusOK, s.ask(ops+"/debug/pprof/goroutine?debug=1").status)
			require.NotContains(s.T, string(s.ask(ops+"/debug/pprof/cmdline").body), "test")
		}},
		{says: `The public listener has /healthz, /docs, /openapi.json, /openapi.yaml, /errors/{type}.`, prove: func(s *stage) {
			for path, contentType := range map[string]string{
				"/healthz": "application/json", "/docs": "text/html; charset=utf-8", "/openapi.json": "application/openapi+json", "/openapi.yaml": "application/openapi+yaml",
				"/errors/not-found": "text/html; charset=utf-8",
			} {
				require.Equal(s.T, contentType, s.api.Get(path).Status(http.StatusOK).Header.Get("Content-Type"), path)
			}
		}},
		{says: `OpenAPI covers the JSON operations; pages, docs, errors, health and avatars are a closed list.`, prove: func(s *stage) {
			var document struct {
				OpenAPI string                               `json:"openapi"`
				Paths   map[string]map[string]map[string]any `json:"paths"`
			}
			require.NoError(s.T, json.Unmarshal(s.api.Get("/openapi.json").Body, &document))
			require.Equal(s.T, "3.1.0", document.OpenAPI)
			var documented, served []string
			for path, methods := range document.Paths {
				for method := range maps.Keys(methods) {
					documented = append(documented, strings.ToUpper(method)+" "+path)
				}
			}
			page, err := os.ReadFile(contractPage)
			require.NoError(s.T, err)
			for _, op := range s.api.App.Router.Operations() {
				served = append(served, op.Method+" "+op.Path)
				require.Regexp(s.T, namesOperation(op), string(page), "the contract says nothing of it")
			}
			require.ElementsMatch(s.T, served, documented)
			for _, pattern := range s.api.App.Router.ClosedList() {
				_, path, _ := strings.Cut(strings.TrimSuffix(pattern, "{$}"), " ")
				first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
				require.True(s.T, slices.Contains([]string{"", "docs", "openapi.json", "openapi.yaml", "healthz", "errors", "avatars", "reset-password", "verify-email", "confirm-email"}, first), pattern)
			}
		}, elsewhere: []string{"test/contract TestEveryPathIsAnOperationOrOnTheClosedList"}},
	}
}

// namesOperation finds a method and its path in the page: side by side, or in two cells of a row.
func namesOperation(op httpapi.Mounted) string {
	path := strings.NewReplacer("{", `\{`, "}", `\}`, ".", `\.`).Replace(op.Path)
	return `(?m)` + op.Method + " " + path + "[` ]|^\\| `" + path + "` \\| " + op.Method + ` \|`
}

// process is an app that serves both listeners, as the command does.
type process struct {
	app         *app.App
	public, ops string // URLs
	stop        func()
}

// process serves until the proof ends, or stop begins the end.
func (s *stage) process(settings ...string) process {
	args := map[string]string{
		"database.url": s.db.URL, "database.pool_min": "0", "data_dir": s.folder, "http.addr": "127.0.0.1:0", "ops.addr": "127.0.0.1:0", "log.format": "json", "redis.prefix": "contract",
		"database.acquire_deadline": "1m", // as testkit's
	}
	for _, setting := range settings {
		path, value, _ := strings.Cut(setting, "=")
		args[path] = value
	}
	a, err := app.New(app.Standard, app.Options{Logs: io.Discard})
	require.NoError(s.T, err)
	_, err = a.Load(config.Source{Args: args})
	require.NoError(s.T, err)
	require.NoError(s.T, a.Open(s.Context()))
	running, stop := context.WithCancel(context.Background())
	listening, ended := make(chan app.Listening, 1), make(chan error, 1)
	go func() { ended <- a.Serve(running, app.Roles{API: true}, func(at app.Listening) { listening <- at }) }()
	s.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.Log("it ended with:", err) // as it may where a proof took its database away
		}
		a.Close(context.Background())
	})
	select {
	case at := <-listening:
		return process{app: a, public: "http://" + at.Public.String(), ops: "http://" + at.Ops.String(), stop: stop}
	case err := <-ended:
		ended <- err // for the clean-up
		require.NoError(s.T, err)
		return process{}
	}
}

// wholly serves both listeners, and gives their URLs.
func (s *stage) wholly(settings ...string) (public, ops string) {
	p := s.process(settings...)
	return p.public, p.ops
}

type answered struct {
	status int
	header http.Header
	body   []byte
}

// ask gets what no client of the API asks for.
func (s *stage) ask(url string) answered {
	req, err := http.NewRequestWithContext(s.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(s.T, err)
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(s.T, err)
	defer func() { _ = res.Body.Close() }() // read whole below
	body, err := io.ReadAll(res.Body)
	require.NoError(s.T, err)
	return answered{res.StatusCode, res.Header, body}
}
