package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// row is one kind of work.
type row struct {
	name        string
	what        string
	connections int
	// offered is the open model's rate; 0 takes 70 % of the most that the closed model found.
	offered float64
	hashes  bool // whether a request hashes a password
	limits  bool
	growing bool // adds users, so that every request needs a number of its own
	// spread has the open model take all sessions in turn: it does not wait for an answer before it sends the next request of
	// a connection, and a session has one token at a time.
	spread bool
	next   func(d *data, fresh func() int) func(connection, n int) call
}

// allRows are in the order in which they are run.
var allRows = []row{
	{name: "me", what: "GET /users/me, 64 connections, each a user of its own", connections: 64, offered: 2000, next: meOfConnection},
	{name: "me-limits", what: "the same with limits switched on", connections: 64, offered: 2000, limits: true, next: meOfConnection},
	{name: "me-all", what: "GET /users/me, 64 connections, all users in turn", connections: 64, offered: 2000, next: meOfAll},
	{name: "login", what: "POST /auth/login, 16 at once", connections: 16, hashes: true, next: logIn},
	{name: "login-limits", what: "the same with limits switched on", connections: 16, hashes: true, limits: true, next: logIn},
	{name: "refresh", what: "POST /auth/refresh, 16 at once, each carrying its own token forward", connections: 16, offered: 500, spread: true, next: refreshOfConnection},
	{name: "refresh-all", what: "the same, all sessions in turn", connections: 16, offered: 500, next: refreshOfAll},
	{name: "list", what: "GET /users?limit=50, 16 at once", connections: 16, offered: 500, next: listAt(0)},
	{name: "list-deep", what: "the same, 200 pages in", connections: 16, offered: 500, next: listAt(199)},
	{name: "register", what: "POST /auth/register, 16 at once", connections: 16, hashes: true, growing: true, next: register},
}

// meOfConnection is the everyday case: those who are active ask often, and what is known of them is at most a second old.
func meOfConnection(d *data, _ func() int) func(int, int) call {
	return func(connection, _ int) call {
		return call{method: "GET", path: "/users/me", token: d.tokens[connection%len(d.tokens)]}
	}
}

// meOfAll has few hits in any memory: each request reads the session and the user.
func meOfAll(d *data, fresh func() int) func(int, int) call {
	return func(int, int) call {
		return call{method: "GET", path: "/users/me", token: d.tokens[fresh()%len(d.tokens)]}
	}
}

func logIn(d *data, fresh func() int) func(int, int) call {
	return func(int, int) call { return loginOf(d.owners[fresh()*7919%len(d.owners)]) }
}

func loginOf(user int) call {
	return call{method: "POST", path: "/auth/login", body: fmt.Sprintf(`{"email":%q,"password":%q}`, emailOf(user), usersPassword)}
}

// refreshOfConnection finds the account in the memory; refreshOfAll reads it, as a refresh every 15 minutes does.
func refreshOfConnection(d *data, _ func() int) func(int, int) call {
	return func(connection, _ int) call { return refreshOf(d, connection) }
}

func refreshOfAll(d *data, fresh func() int) func(int, int) call {
	return func(int, int) call { return refreshOf(d, fresh()) }
}

func refreshOf(d *data, session int) call {
	return call{method: "POST", path: "/auth/refresh", body: fmt.Sprintf(`{"refresh_token":%q}`, d.useRefresh(session))}
}

// listAt asks for a page of the list again and again, that many pages in.
func listAt(pages int) func(*data, func() int) func(int, int) call {
	return func(d *data, _ func() int) func(int, int) call {
		page := call{method: "GET", path: "/users?limit=50", token: d.admin}
		if last := len(d.cursors) - 1; pages > 0 && last > 0 { // the bare handler takes any
			page.path += "&cursor=" + d.cursors[min(pages, last)]
		}
		return func(int, int) call { return page }
	}
}

func register(_ *data, fresh func() int) func(int, int) call {
	return func(int, int) call { return registrationOf(fresh()) }
}

func registrationOf(n int) call {
	return call{method: "POST", path: "/auth/register", body: fmt.Sprintf(`{"email":"new-%07d@example.com","password":%q,"full_name":"Ada Lovelace"}`, n, usersPassword)}
}

var limitsOff = map[string]string{"ratelimit.enabled": "false"}

// settings of the server that does the row.
func (r row) settings() map[string]string {
	if !r.limits {
		return limitsOff
	}
	const beyond = "1000000/1m"
	return map[string]string{
		"ratelimit.register": beyond, "ratelimit.login": beyond, "ratelimit.refresh": beyond, "ratelimit.register_conflict": beyond, "ratelimit.login_failure": beyond,
	}
}

// warmUp is what happens before a run is looked at. An instance on PostgreSQL that is alone has found that by then, and tells
// nobody of changes.
const warmUp = 7 * time.Second

// sample is one run.
type sample struct {
	Rate     float64 `json:"rate_per_s"`
	CPU      float64 `json:"cpu_us"` // of the server, for each request
	Postgres float64 `json:"postgres_cpu_us"`
	Redis    float64 `json:"redis_cpu_us"`
	Hash     float64 `json:"hash_cpu_us,omitempty"` // of hashing for each request, by a profile of this run
	// Collector is the CPU of freeing memory, which the hashes leave.
	Collector float64 `json:"collector_cpu_us,omitempty"`
	// SQLite is the CPU of the embedded engine, which Postgres is a process of its own for. Its syncs are in it.
	SQLite  float64 `json:"sqlite_cpu_us,omitempty"`
	Idle    float64 `json:"rss_idle_mib"`
	Peak    float64 `json:"rss_peak_mib"`
	Errors  int64   `json:"errors"`
	Refused int64   `json:"refused"` // with 503
	fault   string
}

// void is why the run means nothing.
func (s sample) void() error {
	if s.Errors+s.Refused == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d refused, %d errors %s", errVoid, s.Refused, s.Errors, s.fault)
}

// counters are read at the two ends of a run.
type counters struct {
	at                      time.Time
	done                    int64
	server, postgres, redis time.Duration
}

// measure loads a server in the closed model.
func (s *stage) measure(ctx context.Context, r row, srv *server, st *store, next func(int, int) call) (sample, error) {
	idle, _ := residentMiB(srv.pid())
	load := &closedLoad{addr: srv.addr, connections: r.connections, next: next}
	var marks []counters
	profile, profiled := filepath.Join(s.dir, "cpu.pprof"), make(chan error, 1)
	err := load.run(ctx, warmUp, s.duration, func() {
		if r.hashes && len(marks) == 0 {
			go func() { profiled <- srv.profile(ctx, s.duration, profile) }()
		}
		marks = append(marks, counters{time.Now(), load.done.Load(), cpuTime(srv.pid()), st.postgresCPU(), st.redisCPU()})
	})
	if err != nil {
		return sample{}, err
	}
	a, b := marks[0], marks[1]
	n := float64(max(1, b.done-a.done))
	each := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 / n }
	out := sample{
		Rate: float64(b.done-a.done) / b.at.Sub(a.at).Seconds(), CPU: each(b.server - a.server), Postgres: each(b.postgres - a.postgres),
		Redis: each(b.redis - a.redis), Idle: idle, Errors: load.bad.Load(), Refused: load.refused.Load(),
	}
	_, out.Peak = residentMiB(srv.pid())
	if r.hashes {
		if err := <-profiled; err != nil {
			return sample{}, err
		}
		parts, err := shares(profile)
		if err != nil {
			return sample{}, err
		}
		out.Hash, out.Collector, out.SQLite = out.CPU*parts.hashing, out.CPU*parts.collecting, out.CPU*parts.engine
	}
	if f := load.first.Load(); f != nil {
		out.fault = (*f).Error()
	}
	return out, nil
}
