package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/page"
)

// listing is what the flags of user list say.
type listing struct {
	query            app.UserQuery
	role             string
	active, inactive bool
	after, before    string
	all, asJSON      bool
}

func (c *command) userList() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use: useList, Short: "List and find users", Args: noArgs,
		Long: "List shows a page of users, the newest first, with the filters of GET /users. Filters go with the created_at sorts and\n" +
			"with --q, which has an order of its own. With --all it goes on page by page until everyone was shown.\n\n" +
			"With --json it prints the page as the API does, {\"items\": […], \"next_cursor\": …}; with --all --json each user is a line\n" +
			"of JSON by itself.",
		Example: "  gatehouse user list --role admin --active\n  gatehouse user list --q ada\n  gatehouse user list --sort email --all --json | jq -r .email",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := l.read(cmd.Flags().Changed); err != nil {
				return usage(err)
			}
			return c.runUserList(cmd.Context(), l)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&l.query.Search, "q", "", "only those whose address, and then those whose name, begins with this text, letter case aside")
	flags.StringVar(&l.role, "role", "", "only those of the role: user or admin")
	flags.BoolVar(&l.active, "active", false, "only those who may sign in")
	flags.BoolVar(&l.inactive, "inactive", false, "only those who may not")
	flags.StringVar(&l.after, "created-after", "", "only those who came after this moment (RFC 3339, or a day in UTC: 2026-01-31)")
	flags.StringVar(&l.before, "created-before", "", "only those who came before this moment")
	flags.StringVar(&l.query.Sort, "sort", "", "created_at, email, full_name or last_login_at, descending with - before it; -created_at unless given")
	flags.IntVar(&l.query.Limit, "limit", page.DefaultLimit, "users on a page, 1 to 100")
	flags.StringVar(&l.query.Cursor, "cursor", "", "where the page before ended, with the same sort and filters")
	flags.BoolVar(&l.all, "all", false, "show everyone, page by page")
	flags.BoolVar(&l.asJSON, "json", false, "print JSON")
	return cmd
}

// read makes a query of the flags. What a query may be is the module's to say; its error is about what a flag cannot hold.
func (l *listing) read(given func(flag string) bool) error {
	var faults []error
	switch l.query.Role = account.Role(l.role); {
	case given("role") && l.query.Role != account.RoleUser && l.query.Role != account.RoleAdmin:
		faults = append(faults, fmt.Errorf("--role %q: expected user or admin", l.role))
	case given("q") && l.query.Search == "":
		faults = append(faults, errors.New("--q is empty: leave it out to list everyone"))
	}
	switch {
	case l.active && l.inactive:
		faults = append(faults, errors.New("--active and --inactive exclude each other"))
	case l.active, l.inactive:
		l.query.Active = &l.active
	}
	for _, f := range []struct {
		flag, text string
		into       **time.Time
	}{{"created-after", l.after, &l.query.CreatedAfter}, {"created-before", l.before, &l.query.CreatedBefore}} {
		if !given(f.flag) {
			continue
		}
		at, err := parseMoment(f.text)
		if err != nil {
			faults = append(faults, fmt.Errorf("--%s: %w", f.flag, err))
		}
		*f.into = &at
	}
	if l.all && given("limit") {
		faults = append(faults, errors.New("--limit is of a page, and --all has no end"))
	}
	if l.all {
		l.query.Limit = page.MaxLimit
	}
	return errors.Join(faults...)
}

// parseMoment reads a time as the API does, or the beginning of a day in UTC.
func parseMoment(text string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, nil
	}
	var at httpapi.Time
	if err := at.UnmarshalText([]byte(text)); err != nil {
		return time.Time{}, errors.New("expected a time such as 2026-01-31T09:30:00Z, or a day such as 2026-01-31")
	}
	return time.Time(at), nil
}

func (c *command) runUserList(ctx context.Context, l listing) error {
	return c.withAccounts(ctx, (*app.App).OpenExisting, func(a *app.App) error {
		p, err := a.Stores.Directory.List(ctx, l.query)
		if err != nil {
			return queryFault(err)
		}
		if !l.all {
			return c.printUsers(a, p, l.asJSON)
		}
		return c.printAllUsers(a, p, l.asJSON, func(cursor string) (page.Page[app.User], error) {
			l.query.Cursor = cursor
			return a.Stores.Directory.List(ctx, l.query)
		})
	})
}

// printUsers prints a page.
func (c *command) printUsers(a *app.App, p page.Page[app.User], asJSON bool) error {
	if asJSON {
		return printJSON(c.io.Out, page.Map(p, a.ViewUser))
	}
	if len(p.Items) > 0 {
		t := c.userTable()
		addUsers(t, p.Items)
		if err := t.flush(); err != nil {
			return err
		}
	}
	switch {
	case p.NextCursor != nil:
		c.say("there is more: --cursor %s goes on, --all shows everyone", *p.NextCursor)
	case len(p.Items) == 0:
		c.say("there is no such user")
	}
	return nil
}

// printAllUsers prints page after page. It holds one of them at a time.
func (c *command) printAllUsers(a *app.App, p page.Page[app.User], asJSON bool, next func(cursor string) (page.Page[app.User], error)) error {
	t := c.userTable()
	shown := 0
	for {
		if err := c.printPart(a, t, p.Items, asJSON); err != nil {
			return err
		}
		shown += len(p.Items)
		if p.NextCursor == nil {
			break
		}
		var err error
		if p, err = next(*p.NextCursor); err != nil {
			return err
		}
	}
	if shown == 0 {
		c.say("there is no such user")
	}
	return nil
}

// printPart prints what one page adds. The head waits for the first user.
func (c *command) printPart(a *app.App, t *table, all []app.User, asJSON bool) error {
	if len(all) == 0 {
		return nil
	}
	if !asJSON {
		addUsers(t, all)
		return t.flush()
	}
	for _, u := range all {
		if err := printJSONLine(c.io.Out, a.ViewUser(u)); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) userTable() *table {
	return newTable(c.io.Out, "ID", "EMAIL", "NAME", "ROLE", "ACTIVE", "VERIFIED", "CREATED AT", "LAST LOGIN AT")
}

func addUsers(t *table, all []app.User) {
	for _, u := range all {
		t.add(u.ID.String(), legible(u.Email), legible(u.FullName), string(u.Role), yesNo(u.IsActive), yesNo(u.EmailVerified),
			moment(&u.CreatedAt), moment(u.LastLoginAt))
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// queryFault is wrong usage where the answer is about a query's parameters, which flags are named after.
func queryFault(err error) error {
	var e *errs.Error
	if !errors.As(err, &e) || len(e.Fields()) == 0 {
		return err
	}
	lines := make([]string, 0, len(e.Fields()))
	for _, f := range e.Fields() {
		flag := strings.ReplaceAll(f.Parameter, "_", "-")
		if flag == "is-active" {
			flag = "active"
		}
		lines = append(lines, "--"+flag+" "+f.Message)
	}
	return usage(errors.New(strings.Join(lines, "\n  ")))
}
