package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	root     string
	out      string
	users    int
	runs     int
	duration time.Duration
	rows     *regexp.Regexp
	stores   []string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// commands are what the first argument chooses; none chooses "rows".
var commands = map[string]func(context.Context, *stage) error{
	"rows": benchRows, "burst": benchBurst, "growth": benchGrowth, "start": benchStart, "profile": benchProfile, "cost": benchCost,
}

func run(ctx context.Context, args []string) error {
	name := "rows"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		name, args = args[0], args[1:]
	}
	if name == "bare" { // a process of its own, on the server's core
		return serveBare(ctx, args)
	}
	command, ok := commands[name]
	if !ok {
		return fmt.Errorf("no such command: %s (there are %s)", name, strings.Join(slices.Sorted(maps.Keys(commands)), ", "))
	}
	o, err := readOptions(args)
	if err != nil {
		return err
	}
	s, err := openStage(ctx, o)
	if err != nil {
		return err
	}
	return errors.Join(command(ctx, s), s.close())
}

func readOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	users := 10_000
	if text := os.Getenv("USERS"); text != "" {
		var err error
		if users, err = strconv.Atoi(text); err != nil {
			return o, fmt.Errorf("USERS: %w", err)
		}
	}
	flags.Usage = func() {
		fmt.Fprintf(flags.Output(), "usage: bench [%s] [flags]\n", strings.Join(slices.Sorted(maps.Keys(commands)), "|"))
		flags.PrintDefaults()
	}
	flags.StringVar(&o.root, "root", "..", "top folder of the repository")
	flags.StringVar(&o.out, "out", "results", "folder for tables and JSON")
	flags.IntVar(&o.users, "users", users, "users in the database (or the variable USERS); for growth the most")
	flags.IntVar(&o.runs, "runs", 3, "runs of each row; best and median are shown")
	flags.DurationVar(&o.duration, "time", 8*time.Second, "length of a run, 1s to 2m")
	rows := flags.String("rows", ".", "rows to run, a regular expression over their names")
	stores := flags.String("stores", embedded+","+withServers, "stores to run on")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("flags alone follow the command, not %q", flags.Arg(0))
	}
	if o.users < minUsers || o.users > maxUsers || o.runs < 1 || o.duration < time.Second || o.duration > 2*time.Minute {
		return o, fmt.Errorf("users must be %d to %d, runs at least 1, time 1s to 2m", minUsers, maxUsers)
	}
	o.stores = strings.Split(*stores, ",")
	for _, name := range o.stores {
		if name != embedded && name != withServers {
			return o, fmt.Errorf("no such store: %s (there are %s and %s)", name, embedded, withServers)
		}
	}
	var err error
	if o.rows, err = regexp.Compile(*rows); err != nil {
		return o, fmt.Errorf("rows: %w", err)
	}
	return o, nil
}

// The stores to run on.
const (
	embedded    = "sqlite"
	withServers = "postgres"
)

// Bounds of the data: the burst needs a thousand users.
const (
	minUsers = 1000
	maxUsers = 2_000_000
)
