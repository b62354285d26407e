package main

import (
	"context"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/internal/loopback"
	"github.com/gatehouse/gatehouse/internal/testenv"
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

func TestARowThatHashesIsComparedWithHandlersThatDo(t *testing.T) {
	t.Parallel()
	s := &stage{dir: "dir", stores: []*store{{name: "SQLite"}, {name: "PostgreSQL + Redis", postgres: &testenv.Postgres{URL: "postgres://there"}}}}
	without := &stage{}
	names := func(r row) (all []string) {
		for _, target := range s.targetsOf(r, without) {
			all = append(all, strings.TrimSpace(target.name+" "+strings.Join(target.bare, " ")))
			if silent := strings.HasSuffix(target.name, "without outbox and audit trail"); silent != (target.stage == without) {
				t.Errorf("%q is served by the wrong binary", target.name)
			}
		}
		return all
	}
	if got := names(row{}); !slices.Equal(got, []string{"bare net/http", "SQLite", "PostgreSQL + Redis"}) {
		t.Errorf("%q", got)
	}
	if got := names(row{hashes: true}); !slices.Equal(got, []string{
		"bare net/http -hash",
		"bare net/http, a commit to SQLite -hash -commit sqlite:" + filepath.Join("dir", "bare.db"),
		"SQLite, without outbox and audit trail", "SQLite",
		"bare net/http, a commit to PostgreSQL + Redis -hash -commit postgres://there",
		"PostgreSQL + Redis, without outbox and audit trail", "PostgreSQL + Redis",
	}) {
		t.Errorf("%q", got)
	}
}

func TestTheBareHandlerCommitsOneRowForEachPOST(t *testing.T) {
	t.Parallel()
	addr, err := loopback.FreeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file := "sqlite:" + filepath.Join(t.TempDir(), "bare.db")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveBare(ctx, []string{"-addr", addr, "-hash", "-commit", file}) }()
	for srv := (&server{addr: addr}); !srv.healthy(ctx); {
		if len(ended) > 0 {
			t.Fatal(<-ended)
		}
	}
	w, err := dial(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	for _, method := range []string{"GET", "POST", "POST"} {
		if status, err := w.ask(call{method: method, path: "/auth/login", body: "{}"}); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d, %v", method, status, err)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	settings := database.DefaultSettings()
	settings.URL = secret.New(file)
	db, err := database.Open(t.Context(), settings, database.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var rows int
	if err := db.QueryRow(t.Context(), "SELECT count(*) FROM bare_logins").Scan(&rows); err != nil || rows != 2 {
		t.Errorf("%d rows, %v", rows, err)
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
