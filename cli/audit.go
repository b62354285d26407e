package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/page"
)

func (c *command) audit() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "See who did what, and that nobody has changed it", Args: knownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(c.auditList(), c.auditVerify(), c.auditExport())
	return cmd
}

// auditListing is what the flags of audit list say.
type auditListing struct {
	query                  audit.Query
	actor, target, outcome string
	from, to               string
	asJSON                 bool
}

func (c *command) auditList() *cobra.Command {
	var l auditListing
	cmd := &cobra.Command{
		Use: useList, Short: "List what was done, the newest first", Args: noArgs,
		Long: "List shows a page of the audit trail, the newest first, with the filters of GET /audit. What was refused within the last\n" +
			"seconds may still be on its way. With --json it prints the page as the API does.",
		Example: "  gatehouse audit list --action login --outcome failed\n  gatehouse audit list --target 0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d --from 2026-01-31",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.read(); err != nil {
				return usage(err)
			}
			return c.withApp(cmd.Context(), (*app.App).OpenExisting, func(a *app.App) error {
				p, err := a.Stores.Audit.List(cmd.Context(), l.query)
				if err != nil {
					return queryFault(err)
				}
				return c.printAudit(p, l.asJSON)
			})
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&l.actor, "actor", "", "only what a user did, by id")
	flags.StringVar(&l.target, "target", "", "only what was done to a user, by id")
	flags.StringVar(&l.query.Action, "action", "", "only that action, such as login or user.role")
	flags.StringVar(&l.outcome, "outcome", "", "only what ended so: done, failed or refused")
	flags.StringVar(&l.query.IP, "ip", "", "only what came from the address")
	flags.StringVar(&l.from, "from", "", "only from that moment on (RFC 3339, or a day in UTC: 2026-01-31)")
	flags.StringVar(&l.to, "to", "", "only before that moment")
	flags.IntVar(&l.query.Limit, "limit", page.DefaultLimit, "rows on a page, 1 to 100")
	flags.StringVar(&l.query.Cursor, "cursor", "", "where the page before ended, with the same filters")
	flags.BoolVar(&l.asJSON, "json", false, "print JSON")
	return cmd
}

// read makes a query of the flags. Its error says all that is wrong.
func (l *auditListing) read() error {
	var faults []error
	for _, f := range []struct {
		flag, text string
		into       *account.ID
	}{{"actor", l.actor, &l.query.Actor}, {"target", l.target, &l.query.Target}} {
		if f.text == "" {
			continue
		}
		id, err := account.ParseID(f.text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s %q is no id", f.flag, f.text))
		}
		*f.into = id
	}
	switch l.query.Outcome = audit.Outcome(l.outcome); l.query.Outcome {
	case "", audit.Done, audit.Failed, audit.Refused:
	default:
		faults = append(faults, fmt.Errorf("--outcome %q: expected done, failed or refused", l.outcome))
	}
	var err error
	l.query.From, l.query.To, err = parseSpan(l.from, l.to)
	return errors.Join(append(faults, err)...)
}

// parseSpan reads the ends of a time; either may be missing.
func parseSpan(from, to string) (after, before *time.Time, err error) {
	var faults []error
	for _, f := range []struct {
		flag, text string
		into       **time.Time
	}{{"from", from, &after}, {"to", to, &before}} {
		if f.text == "" {
			continue
		}
		at, err := parseMoment(f.text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s: %w", f.flag, err))
		}
		*f.into = &at
	}
	return after, before, errors.Join(faults...)
}

func (c *command) printAudit(p page.Page[audit.Entry], asJSON bool) error {
	if asJSON {
		return printJSON(c.io.Out, p)
	}
	if len(p.Items) > 0 {
		t := newTable(c.io.Out, "NUMBER", "TIME", "ACTION", "OUTCOME", "REASON", "COUNT", "ACTOR", "TARGET", "IP")
		for _, e := range p.Items {
			t.add(auditNumber(e), time.Time(e.OccurredAt).Format(time.RFC3339), e.Action, string(e.Outcome), dash(e.Reason), strconv.FormatInt(e.Count, 10),
				auditActor(e), auditTarget(e), dash(e.IP))
		}
		if err := t.flush(); err != nil {
			return err
		}
	}
	switch {
	case p.NextCursor != nil:
		c.say("there is more: --cursor %s goes on, gatehouse audit export prints everything", *p.NextCursor)
	case len(p.Items) == 0:
		c.say("there is no such row")
	}
	return nil
}

func auditNumber(e audit.Entry) string {
	if e.Number == nil {
		return "-"
	}
	return strconv.FormatInt(*e.Number, 10)
}

func auditActor(e audit.Entry) string {
	if e.ActorID == nil {
		return string(e.Actor)
	}
	return e.ActorID.String()
}

func auditTarget(e audit.Entry) string {
	if e.TargetID == nil {
		return "-"
	}
	return e.TargetID.String()
}

// dash stands for what is not there.
func dash(text *string) string {
	if text == nil {
		return "-"
	}
	return legible(*text)
}

func (c *command) auditExport() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use: "export", Short: "Print the audit trail as lines of JSON, the oldest first", Args: noArgs,
		Long: "Export prints each row of the audit trail as a line of JSON, as the API shows it, the oldest first. It holds some hundred\n" +
			"rows in memory, however many there are.",
		Example: "  gatehouse audit export --from 2026-01-01 --to 2026-02-01 > january.jsonl",
		RunE: func(cmd *cobra.Command, _ []string) error {
			after, before, err := parseSpan(from, to)
			if err != nil {
				return usage(err)
			}
			return c.withApp(cmd.Context(), (*app.App).OpenExisting, func(a *app.App) error {
				return a.Stores.Audit.Each(cmd.Context(), after, before, func(e audit.Entry) error { return printJSONLine(c.io.Out, e) })
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "from that moment on (RFC 3339, or a day in UTC: 2026-01-31)")
	cmd.Flags().StringVar(&to, "to", "", "before that moment")
	return cmd
}

func (c *command) auditVerify() *cobra.Command {
	var anchors []string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "verify", Short: "Find audit rows that were changed, removed, added or moved", Args: noArgs,
		Long: "Verify looks at every row of the audit trail and every seal over them, and names each that is not as it was written. It\n" +
			"exits with 1 where there is one. It changes nothing, and works beside running servers.\n\n" +
			"It prints an anchor, which names the last seal; workers log one for each seal. Keep some where nobody who can write to\n" +
			"the database can, and give them with --anchor: verify then finds that a whole database was put back to an earlier state.",
		Example: "  gatehouse audit verify\n  gatehouse audit verify --anchor 4711:5f1d7a84db00d2fce00b31a7fc73224f3e0d5e6d8f4c1b2a99e0f1a2b3c4d5e6 --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var o audit.VerifyOptions
			for _, text := range anchors {
				a, err := parseAnchor(text)
				if err != nil {
					return usage(err)
				}
				o.Anchors = append(o.Anchors, a)
			}
			return c.runAuditVerify(cmd.Context(), o, asJSON)
		},
	}
	cmd.Flags().StringArrayVar(&anchors, "anchor", nil, "a seal that was noted, as number:digest; may be repeated")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func parseAnchor(text string) (audit.Anchor, error) {
	number, digest, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	raw, hexErr := hex.DecodeString(digest)
	if err != nil || hexErr != nil || n < 1 || len(raw) != 32 {
		return audit.Anchor{}, fmt.Errorf("--anchor %q: write it as number:digest, as verify prints it", text)
	}
	return audit.Anchor{Seal: n, Digest: raw}, nil
}

// mostFaults bounds what is printed: whoever wipes a table leaves a fault for each row.
const mostFaults = 1000

func (c *command) runAuditVerify(ctx context.Context, o audit.VerifyOptions, asJSON bool) error {
	return c.withApp(ctx, (*app.App).OpenExisting, func(a *app.App) error {
		n := 0
		faults := []audit.Fault{}
		found, err := a.Stores.Audit.Verify(ctx, o, func(f audit.Fault) {
			if n++; n <= mostFaults {
				faults = append(faults, f)
			}
		})
		if err != nil {
			return err
		}
		if err := c.printVerified(found, faults, asJSON); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("the audit trail is not as it was written: %d faults", n)
		}
		return nil
	})
}

func (c *command) printVerified(found audit.Verified, faults []audit.Fault, asJSON bool) error {
	if asJSON {
		return printJSON(c.io.Out, struct {
			audit.Verified

			Faults []audit.Fault `json:"faults"`
		}{found, faults})
	}
	for _, f := range faults {
		fmt.Fprintln(c.io.Out, f)
	}
	fmt.Fprintf(c.io.Out, "rows: %d sealed, %d not yet, %d with something personal erased\nseals: %d, of %d of which the rows are past their retention\n",
		found.Rows, found.Unsealed, found.Erased, found.Seals, found.Dropped)
	if found.Anchor != "" {
		fmt.Fprintf(c.io.Out, "anchor: %s\n", found.Anchor)
	}
	return nil
}
