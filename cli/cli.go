// Package cli is the command line. It turns flags into settings, the app's errors into sentences and exit codes, and holds
// no rule of its own.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
)

// The exit codes.
const (
	exitFailed  = 1 // what was asked for could not be done
	exitUsage   = 2 // wrong usage, or settings that are wrong or unsafe
	exitPending = 3 // migrate status: the schema is not that of this version
)

// IO is what a command reads and writes. Results go to Out, everything said to people about them to Err.
type IO struct {
	In       io.Reader
	Out, Err io.Writer
	Environ  []string // as os.Environ gives it
}

// Main runs the command line of a program made of the build's modules, and ends the process.
func Main(build app.Build) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := Run(ctx, build, os.Args[1:], IO{In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Environ: os.Environ()})
	stop()
	os.Exit(code)
}

// Run runs one command and gives the exit code.
func Run(ctx context.Context, build app.Build, args []string, io IO) int {
	c := &command{build: build, io: io}
	root := c.root() //nolint:contextcheck // commands take the context that ExecuteContext gives them
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	code := exitFailed
	if coded := (*exitError)(nil); errors.As(err, &coded) {
		code, err = coded.code, coded.err
	}
	if err != nil {
		fmt.Fprintln(io.Err, "gatehouse: "+message(err))
	}
	return code
}

// exitError is an error with an exit code of its own. Without an error nothing more is said.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return fmt.Sprint(e.err) }

func (e *exitError) Unwrap() error { return e.err }

func usage(err error) error { return &exitError{code: exitUsage, err: err} }

// message gives the error as lines for people.
func message(err error) string {
	var faults config.Faults
	if !errors.As(err, &faults) {
		return err.Error()
	}
	lines := []string{"these settings are wrong:"}
	for _, f := range faults {
		lines = append(lines, "  - "+f.Error())
	}
	return strings.Join(lines, "\n")
}

// command holds what every command shares.
type command struct {
	build app.Build
	io    IO

	configFile string
	set        []string
	insecure   string // of a Boolean flag; empty where it is not given
	dataDir    string
}

// useList is what every command is called that lists.
const useList = "list"

func (c *command) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "gatehouse",
		Short:         "Accounts, sessions and what stands around them, in one binary",
		Long:          "Gatehouse is the backend that every product needs before its own first feature: people register, sign in and\nmanage their profile, and administrators manage people.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usage(fmt.Errorf("unknown command %q%s; see gatehouse help", args[0], suggestion(cmd, args[0])))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(c.io.In)
	root.SetOut(c.io.Out)
	root.SetErr(c.io.Err)
	root.SetFlagErrorFunc(flagFault)
	root.SetHelpCommand(help(root))
	flags := root.PersistentFlags()
	flags.StringVar(&c.configFile, "config", "", "settings file; GATEHOUSE_CONFIG or ./gatehouse.yaml where it exists otherwise")
	flags.StringArrayVar(&c.set, "set", nil, "a setting as path=value, such as http.addr=127.0.0.1:8081; may be repeated")
	flags.StringVar(&c.dataDir, "data-dir", "", "folder of the embedded database (setting data_dir)")
	flags.BoolFunc("insecure", "allow what is not safe beyond this machine (setting insecure)", func(text string) error {
		c.insecure = text
		return nil // the setting's own rules judge it
	})
	root.AddCommand(c.serve(), c.worker(), c.migrate(), c.user(), c.keys(), c.events(), c.audit(), c.mail(), c.jobs(), c.config(), c.doctor(), c.openapi(), c.version(), c.reference())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		completion.Args, completion.RunE = knownCommand, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		for _, shell := range completion.Commands() {
			shell.Args = noArgs
		}
	}
	return root
}

// help is cobra's help command, with an exit code for what there is no help about.
func help(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			target, rest, err := root.Find(args)
			if err != nil {
				return usage(err)
			}
			if len(rest) > 0 {
				return knownCommand(target, rest)
			}
			target.InitDefaultHelpFlag()
			return target.Help()
		},
	}
}

// group is a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: knownCommand, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(commands...)
	return cmd
}

// knownCommand is for commands that only hold others.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usage(fmt.Errorf("unknown command %q for %q%s; see %s --help", args[0], cmd.CommandPath(), suggestion(cmd, args[0]), cmd.CommandPath()))
}

// flagFault says what a flag takes, and adds what was probably meant to an unknown one.
func flagFault(cmd *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return usage(fmt.Errorf("--%s %q: %s; see %s --help", invalid.GetFlag().Name, invalid.GetValue(), wanted(invalid), cmd.CommandPath()))
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return usage(err)
	}
	name := unknown.GetSpecifiedName()
	if strings.Contains(name, ".") {
		return usage(fmt.Errorf("%w; a setting is given as --set %s=…", err, name))
	}
	known := &cobra.Command{} // cobra suggests commands alone, so flags pose as such
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		known.AddCommand(&cobra.Command{Use: f.Name, Run: func(*cobra.Command, []string) {}})
	})
	near := suggestion(known, name)
	return usage(fmt.Errorf("%w%s; see %s --help", err, strings.Replace(near, "did you mean ", "did you mean --", 1), cmd.CommandPath()))
}

// wanted is what a flag takes, in place of what strconv and encoding/csv say.
func wanted(err *pflag.InvalidValueError) string {
	switch kind := err.GetFlag().Value.Type(); {
	case errors.Is(err, strconv.ErrRange):
		return "is too large a number"
	case kind == "int":
		return "expected a whole number"
	case kind == "bool":
		return "expected true or false"
	case kind == "stringSlice":
		return "expected items with commas between them"
	default:
		return err.Unwrap().Error()
	}
}

func suggestion(cmd *cobra.Command, word string) string {
	if cmd.SuggestionsMinimumDistance == 0 {
		cmd.SuggestionsMinimumDistance = 2 // cobra sets this for its own suggestions alone
	}
	if near := cmd.SuggestionsFor(word); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
	}
	return ""
}

// source is where settings come from: the flags of this call before all else.
func (c *command) source() (config.Source, error) {
	src := config.Source{Args: map[string]string{}, Environ: c.io.Environ, File: c.configFile}
	for _, s := range c.set {
		path, value, ok := strings.Cut(s, "=")
		if !ok || path == "" {
			return src, usage(fmt.Errorf("--set %q: write it as path=value, such as http.addr=127.0.0.1:8081", path))
		}
		src.Args[path] = value
	}
	if c.dataDir != "" {
		src.Args["data_dir"] = c.dataDir
	}
	if c.insecure != "" {
		src.Args["insecure"] = c.insecure
	}
	return src, nil
}

// load builds the app and reads its settings; nothing is opened. logLevel replaces the default, since people who run a
// command want its outcome and not its log; empty leaves it.
func (c *command) load(logLevel string) (*app.App, *config.Values, error) {
	a, err := app.New(c.build, app.Options{Logs: c.io.Err, LogLevel: logLevel})
	if err != nil {
		return nil, nil, err
	}
	src, err := c.source()
	if err != nil {
		return nil, nil, err
	}
	values, err := a.Load(src)
	if err != nil {
		return nil, nil, usage(err)
	}
	return a, values, nil
}

// loadSafe is load for commands that open stores: it refuses what the environment forbids.
func (c *command) loadSafe(logLevel string) (*app.App, *config.Values, error) {
	a, values, err := c.load(logLevel)
	if err != nil {
		return nil, nil, err
	}
	if err := a.CheckSafety(); err != nil {
		return nil, nil, usage(err)
	}
	return a, values, nil
}

// noArgs is for commands that take flags alone.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(fmt.Errorf("%s takes flags alone, and not %q; see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath()))
	}
	return nil
}
