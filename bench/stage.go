package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/internal/testenv"
)

// The cores of the two sides. PostgreSQL and Redis take what they find.
const (
	serverCore = 0
	loaderCore = 1
)

// stage is what one call of the command works with.
type stage struct {
	options
	dir    string // temporary; holds the binary, data and logs
	binary string
	self   string // this program, for what runs as a process of its own
	stores []*store
}

// store is one place where the product keeps its data.
type store struct {
	name     string
	settings map[string]string
	postgres *testenv.Postgres
	redis    *testenv.Redis
	data     *data
}

func openStage(ctx context.Context, o options) (_ *stage, err error) {
	s := &stage{options: o}
	if s.dir, err = os.MkdirTemp("", "gatehouse-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if err = s.build(ctx); err != nil {
		return nil, err
	}
	for _, name := range o.stores {
		var st *store
		switch name {
		case "sqlite":
			st = &store{name: "SQLite", settings: map[string]string{"data_dir": filepath.Join(s.dir, "sqlite")}}
		case "postgres":
			st, err = startPostgres(ctx, s)
		default:
			err = fmt.Errorf("no such store: %s", name)
		}
		if st != nil {
			s.stores = append(s.stores, st)
		}
		if err != nil {
			return nil, err
		}
	}
	if runtime.NumCPU() > loaderCore { // only now, so that the stores are bound to no core
		if err = pinSelf(loaderCore); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// startPostgres gives the store even where it fails half-way, so that what runs is stopped.
func startPostgres(ctx context.Context, s *stage) (*store, error) {
	progress("starting PostgreSQL (fsync on) and Redis")
	st := &store{name: "PostgreSQL + Redis"}
	var err error
	if st.postgres, err = testenv.StartPostgres(ctx, testenv.PostgresOptions{Fsync: true}); err != nil {
		return st, err
	}
	if st.redis, err = testenv.StartRedis(ctx, testenv.RedisOptions{}); err != nil {
		return st, err
	}
	st.settings = map[string]string{"data_dir": filepath.Join(s.dir, "postgres"), "database.url": st.postgres.URL, "redis.url": st.redis.URL}
	return st, nil
}

// build makes the binary as releases are made.
func (s *stage) build(ctx context.Context) error {
	progress("building the binary")
	s.binary = filepath.Join(s.dir, "gatehouse")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.binary, "./cmd/gatehouse")
	cmd.Dir = s.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// close stops the stores and removes everything that was made.
func (s *stage) close() error {
	var all []error
	for _, st := range s.stores {
		if st.postgres != nil {
			all = append(all, st.postgres.Stop())
		}
		if st.redis != nil {
			all = append(all, st.redis.Stop())
		}
	}
	return errors.Join(append(all, os.RemoveAll(s.dir))...)
}

// postgresCPU and redisCPU are zero where there is none.
func (st *store) postgresCPU() time.Duration {
	if st == nil || st.postgres == nil {
		return 0
	}
	return cpuTime(st.postgres.PID())
}

func (st *store) redisCPU() time.Duration {
	if st == nil || st.redis == nil {
		return 0
	}
	return cpuTime(st.redis.PID())
}

// arguments are the settings as flags of the binary.
func arguments(settings map[string]string) []string {
	var args []string
	for path, value := range settings {
		args = append(args, path+"="+value)
	}
	slices.Sort(args)
	flags := make([]string, 0, 2*len(args))
	for _, a := range args {
		flags = append(flags, "--set", a)
	}
	return flags
}

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}
