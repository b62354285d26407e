package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// benchProfile takes a CPU profile of the server in the middle of each row's load. The figures of such runs are not kept.
func benchProfile(ctx context.Context, s *stage) error {
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return err
	}
	for _, st := range s.stores {
		if err := st.fill(ctx, s.users); err != nil {
			return err
		}
		for _, r := range allRows {
			if !s.options.rows.MatchString(r.name) {
				continue
			}
			file := filepath.Join(s.out, "cpu-"+r.name+"-"+strings.ToLower(strings.Fields(st.name)[0])+".pprof")
			if err := s.profileRow(ctx, r, st, file); err != nil {
				return err
			}
			progress("wrote %s", file)
		}
	}
	return nil
}

func (s *stage) profileRow(ctx context.Context, r row, st *store, file string) (err error) {
	srv, err := s.serve(ctx, st, r.settings())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	load := &closedLoad{addr: srv.addr, connections: r.connections, next: r.next(st.data, fresh)}
	written := make(chan error, 1)
	begun := false
	err = load.run(ctx, warmUp, s.duration+time.Second, func() {
		if !begun {
			go func() { written <- srv.profile(ctx, s.duration, file) }()
		}
		begun = true
	})
	return errors.Join(err, <-written)
}
