package main

import (
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMistakesAreToldBeforeAnythingStarts(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"no such command: fly (there are burst, cost, growth, profile, rows, start)": {"fly"},
		"no such store: oracle (there are sqlite and postgres)":                      {"burst", "-stores", "sqlite,oracle"},
		"users must be 1000 to 2000000":                                              {"-users", "10"},
		"time 1s to 2m":                                                              {"start", "-time", "1h"},
		"rows: error parsing regexp":                                                 {"-rows", "("},
		`not "burst"`:                                                                {"-users", "1000", "burst"},
		"help requested":                                                             {"growth", "-h"},
	} {
		err := run(t.Context(), args)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

func TestAWireReadsOneAnswerAfterAnother(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer token" {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		_, _ = w.Write([]byte("an answer")) // the test reads it
	}))
	t.Cleanup(srv.Close)
	w, err := dial(t.Context(), srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, c := range []struct {
		call
		status int
	}{
		{call{method: "GET", path: "/", token: "token"}, http.StatusOK},
		{call{method: "POST", path: "/", body: "{}"}, http.StatusServiceUnavailable},
		{call{method: "POST", path: "/", token: "token", body: "{}"}, http.StatusOK},
	} {
		status, err := w.ask(c.call)
		if err != nil || status != c.status || w.retryAfter != (c.status == http.StatusServiceUnavailable) {
			t.Errorf("%+v: %d, %v, Retry-After %t", c.call, status, err, w.retryAfter)
		}
	}
}

func TestABurstIsJudgedByItsBounds(t *testing.T) {
	t.Parallel()
	e := endpoint{success: http.StatusOK}
	good := burst{Elapsed: 1000, Capacity: 100, Before: 50, After: 55, Slowest: 900}
	for name, c := range map[string]struct {
		change func(*burst)
		faults int
	}{
		"all of capacity":          {func(b *burst) { b.Statuses = map[int]int{200: 100, 503: 900} }, 0},
		"half of capacity":         {func(b *burst) { b.Statuses = map[int]int{200: 50, 503: 950} }, 1},
		"a limit refused":          {func(b *burst) { b.Limits, b.Statuses = true, map[int]int{200: 10, 429: 990} }, 0},
		"no limit, yet 429":        {func(b *burst) { b.Statuses = map[int]int{200: 100, 429: 900} }, 1},
		"no answer":                {func(b *burst) { b.Statuses = map[int]int{200: 999, 0: 1} }, 1},
		"no Retry-After":           {func(b *burst) { b.Statuses, b.noRetry = map[int]int{200: 100, 503: 900}, 1 }, 1},
		"slow, and memory is kept": {func(b *burst) { b.Statuses, b.Slowest, b.After = map[int]int{200: 1000}, 5001, 61 }, 2},
	} {
		b := good
		c.change(&b)
		b.judge(e)
		if len(b.Faults) != c.faults {
			t.Errorf("%s: %q", name, b.Faults)
		}
	}
}

func TestATableHasNoEmptyColumn(t *testing.T) {
	t.Parallel()
	got := markdown([][]string{{"row", "nothing", "µs"}, {"me", "", "12.5"}, {"login", "", "7"}})
	want := "| row   | µs   |\n| ----- | ---- |\n| me    | 12.5 |\n| login | 7    |\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestALineComparesWithTheBareHandlerOfItsRound(t *testing.T) {
	t.Parallel()
	l := line{Target: "SQLite", Samples: []sample{{Rate: 10, CPU: 30}, {Rate: 40, CPU: 20}, {Rate: 20, CPU: 10, Errors: 1, fault: "status 500"}}}
	l.conclude(row{hashes: true}, []sample{{Rate: 20, CPU: 10}, {Rate: 40, CPU: 10}, {Rate: 40, CPU: 10}})
	if l.Best.Rate != 40 || l.Median.Rate != 20 || l.RateRatio != 0.5 || l.CPURatio != 2 || l.Beside != 20 || l.Void == "" {
		t.Errorf("%+v", l)
	}
}

func TestRegistrationsOfOneRunDiffer(t *testing.T) {
	t.Parallel()
	next := register(nil, fresh)
	var bodies []string
	for range 100 {
		bodies = append(bodies, next(0, 0).body)
	}
	slices.Sort(bodies)
	if len(slices.Compact(bodies)) != 100 {
		t.Error("an address came twice")
	}
}

func TestASilencedMethodReturnsAtOnce(t *testing.T) {
	t.Parallel()
	for file, method := range silenced {
		to := filepath.Join(t.TempDir(), "quiet.go")
		if err := silence(filepath.Join("..", filepath.FromSlash(file)), method, to); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.ParseFile(token.NewFileSet(), to, raw, parser.AllErrors); err != nil || !strings.Contains(string(raw), "error {\nif ctx != nil { return nil }\n") {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := silence("cost.go", "fly", filepath.Join(t.TempDir(), "quiet.go")); err == nil {
		t.Error("a method that is not there was found")
	}
}
