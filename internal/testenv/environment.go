package testenv

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// reachLimit bounds the first connection to a server that a person named.
const reachLimit = 10 * time.Second

// Environment is what one test run shares.
type Environment struct {
	vars      []string // NAME=value
	postgres  *Postgres
	bouncer   *PgBouncer
	redis     *Redis
	emulators []*emulator // as in the list of all; nil where none was started
}

// Provide finds or starts what is wanted: what a TEST_ variable names is used as it is; else what is installed here, else
// Docker's image, else what apt-get brings where that may be used unasked. Otherwise it returns ErrUnavailable with one
// sentence that says what to install. Who wants a pooler gets PostgreSQL behind it. Progress lines go to progress.
func Provide(ctx context.Context, wanted []Need, progress io.Writer) (*Environment, error) {
	if slices.Contains(wanted, Bouncer) {
		wanted = append(slices.Clone(wanted), PostgreSQL)
	}
	if err := ensure(ctx, wanted, progress); err != nil {
		return nil, err
	}
	e := &Environment{}
	if err := e.start(ctx, wanted, progress); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// Vars are the variables for the commands that use this environment, as NAME=value.
func (e *Environment) Vars() []string { return slices.Clone(e.vars) }

// Stop ends what Provide started.
func (e *Environment) Stop() error {
	var group errgroup.Group
	if e.postgres != nil {
		group.Go(e.postgres.Stop)
	}
	if e.bouncer != nil {
		group.Go(e.bouncer.Stop)
	}
	if e.redis != nil {
		group.Go(e.redis.Stop)
	}
	for _, running := range e.emulators {
		if running != nil {
			group.Go(running.stop)
		}
	}
	return group.Wait()
}

// ensure leaves every wanted thing here, or says what is missing.
func ensure(ctx context.Context, wanted []Need, progress io.Writer) error {
	missing := lacking(ctx, wanted)
	if len(missing) > 0 && mayInstall() {
		if err := install(ctx, missing, progress); err != nil {
			return err
		}
		missing = lacking(ctx, wanted)
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, advice(missing))
}

func lacking(ctx context.Context, wanted []Need) []need {
	var out []need
	for _, n := range needs {
		if slices.Contains(wanted, n.name) && !n.given() && !n.here(ctx) {
			out = append(out, n)
		}
	}
	return out
}

// advice is one sentence that says what to install.
func advice(missing []need) string {
	var titles, packages, others []string
	for _, n := range missing {
		titles = append(titles, n.title)
		packages = append(packages, n.packages...)
		if n.variable != "" {
			others = append(others, n.variable)
		}
	}
	text := fmt.Sprintf("the tests need %s: install with `sudo apt-get install --no-install-recommends %s` or your system's equivalent",
		strings.Join(titles, ", "), strings.Join(packages, " "))
	if slices.ContainsFunc(missing, func(n need) bool { return n.docker }) {
		text += ", or start Docker"
	}
	if len(others) > 0 {
		text += ", or set " + strings.Join(others, ", ")
	}
	return text + " (`go test ./...` needs none of it and runs on SQLite and memory)"
}

func (e *Environment) start(ctx context.Context, wanted []Need, progress io.Writer) error {
	var group errgroup.Group
	begin := time.Now()
	if slices.Contains(wanted, PostgreSQL) {
		group.Go(func() error { return e.startPostgres(ctx, slices.Contains(wanted, Bouncer)) })
	}
	if slices.Contains(wanted, RedisStore) {
		group.Go(func() error { return e.startRedis(ctx) })
	}
	e.emulators = make([]*emulator, len(emulators))
	for i, k := range emulators {
		if slices.Contains(wanted, k.need) {
			group.Go(func() (err error) {
				e.emulators[i], err = k.provide(ctx, progress)
				return err
			})
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if e.postgres != nil {
		e.vars = append(e.vars, PostgresVariable+"="+e.postgres.URL)
		sayf(progress, "PostgreSQL on port %d", e.postgres.Port)
	}
	if e.bouncer != nil {
		e.vars = append(e.vars, BouncerVariable+"="+e.bouncer.URL)
		sayf(progress, "PgBouncer on port %d", e.bouncer.Port)
	}
	if e.redis != nil {
		e.vars = append(e.vars, RedisVariable+"="+e.redis.URL)
		sayf(progress, "Redis on port %d", e.redis.Port)
	}
	for _, running := range e.emulators {
		if running != nil {
			e.vars = append(e.vars, running.variable+"="+running.url)
			sayf(progress, "%s at %s", running.title, running.url)
		}
	}
	if slices.Contains(wanted, Browser) {
		path, err := Chromium(ctx)
		if err != nil {
			return err
		}
		e.vars = append(e.vars, ChromiumVariable+"="+path)
		sayf(progress, "browser %s", path)
	}
	if slices.Contains(wanted, Strace) {
		path := os.Getenv(StraceVariable)
		if path == "" {
			path, _ = findStrace() // ensure has seen to it
		}
		e.vars = append(e.vars, StraceVariable+"="+path)
	}
	sayf(progress, "ready in %s", time.Since(begin).Round(time.Millisecond))
	return nil
}

// startPostgres starts the server, and the pooler in front of it.
func (e *Environment) startPostgres(ctx context.Context, pooled bool) error {
	server := os.Getenv(PostgresVariable)
	if server != "" {
		if err := reach(ctx, PostgresVariable, server, PingPostgres); err != nil {
			return err
		}
	} else {
		var err error
		if e.postgres, err = StartPostgres(ctx, PostgresOptions{}); err != nil {
			return err
		}
		server = e.postgres.URL
	}
	if !pooled {
		return nil
	}
	if given := os.Getenv(BouncerVariable); given != "" {
		return reach(ctx, BouncerVariable, given, PingPostgres)
	}
	var err error
	e.bouncer, err = StartPgBouncer(ctx, server)
	return err
}

func (e *Environment) startRedis(ctx context.Context) error {
	if given := os.Getenv(RedisVariable); given != "" {
		return reach(ctx, RedisVariable, given, PingRedis)
	}
	var err error
	e.redis, err = StartRedis(ctx, RedisOptions{})
	return err
}

// reach checks that a server which a person named answers, so that its absence is said once and not by each test.
func reach(ctx context.Context, variable, address string, ping func(context.Context, string) error) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	if err := ping(ctx, address); err != nil {
		return fmt.Errorf("testenv: the server that %s names does not answer: %w", variable, err)
	}
	return nil
}
