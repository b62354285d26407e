package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
)

// line is a row on one target.
type line struct {
	Row     string   `json:"row"`
	What    string   `json:"what"`
	Target  string   `json:"target"`
	Best    sample   `json:"best"`
	Median  sample   `json:"median"`
	Samples []sample `json:"samples"`
	Open    latency  `json:"open"`
	// Ratios to the bare handler, the median of those within one round; 0 for the bare handler itself.
	RateRatio float64 `json:"rate_ratio"`
	CPURatio  float64 `json:"cpu_ratio"`
	// Beside is the server's CPU less that of its hashes, of collecting what they leave and of SQLite, in µs, the median over the
	// rounds.
	Beside float64 `json:"beside_hash_us,omitempty"`
	Void   string  `json:"void,omitempty"` // why the figures mean nothing
}

// bareTarget is the name of the handler that others are compared with. It hashes where they do.
const bareTarget = "bare net/http"

// target is what a row is run on: the product on a store, or a bare handler.
type target struct {
	name  string
	stage *stage // whose binary serves
	store *store
	bare  []string // flags of the bare handler
}

// targetsOf has the bare handler first. Where a row hashes, there are two more for each store. One is bare and also commits a
// row: the least that a request costs there which leaves anything behind. The other is the product without the rows that tell
// others of the request.
func (s *stage) targetsOf(r row, without *stage) []target {
	bare := target{name: bareTarget, stage: s}
	if r.hashes {
		bare.bare = []string{"-hash"}
	}
	targets := []target{bare}
	for _, st := range s.stores {
		if r.hashes {
			least := append(slices.Clone(bare.bare), "-commit", s.commitURL(st))
			targets = append(targets,
				target{name: bareTarget + ", a commit to " + st.name, stage: s, bare: least},
				target{name: st.name + ", without outbox and audit trail", stage: without, store: st})
		}
		targets = append(targets, target{name: st.name, stage: s, store: st})
	}
	return targets
}

// commitURL is where the bare handler commits to: PostgreSQL, or a file of SQLite beside the product's.
func (s *stage) commitURL(st *store) string {
	if st.postgres != nil {
		return st.postgres.URL
	}
	return "sqlite:" + filepath.Join(s.dir, "bare.db")
}

// errVoid is returned after the table was written.
var errVoid = errors.New("errors were counted: the runs marked void mean nothing")

func benchRows(ctx context.Context, s *stage) error {
	for _, st := range s.stores {
		if err := st.fill(ctx, s.users); err != nil {
			return err
		}
	}
	rows := slices.DeleteFunc(slices.Clone(allRows), func(r row) bool { return !s.options.rows.MatchString(r.name) })
	var without *stage
	if slices.ContainsFunc(rows, func(r row) bool { return r.hashes }) {
		var err error
		if without, err = s.withoutRows(ctx); err != nil {
			return err
		}
	}
	var lines []line
	for _, r := range rows {
		of, err := s.benchRow(ctx, r, without)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		lines = append(lines, of...)
	}
	if err := s.report("rows", lines, tableOf(lines)); err != nil {
		return err
	}
	if slices.ContainsFunc(lines, func(l line) bool { return l.Void != "" }) {
		return errVoid
	}
	return nil
}

// benchRow goes round over the targets, so that what disturbs the machine disturbs all of them.
func (s *stage) benchRow(ctx context.Context, r row, without *stage) ([]line, error) {
	targets := s.targetsOf(r, without)
	lines := make([]line, len(targets))
	for round := range s.runs {
		for i, t := range targets {
			l := &lines[i]
			l.Row, l.What, l.Target = r.name, r.what, t.name
			if err := t.stage.benchOnce(ctx, r, t, l, round == s.runs-1); err != nil {
				return nil, err
			}
			last := l.Samples[len(l.Samples)-1]
			progress("%s, %s: %.0f/s, %.1f µs", r.name, l.Target, last.Rate, last.CPU)
		}
	}
	for i := range lines {
		lines[i].conclude(r, lines[0].Samples)
	}
	return lines, nil
}

// benchOnce gives the line another sample, and after the last one the latency.
func (s *stage) benchOnce(ctx context.Context, r row, t target, l *line, last bool) (err error) {
	var srv *server
	d := &data{tokens: []string{"none"}, owners: []int{1}}
	if t.store == nil {
		srv, err = s.serveBare(ctx, t.bare)
	} else {
		d = t.store.data
		srv, err = s.serve(ctx, t.store, r.settings())
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	next := r.next(d, fresh)
	sample, err := s.measure(ctx, r, srv, t.store, next)
	if err != nil {
		return err
	}
	l.Samples = append(l.Samples, sample)
	if !last {
		return nil
	}
	rate := r.offered
	if rate == 0 {
		rate = 0.7 * sample.Rate
	}
	if t.store == nil { // the bare handler is offered what the others can take, too
		rate = min(rate, 2000)
	}
	senders := r.connections
	if r.spread {
		senders = max(1, len(d.refresh))
	}
	l.Open, err = openLoad(ctx, srv.addr, rate, s.duration, func(n int) call { return next(n%senders, n) })
	return err
}

var counted atomic.Int64

// fresh gives a number that nobody else gets, so that every registration has an address of its own.
func fresh() int { return int(counted.Add(1)) }

// conclude picks the best and the median run and compares them with the bare handler's of the same round.
func (l *line) conclude(r row, bare []sample) {
	byRate := slices.SortedFunc(slices.Values(l.Samples), func(a, b sample) int { return cmp.Compare(a.Rate, b.Rate) })
	l.Best, l.Median = byRate[len(byRate)-1], byRate[len(byRate)/2]
	var rates, cpus, beside []float64
	for i, x := range l.Samples {
		rates = append(rates, x.Rate/bare[i].Rate)
		cpus = append(cpus, x.CPU/bare[i].CPU)
		beside = append(beside, x.CPU-x.Hash-x.Collector-x.SQLite)
		if x.Errors+x.Refused > 0 {
			l.Void = fmt.Sprintf("%d refused, %d errors %s", x.Refused, x.Errors, x.fault)
		}
	}
	if l.Open.Errors > 0 {
		l.Void = fmt.Sprintf("%d errors in the open model, one: %s", l.Open.Errors, l.Open.fault)
	}
	if r.hashes {
		l.Beside = median(beside)
	}
	if l.Target != bareTarget {
		l.RateRatio, l.CPURatio = median(rates), median(cpus)
	}
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }

// tableOf is for people.
func tableOf(lines []line) [][]string {
	out := [][]string{{
		"row", "target", "best/s", "median/s", "× bare", "CPU µs", "× bare", "PG µs", "SQLite µs", "Redis µs", "hash µs", "collector µs", "beside hash µs",
		"offered/s", "P50 ms", "P99 ms", "RSS idle", "RSS peak", "",
	}}
	for _, l := range lines {
		m := l.Median
		out = append(out, []string{
			l.Row, l.Target, number(l.Best.Rate, 0), number(m.Rate, 0), number(l.RateRatio, 2), number(m.CPU, 1), number(l.CPURatio, 2),
			number(m.Postgres, 1), number(m.SQLite, 0), number(m.Redis, 1), number(m.Hash, 0), number(m.Collector, 0), number(l.Beside, 0), number(l.Open.Offered, 0), number(l.Open.P50, 2),
			number(l.Open.P99, 2), number(m.Idle, 0), number(m.Peak, 0), l.Void,
		})
	}
	return out
}

// number leaves out what is not there.
func number(v float64, digits int) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.*f", digits, v)
}
