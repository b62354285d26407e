package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/page"
)

func (c *command) jobs() *cobra.Command {
	return group("jobs", "Look at background jobs, try them again or cancel them", c.jobsList(), c.jobsShow(), c.jobsRetry(), c.jobsCancel())
}

// jobListing is what the flags of jobs list say.
type jobListing struct {
	query  job.RecordQuery
	states []string
	asJSON bool
}

func (c *command) jobsList() *cobra.Command {
	var l jobListing
	cmd := &cobra.Command{
		Use: useList, Short: "List jobs", Args: noArgs,
		Long: "List shows a page of jobs, the newest first. A job that is discarded is dead: it failed as often as it may. Jobs that are\n" +
			"completed stay for an hour, cancelled ones for a week, discarded ones for 30 days.",
		Example: "  gatehouse jobs list --state discarded\n  gatehouse jobs list --kind auth.mail --state retryable,available --json",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runJobsList(cmd.Context(), l) },
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&l.states, "state", nil, "only those in the states: "+stateNames()+"; several with commas")
	flags.StringSliceVar(&l.query.Kinds, "kind", nil, "only those of the kinds, such as auth.mail")
	flags.StringSliceVar(&l.query.Queues, "queue", nil, "only those of the queues, such as mail")
	flags.IntVar(&l.query.Limit, "limit", page.DefaultLimit, "jobs on a page, 1 to 100")
	flags.StringVar(&l.query.Cursor, "cursor", "", "where the page before ended")
	flags.BoolVar(&l.asJSON, "json", false, "print JSON")
	return cmd
}

func stateNames() string {
	names := make([]string, 0, len(job.States()))
	for _, s := range job.States() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func (c *command) runJobsList(ctx context.Context, l jobListing) error {
	for _, text := range l.states {
		if !slices.Contains(job.States(), job.State(text)) {
			return usage(fmt.Errorf("--state %q: expected %s", text, stateNames()))
		}
		l.query.States = append(l.query.States, job.State(text))
	}
	return c.withApp(ctx, (*app.App).OpenExisting, func(a *app.App) error {
		p, err := a.Stores.Jobs.List(ctx, l.query)
		if err != nil {
			return queryFault(err)
		}
		if l.asJSON {
			return printJSON(c.io.Out, page.Map(p, viewJob))
		}
		return c.printJobs(p)
	})
}

func (c *command) printJobs(p page.Page[job.Record]) error {
	if len(p.Items) > 0 {
		t := newTable(c.io.Out, "ID", "KIND", "QUEUE", "STATE", "ATTEMPTS", "CREATED AT", "DUE AT", "LAST FAILURE")
		for _, r := range p.Items {
			t.add(strconv.FormatInt(r.ID, 10), legible(r.Kind), legible(r.Queue), stateOf(r), attempts(r), moment(&r.CreatedAt), due(r), lastFailure(r))
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	switch {
	case p.NextCursor != nil:
		c.say("there is more: --cursor %s goes on", *p.NextCursor)
	case len(p.Items) == 0:
		c.say("there is no such job")
	}
	return nil
}

// stateOf tells of a job at work that it was asked to end.
func stateOf(r job.Record) string {
	if r.State == job.StateRunning && r.Cancelled {
		return "running, to be cancelled"
	}
	return string(r.State)
}

func attempts(r job.Record) string { return fmt.Sprintf("%d of %d", r.Attempt, r.MaxAttempts) }

// due is when a job that waits may be worked.
func due(r job.Record) string {
	switch r.State {
	case job.StateAvailable, job.StateScheduled, job.StateRetryable:
		return moment(&r.ScheduledAt)
	default:
		return "-"
	}
}

// longestCause is how much of a failure a row shows.
const longestCause = 80

func lastFailure(r job.Record) string {
	if len(r.Failures) == 0 {
		return "-"
	}
	cause := []rune(r.Failures[len(r.Failures)-1].Cause)
	if len(cause) > longestCause {
		cause = append(cause[:longestCause], '…')
	}
	return legible(string(cause))
}

func (c *command) jobsShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show <id>", Short: "Show a job, and how its attempts failed", Args: byNumber,
		Long: "Show shows all that the queue keeps about a job. Of its arguments those are legible that its kind declares as fit to be\n" +
			"seen.",
		Example: "  gatehouse jobs show 4711",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withJob(cmd.Context(), args[0], func(ctx context.Context, a *app.App, id int64) error {
				r, err := a.Stores.Jobs.Get(ctx, id)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c.io.Out, viewJob(r))
				}
				return c.printJob(r)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *command) printJob(r job.Record) error {
	t := newTable(c.io.Out)
	t.add("id", strconv.FormatInt(r.ID, 10))
	t.add("kind", legible(r.Kind))
	t.add("queue", legible(r.Queue))
	t.add("state", stateOf(r))
	t.add("attempts", attempts(r))
	t.add("created at", moment(&r.CreatedAt))
	t.add("due at", due(r))
	t.add("last attempt at", moment(r.AttemptedAt))
	t.add("ended at", moment(r.EndedAt))
	for _, name := range slices.Sorted(maps.Keys(r.Args)) {
		t.add("args."+legible(name), legible(argument(r.Args[name])))
	}
	if err := t.flush(); err != nil || len(r.Failures) == 0 {
		return err
	}
	fmt.Fprintln(c.io.Out)
	failures := newTable(c.io.Out, "ATTEMPT", "FAILED AT", "CAUSE")
	for _, f := range r.Failures {
		failures.add(strconv.Itoa(f.Attempt), moment(&f.At), legible(f.Cause))
	}
	return failures.flush()
}

// argument is a text as it is, and everything else as JSON.
func argument(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}

// handling is a command that does something to a job.
type handling struct {
	name, short, long string
	do                func(*app.App, context.Context, int64) (job.Record, bool, error)
	done, already     string // what is said of the job
}

func (c *command) jobsRetry() *cobra.Command {
	return c.jobHandling(handling{
		name: "retry", short: "Have a job worked at once", do: (*app.App).RetryJob, done: "to be worked", already: "waits for a worker already",
		long: "Retry has a job worked at once that is dead, was cancelled, or waits for its next attempt, with one attempt more where\n" +
			"none is left. A worker takes it within seconds: gatehouse serve or gatehouse worker must run.",
	})
}

func (c *command) jobsCancel() *cobra.Command {
	return c.jobHandling(handling{
		name: "cancel", short: "Let a job be worked no more", do: (*app.App).CancelJob, done: "cancelled", already: "is cancelled already",
		long: "Cancel ends a job for good that waits, and asks one that is at work to end, which it does when it heeds that; what it has\n" +
			"done by then stays done. Until a week has passed, gatehouse jobs retry brings it back.",
	})
}

func (c *command) jobHandling(h handling) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: h.name + " <id>", Short: h.short, Long: h.long, Args: byNumber, Example: "  gatehouse jobs " + h.name + " 4711",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withJob(cmd.Context(), args[0], func(ctx context.Context, a *app.App, id int64) error {
				r, changed, err := h.do(a, ctx, id)
				if err != nil {
					return err
				}
				return c.tellJob(r, h, changed, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the job as JSON")
	return cmd
}

func (c *command) tellJob(r job.Record, h handling, changed, asJSON bool) error {
	said := fmt.Sprintf("%s: %d %s", h.done, r.ID, legible(r.Kind))
	switch {
	case !changed:
		said = fmt.Sprintf("%d %s %s", r.ID, legible(r.Kind), h.already)
	case r.State == job.StateRunning:
		said = fmt.Sprintf("asked to end: %d %s", r.ID, legible(r.Kind))
	}
	if !asJSON {
		_, err := fmt.Fprintln(c.io.Out, said)
		return err
	}
	if !changed {
		c.say("%s", said)
	}
	return printJSON(c.io.Out, viewJob(r))
}

// byNumber is for commands that are about one job.
func byNumber(cmd *cobra.Command, args []string) error {
	if len(args) == 1 {
		if id, err := strconv.ParseInt(args[0], 10, 64); err == nil && id > 0 {
			return nil
		}
	}
	return usage(fmt.Errorf("name one job by its id, a number; see %s --help", cmd.CommandPath()))
}

func (c *command) withJob(ctx context.Context, arg string, run func(context.Context, *app.App, int64) error) error {
	id, err := strconv.ParseInt(arg, 10, 64)
	if err != nil {
		return usage(err)
	}
	return c.withApp(ctx, (*app.App).OpenExisting, func(a *app.App) error { return run(ctx, a, id) })
}

// jobView is a job as JSON.
type jobView struct {
	ID          int64                      `json:"id"`
	Kind        string                     `json:"kind"`
	Queue       string                     `json:"queue"`
	State       job.State                  `json:"state"`
	Cancelled   bool                       `json:"cancelled"`
	Attempt     int                        `json:"attempt"`
	MaxAttempts int                        `json:"max_attempts"`
	CreatedAt   httpapi.Time               `json:"created_at"`
	ScheduledAt httpapi.Time               `json:"scheduled_at"`
	AttemptedAt *httpapi.Time              `json:"attempted_at"`
	EndedAt     *httpapi.Time              `json:"ended_at"`
	Args        map[string]json.RawMessage `json:"args"`
	Failures    []failureView              `json:"failures"`
}

type failureView struct {
	Attempt int          `json:"attempt"`
	At      httpapi.Time `json:"at"`
	Cause   string       `json:"cause"`
}

func viewJob(r job.Record) jobView {
	v := jobView{
		ID: r.ID, Kind: r.Kind, Queue: r.Queue, State: r.State, Cancelled: r.Cancelled, Attempt: r.Attempt, MaxAttempts: r.MaxAttempts,
		CreatedAt: httpapi.Time(r.CreatedAt), ScheduledAt: httpapi.Time(r.ScheduledAt),
		AttemptedAt: (*httpapi.Time)(r.AttemptedAt), EndedAt: (*httpapi.Time)(r.EndedAt),
		Args: r.Args, Failures: make([]failureView, len(r.Failures)),
	}
	for i, f := range r.Failures {
		v.Failures[i] = failureView{Attempt: f.Attempt, At: httpapi.Time(f.At), Cause: f.Cause}
	}
	return v
}
