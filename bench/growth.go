package main

import (
	"context"
	"errors"
	"fmt"
)

// grown is the work at one size of the table.
type grown struct {
	Target string `json:"target"`
	Users  int    `json:"users"`
	Row    string `json:"row"`
	sample
}

// At every size the same number of users ask, spread over the whole table, and none of them before what was known of it
// has grown old: only the size of the table differs.
const (
	askers     = 1000
	askersRate = 900 // per second, so that each comes again after more than the second that states are kept
)

// benchGrowth does the same work over tables of growing size.
func benchGrowth(ctx context.Context, s *stage) error {
	var all []grown
	for size := minUsers; size <= max(s.users, 10*minUsers); size *= 10 {
		for _, st := range s.stores {
			if err := st.fill(ctx, size); err != nil {
				return err
			}
			me, err := s.meAtSize(ctx, st)
			if err != nil {
				return err
			}
			logins, err := s.loginAtSize(ctx, st)
			if err != nil {
				return err
			}
			all = append(all, grown{st.name, size, "me, never remembered", me}, grown{st.name, size, "login", logins})
			lists, err := s.listAtSize(ctx, st, size)
			if err != nil {
				return err
			}
			all = append(all, lists...)
		}
	}
	table := [][]string{{"store", "users", "row", "rate/s", "CPU µs", "PG µs", "hash µs"}}
	for _, g := range all {
		table = append(table, []string{
			g.Target, number(float64(g.Users), 0), g.Row, number(g.Rate, 0), number(g.CPU, 1), number(g.Postgres, 1), number(g.Hash, 0),
		})
	}
	return s.report("growth", all, table)
}

func (s *stage) meAtSize(ctx context.Context, st *store) (out sample, err error) {
	srv, err := s.serve(ctx, st, limitsOff)
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	step := len(st.data.tokens) / askers
	next := func(n int) call { return call{method: "GET", path: "/users/me", token: st.data.tokens[n%askers*step]} }
	if _, err := openLoad(ctx, srv.addr, askersRate, warmUp, next); err != nil {
		return sample{}, err
	}
	before, pg := cpuTime(srv.pid()), st.postgresCPU()
	l, err := openLoad(ctx, srv.addr, askersRate, s.duration, next)
	if err == nil && l.Errors > 0 {
		err = fmt.Errorf("me: %w: %d, one: %s", errVoid, l.Errors, l.fault)
	}
	n := askersRate * s.duration.Seconds()
	out = sample{Rate: l.Rate, CPU: (cpuTime(srv.pid()) - before).Seconds() * 1e6 / n, Postgres: (st.postgresCPU() - pg).Seconds() * 1e6 / n}
	return out, err
}

// listAtSize asks for the first page of 50, and for the last one there is, the 10,000th at most.
func (s *stage) listAtSize(ctx context.Context, st *store, size int) (all []grown, err error) {
	srv, err := s.serve(ctx, st, map[string]string{"ratelimit.enabled": "false"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	for _, pages := range []int{0, len(st.data.cursors) - 1} {
		out, err := s.measure(ctx, row{connections: 16}, srv, st, listAt(pages)(st.data, nil))
		if err == nil {
			err = out.void()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, grown{st.name, size, fmt.Sprintf("list, page %d", pages+1), out})
	}
	return all, nil
}

func (s *stage) loginAtSize(ctx context.Context, st *store) (out sample, err error) {
	srv, err := s.serve(ctx, st, limitsOff)
	if err != nil {
		return sample{}, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	out, err = s.measure(ctx, row{connections: 16, hashes: true}, srv, st, logIn(st.data, fresh))
	if err == nil {
		err = out.void()
	}
	return out, err
}
