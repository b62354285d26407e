package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
)

// What leaves a transaction beside its change: an event and a row of the audit trail. benchCost compares the product with
// one in which these two functions return at once.
var silenced = map[string]string{"core/event/outbox.go": "Append", "core/audit/trail.go": "Append"}

const (
	costRounds = 10
	costBound  = 1.10
)

// cost is what outbox and audit trail together add to one kind of work: median rates, and the medians of how the two runs of
// each round compare. A disk may be twice as slow some minutes later, but seldom between neighbours.
type cost struct {
	Target  string  `json:"target"`
	Row     string  `json:"row"`
	With    float64 `json:"with_per_s"`
	Without float64 `json:"without_per_s"`
	Time    float64 `json:"time_ratio"`
	CPU     float64 `json:"cpu_ratio"` // of server, PostgreSQL and Redis
}

var errCost = fmt.Errorf("outbox and audit trail cost more than %.0f %%", (costBound-1)*100)

// benchCost measures registrations and refreshes with and without, in turn, ten times each.
func benchCost(ctx context.Context, s *stage) error {
	without, err := s.withoutRows(ctx)
	if err != nil {
		return err
	}
	var all []cost
	for _, st := range s.stores {
		if err := st.fill(ctx, s.users); err != nil {
			return err
		}
		for _, r := range allRows {
			if r.name != "register" && r.name != "refresh" || !s.options.rows.MatchString(r.name) {
				continue
			}
			c, err := costOf(ctx, s, without, st, r)
			if err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
			all = append(all, c)
		}
	}
	table := [][]string{{"row", "target", "with/s", "without/s", "time ×", "CPU ×"}}
	for _, c := range all {
		table = append(table, []string{c.Row, c.Target, number(c.With, 0), number(c.Without, 0), number(c.Time, 3), number(c.CPU, 3)})
	}
	if err := s.report("cost", all, table); err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(c cost) bool { return c.Time > costBound }) {
		return errCost
	}
	return nil
}

func costOf(ctx context.Context, with, without *stage, st *store, r row) (cost, error) {
	var rates, cpus [2][]float64
	for range costRounds {
		for _, i := range rand.Perm(2) { //nolint:gosec // an order of runs
			s := []*stage{with, without}[i]
			var l line
			if err := s.benchOnce(ctx, r, target{name: st.name, store: st}, &l, false); err != nil {
				return cost{}, err
			}
			x := l.Samples[0]
			if err := x.void(); err != nil {
				return cost{}, err
			}
			rates[i], cpus[i] = append(rates[i], x.Rate), append(cpus[i], x.CPU+x.Postgres+x.Redis)
			progress("%s, %s, %s: %.0f/s, %.0f µs", r.name, st.name, []string{"with", "without"}[i], x.Rate, x.CPU+x.Postgres+x.Redis)
		}
	}
	return cost{
		Target: st.name, Row: r.name, With: median(rates[0]), Without: median(rates[1]),
		Time: median(ratios(rates[1], rates[0])), CPU: median(ratios(cpus[0], cpus[1])),
	}, nil
}

// ratios divides the first runs by the second ones, round by round.
func ratios(of, by []float64) []float64 {
	all := make([]float64, len(of))
	for i := range of {
		all[i] = of[i] / by[i]
	}
	return all
}

// withoutRows builds the binary anew with the silenced functions, and gives a stage that serves it.
func (s *stage) withoutRows(ctx context.Context) (*stage, error) {
	replaced := map[string]string{}
	for file, function := range silenced {
		source, err := filepath.Abs(filepath.Join(s.root, filepath.FromSlash(file)))
		if err != nil {
			return nil, err
		}
		quiet := filepath.Join(s.dir, fmt.Sprintf("silenced-%d.go", len(replaced)))
		if err := silence(source, function, quiet); err != nil {
			return nil, err
		}
		replaced[source] = quiet
	}
	raw, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return nil, err
	}
	overlay := filepath.Join(s.dir, "overlay.json")
	if err := os.WriteFile(overlay, raw, 0o600); err != nil {
		return nil, err
	}
	without := *s
	return &without, without.build(ctx, "gatehouse-without", "-overlay", overlay)
}

// silence copies a source so that a method of its, which returns an error alone, returns at once. What follows stays, and so
// compiles.
func silence(source, method, to string) error {
	raw, err := os.ReadFile(source)
	if err != nil {
		return err
	}
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, source, raw, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == method && fn.Recv != nil {
			at := files.Position(fn.Body.Lbrace).Offset + 1
			return os.WriteFile(to, slices.Concat(raw[:at], []byte("\nif ctx != nil { return nil }\n"), raw[at:]), 0o600)
		}
	}
	return errors.New(source + " has no method " + method)
}
