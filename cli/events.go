package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
)

func (c *command) events() *cobra.Command {
	return group("events", "See what was told, and have it told again", c.eventsList(), c.eventsShow(), c.eventsReplay(), c.eventsDead())
}

const (
	fewEvents  = 50
	mostEvents = 10_000
)

// withEvents is withApp for what concerns events.
func (c *command) withEvents(ctx context.Context, run func(*event.Outbox) error) error {
	return c.withApp(ctx, (*app.App).Open, func(a *app.App) error { return run(a.Stores.Events) })
}

func limitedEvents(limit int) error {
	if limit < 1 || limit > mostEvents {
		return usage(fmt.Errorf("--limit must be between 1 and %d", mostEvents))
	}
	return nil
}

func (c *command) eventsList() *cobra.Command {
	var f event.Filter
	var user string
	var asJSON bool
	cmd := &cobra.Command{
		Use: useList, Short: "List the newest events", Args: noArgs,
		Long:    "List shows the newest events first. An event without a number was written just now: a worker numbers what is committed,\nand that is the order in which destinations get it.",
		Example: "  gatehouse events list --user 0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d\n  gatehouse events list --type gatehouse.user.deleted.v1 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := limitedEvents(f.Limit); err != nil {
				return err
			}
			if user != "" {
				id, err := account.ParseID(user)
				if err != nil {
					return usage(fmt.Errorf("--user %q is no id", user))
				}
				f.Subject = id
			}
			return c.withEvents(cmd.Context(), func(o *event.Outbox) error {
				all, err := o.List(cmd.Context(), f)
				if err != nil {
					return err
				}
				return c.printEvents(all, asJSON)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Type, "type", "", "only those of a type, such as gatehouse.user.registered.v1")
	flags.StringVar(&user, "user", "", "only those about a user, by id")
	flags.IntVar(&f.Limit, "limit", fewEvents, "how many at most")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *command) printEvents(all []event.Listed, asJSON bool) error {
	if asJSON {
		lines := make([]event.Envelope, 0, len(all))
		for _, e := range all {
			lines = append(lines, e.Envelope)
		}
		return printJSON(c.io.Out, lines)
	}
	t := tabwriter.NewWriter(c.io.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NUMBER\tID\tTIME\tTYPE\tUSER")
	for _, e := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", numberOf(e), e.ID, e.Time.Format(time.RFC3339), e.Type, e.Subject)
	}
	return t.Flush()
}

func numberOf(e event.Listed) string {
	if e.Number == 0 {
		return "-"
	}
	return strconv.FormatInt(e.Number, 10)
}

// deliveryLine is an event at a destination as JSON.
type deliveryLine struct {
	Destination string         `json:"destination"`
	State       event.State    `json:"state"`
	Attempts    int            `json:"attempts"`
	DueAt       *time.Time     `json:"due_at"`
	DeadAt      *time.Time     `json:"dead_at"`
	Error       string         `json:"error"`
	Event       event.Envelope `json:"event"`
}

func deliveryLines(all []event.Delivery) []deliveryLine {
	lines := make([]deliveryLine, 0, len(all))
	for _, d := range all {
		lines = append(lines, deliveryLine{d.Destination, d.State, d.Attempts, d.DueAt, d.DeadAt, d.Fault, d.Envelope})
	}
	return lines
}

func (c *command) eventsShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "Show an event, and what has become of it", Args: oneEvent,
		Long: "Show prints an event as destinations get it, and at each destination whether it is pending, settled (delivered, or not\nwanted), retrying, held behind an earlier event of its user, or dead.",
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := eventID(args[0])
			if err != nil {
				return err
			}
			return c.withEvents(cmd.Context(), func(o *event.Outbox) error {
				e, deliveries, err := o.Find(cmd.Context(), id)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(c.io.Out, map[string]any{"event": e.Envelope, "deliveries": deliveryLines(deliveries)})
				}
				if err := printJSON(c.io.Out, e.Envelope); err != nil {
					return err
				}
				return c.printDeliveries(deliveries)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *command) printDeliveries(all []event.Delivery) error {
	t := tabwriter.NewWriter(c.io.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DESTINATION\tSTATE\tID\tTYPE\tATTEMPTS\tDUE AT\tDEAD AT\tERROR")
	for _, d := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", d.Destination, d.State, d.ID, d.Type, d.Attempts, moment(d.DueAt), moment(d.DeadAt), faultLine(d.Fault))
	}
	return t.Flush()
}

// faultLine keeps a text within its cell of a table.
func faultLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.ReplaceAll(line, "\t", " ")
}

// oneEvent is for commands about one event.
func oneEvent(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(errors.New("give the ID of one event"))
	}
	return nil
}

func eventID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}, usage(fmt.Errorf("%q is no id of an event", text))
	}
	return id, nil
}

// replayFlags are what the flags of events replay say.
type replayFlags struct {
	destination, since, until string
	span                      event.Span
}

func (c *command) eventsReplay() *cobra.Command {
	var r replayFlags
	cmd := &cobra.Command{
		Use: "replay [ID]", Short: "Offer events again",
		Long: "Replay offers one event, or those of a time, again to a destination or to every one that takes them: with the same id,\n" +
			"those of one user in their order. What a destination is still to get comes by itself. A running worker does it.",
		Example: "  gatehouse events replay 0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d\n  gatehouse events replay --since 2026-01-31T00:00:00Z --until 2026-01-31T12:00:00Z --destination notes.index",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && (r.since != "" || r.until != "" || r.span.Type != "") || len(args) == 0 && r.since == "" {
				return usage(errors.New("give the ID of an event, or --since and, if you want, --until and --type"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.runEventsReplay(cmd.Context(), r, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&r.destination, "destination", "", "only to that destination")
	flags.StringVar(&r.since, "since", "", "those from a time on (RFC 3339)")
	flags.StringVar(&r.until, "until", "", "and up to a time (RFC 3339)")
	flags.StringVar(&r.span.Type, "type", "", "of them only those of a type")
	return cmd
}

func (c *command) runEventsReplay(ctx context.Context, r replayFlags, args []string) error {
	var id uuid.UUID
	var err error
	if len(args) == 1 {
		id, err = eventID(args[0])
	} else {
		r.span.Since, r.span.Until, err = r.times()
	}
	if err != nil {
		return err
	}
	return c.offerAgain(ctx, func(a *app.App) (int, error) {
		if len(args) == 1 {
			return a.ReplayEvent(ctx, r.destination, id)
		}
		return a.ReplayEvents(ctx, r.destination, r.span)
	})
}

// offerAgain says how many deliveries come of it.
func (c *command) offerAgain(ctx context.Context, offer func(*app.App) (int, error)) error {
	return c.withApp(ctx, (*app.App).Open, func(a *app.App) error {
		n, err := offer(a)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.io.Out, "deliveries on their way again: %d\n", n)
		return nil
	})
}

func (r replayFlags) times() (since, until time.Time, err error) {
	if since, err = time.Parse(time.RFC3339Nano, r.since); err != nil {
		return since, until, usage(fmt.Errorf("--since %q is no time: write it as 2026-01-31T09:30:00Z", r.since))
	}
	if r.until == "" {
		return since, until, nil
	}
	if until, err = time.Parse(time.RFC3339Nano, r.until); err != nil {
		return since, until, usage(fmt.Errorf("--until %q is no time: write it as 2026-01-31T09:30:00Z", r.until))
	}
	return since, until, nil
}

// deadFlags are what the flags of events dead say.
type deadFlags struct {
	destination   string
	limit         int
	asJSON, retry bool
}

func (c *command) eventsDead() *cobra.Command {
	var d deadFlags
	cmd := &cobra.Command{
		Use: "dead [--retry [ID...]]", Short: "List events that no attempt got through, or try them again",
		Long: "Dead lists what was set aside after events.max_attempts, and what the latest attempt came to. With --retry it is offered\n" +
			"again, with all its attempts: the events with the ids, or all.",
		Example: "  gatehouse events dead\n  gatehouse events dead --destination notes.index --retry",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 && !d.retry {
				return usage(errors.New("ids go with --retry"))
			}
			return limitedEvents(d.limit)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return c.runEventsDead(cmd.Context(), d, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&d.destination, "destination", "", "only those of a destination")
	flags.IntVar(&d.limit, "limit", fewEvents, "how many to list at most")
	flags.BoolVar(&d.retry, "retry", false, "offer them again")
	flags.BoolVar(&d.asJSON, "json", false, "print JSON")
	return cmd
}

func (c *command) runEventsDead(ctx context.Context, d deadFlags, args []string) error {
	ids := make([]uuid.UUID, 0, len(args))
	for _, text := range args {
		id, err := eventID(text)
		if err != nil {
			return err
		}
		ids = append(ids, id)
	}
	if d.retry {
		return c.offerAgain(ctx, func(a *app.App) (int, error) { return a.RetryDeadEvents(ctx, d.destination, ids...) })
	}
	return c.withEvents(ctx, func(o *event.Outbox) error {
		all, err := o.ListDead(ctx, d.destination, d.limit)
		if err != nil {
			return err
		}
		if d.asJSON {
			return printJSON(c.io.Out, deliveryLines(all))
		}
		return c.printDeliveries(all)
	})
}
