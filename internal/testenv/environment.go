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
	vars       []string // NAME=value
	postgres   *Postgres
	redis      *Redis
	azurite    *azurite
	serviceBus *serviceBus
}

// Provide finds or starts what is wanted: what a TEST_ variable names is used as it is; else what is installed here, else
// Docker's image, else what apt-get brings where that may be used unasked. Otherwise it returns ErrUnavailable with one
// sentence that says what to install. Progress lines go to progress.
func Provide(ctx context.Context, wanted []Need, progress io.Writer) (*Environment, error) {
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
	if e.redis != nil {
		group.Go(e.redis.Stop)
	}
	if e.azurite != nil {
		group.Go(e.azurite.stop)
	}
	if e.serviceBus != nil {
		group.Go(e.serviceBus.stop)
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
		group.Go(func() error { return e.startPostgres(ctx) })
	}
	if slices.Contains(wanted, RedisStore) {
		group.Go(func() error { return e.startRedis(ctx) })
	}
	if slices.Contains(wanted, Azurite) {
		group.Go(func() error { return e.startAzurite(ctx, progress) })
	}
	if slices.Contains(wanted, ServiceBus) {
		group.Go(func() error { return e.startServiceBus(ctx, progress) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if e.postgres != nil {
		e.vars = append(e.vars, PostgresVariable+"="+e.postgres.URL)
		sayf(progress, "PostgreSQL on port %d", e.postgres.Port)
	}
	if e.redis != nil {
		e.vars = append(e.vars, RedisVariable+"="+e.redis.URL)
		sayf(progress, "Redis on port %d", e.redis.Port)
	}
	if e.azurite != nil {
		e.vars = append(e.vars, AzuriteVariable+"="+e.azurite.url)
		sayf(progress, "Azurite at %s", e.azurite.url)
	}
	if e.serviceBus != nil {
		e.vars = append(e.vars, ServiceBusVariable+"="+e.serviceBus.url)
		sayf(progress, "Service Bus at %s", e.serviceBus.url)
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

func (e *Environment) startPostgres(ctx context.Context) error {
	if given := os.Getenv(PostgresVariable); given != "" {
		return reach(ctx, PostgresVariable, given, PingPostgres)
	}
	var err error
	e.postgres, err = StartPostgres(ctx, PostgresOptions{})
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

func (e *Environment) startAzurite(ctx context.Context, progress io.Writer) error {
	if given := os.Getenv(AzuriteVariable); given != "" {
		return reach(ctx, AzuriteVariable, given, pingAzurite)
	}
	var err error
	e.azurite, err = startAzurite(ctx, progress)
	return err
}

func (e *Environment) startServiceBus(ctx context.Context, progress io.Writer) error {
	if given := os.Getenv(ServiceBusVariable); given != "" {
		return reach(ctx, ServiceBusVariable, given, pingServiceBus)
	}
	var err error
	e.serviceBus, err = startServiceBus(ctx, progress)
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
