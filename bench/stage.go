package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/internal/testenv"
)

// stage is what one call of the command works with.
type stage struct {
	options
	dir    string // temporary; holds the binary, data and logs
	binary string
	self   string // this program, for what runs as a process of its own
	cores  cores
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
	if s.cores, err = findCores(); err != nil {
		return nil, err
	}
	if err := s.build(ctx, "gatehouse"); err != nil {
		return nil, err
	}
	for _, name := range o.stores {
		st := &store{name: "SQLite", settings: map[string]string{"data_dir": filepath.Join(s.dir, "sqlite")}}
		if name == withServers {
			st, err = startPostgres(ctx, s)
		}
		s.stores = append(s.stores, st)
		if err != nil {
			return nil, err
		}
	}
	return s, pinSelf(s.cores) // only now, so that the stores are bound to no core
}

// startPostgres gives the store even where it fails half-way, so that what runs is stopped.
func startPostgres(ctx context.Context, s *stage) (*store, error) {
	progress("starting PostgreSQL (fsync on) and Redis")
	st := &store{name: "PostgreSQL + Redis"}
	var err error
	if st.postgres, err = testenv.StartPostgres(ctx, testenv.PostgresOptions{Fsync: true}); err != nil {
		return st, fmt.Errorf("%w (install it, or measure with -stores %s alone)", err, embedded)
	}
	if st.redis, err = testenv.StartRedis(ctx, testenv.RedisOptions{}); err != nil {
		return st, fmt.Errorf("%w (install it, or measure with -stores %s alone)", err, embedded)
	}
	st.settings = map[string]string{"data_dir": filepath.Join(s.dir, "postgres"), "database.url": st.postgres.URL, "redis.url": st.redis.URL}
	return st, nil
}

// build makes the binary as releases are made, but for further flags.
func (s *stage) build(ctx context.Context, name string, flags ...string) error {
	progress("building the binary: %s", name)
	s.binary = filepath.Join(s.dir, name)
	args := slices.Concat([]string{"build", "-trimpath", "-o", s.binary}, flags, []string{"./cmd/gatehouse"})
	cmd := exec.CommandContext(ctx, "go", args...)
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
