package main

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"time"
)

// startTimes is how long one kind of start took.
type startTimes struct {
	Target string  `json:"target"`
	Kind   string  `json:"kind"`
	Best   float64 `json:"best_ms"`
	Median float64 `json:"median_ms"`
	Worst  float64 `json:"worst_ms"`
	Idle   float64 `json:"rss_idle_mib"` // two seconds after the last start
}

const starts = 9

// benchStart measures from exec to the first healthy answer, on one core.
func benchStart(ctx context.Context, s *stage) error {
	var all []startTimes
	for _, st := range s.stores {
		if err := st.fill(ctx, s.users); err != nil {
			return err
		}
		of, err := s.startOften(ctx, st, "with data", func(int) *store { return st })
		if err != nil {
			return err
		}
		all = append(all, of)
		if st.postgres != nil {
			continue
		}
		of, err = s.startOften(ctx, st, "in an empty folder", func(i int) *store {
			return &store{settings: map[string]string{"data_dir": filepath.Join(s.dir, "empty", string(rune('a'+i)))}}
		})
		if err != nil {
			return err
		}
		all = append(all, of)
	}
	table := [][]string{{"store", "start", "best ms", "median ms", "worst ms", "RSS idle MiB"}}
	for _, t := range all {
		table = append(table, []string{t.Target, t.Kind, number(t.Best, 0), number(t.Median, 0), number(t.Worst, 0), number(t.Idle, 1)})
	}
	return s.report("start", all, table)
}

func (s *stage) startOften(ctx context.Context, st *store, kind string, on func(i int) *store) (startTimes, error) {
	out := startTimes{Target: st.name, Kind: kind}
	var took []float64
	for i := range starts {
		srv, err := s.serve(ctx, on(i), nil)
		if err != nil {
			return out, err
		}
		took = append(took, srv.started.Seconds()*1000)
		if i == starts-1 {
			sleep(ctx, 2*time.Second)
			out.Idle, _ = residentMiB(srv.pid())
		}
		if err := errors.Join(srv.stop(), ctx.Err()); err != nil {
			return out, err
		}
	}
	slices.Sort(took)
	out.Best, out.Median, out.Worst = took[0], took[len(took)/2], took[len(took)-1]
	return out, nil
}
