// Command testenv runs another command with what tests need: a private PostgreSQL and Redis and a browser, all of which
// it finds, starts or, where it may, installs; and all of which it stops.
//
//	testenv [-need postgres,redis,chromium] -- go test ./...
//
// It passes signals on and exits as the command does; 125 says that the environment itself failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/gatehouse/gatehouse/internal/testenv"
)

// failed is the exit code when the command was not run.
const failed = 125

func main() { os.Exit(run()) }

func run() int {
	wanted := flag.String("need", "postgres,redis,chromium", "what to provide, separated by commas: postgres, pgbouncer, redis, chromium, strace, cc, node, azurite, servicebus")
	flag.Parse()
	needs, err := testenv.ParseNeeds(*wanted)
	if err != nil || flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: testenv [-need postgres,pgbouncer,redis,chromium,strace,cc,node,azurite,servicebus] -- command [argument ...]")
		return failed
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	endWithParent()
	env, err := provide(needs, signals)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return failed
	}
	code, err := env.Run(signals, flag.Args())
	if stopErr := env.Stop(); stopErr != nil {
		fmt.Fprintln(os.Stderr, stopErr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return failed
	}
	return code
}

// provide gives up when a signal arrives while the environment is being made.
func provide(needs []testenv.Need, signals chan os.Signal) (*testenv.Environment, error) {
	ctx, cancel := context.WithCancelCause(context.Background())
	made := make(chan struct{})
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case s := <-signals:
			cancel(fmt.Errorf("testenv: %s", s))
		case <-made:
		}
	}()
	env, err := testenv.Provide(ctx, needs, os.Stderr)
	close(made)
	<-watched
	if cause := context.Cause(ctx); cause != nil {
		if env != nil { // the signal came as it was ready
			cause = errors.Join(cause, env.Stop())
		}
		return nil, cause
	}
	cancel(nil)
	return env, err
}
