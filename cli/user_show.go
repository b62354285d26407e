package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
)

func (c *command) userShow() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "show <id or e-mail>", Short: "Show a user, and where they are signed in", Args: byName,
		Long: "Show shows all that the API tells of a user, and the sessions that live, the newest first. With --json it prints the\n" +
			"user as GET /users/{id} does.",
		Example: "  gatehouse user show ada@example.com\n  gatehouse user show ada@example.com --json | jq -r .id",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runUserShow(cmd.Context(), args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (c *command) runUserShow(ctx context.Context, arg string, asJSON bool) error {
	return c.withUser(ctx, arg, func(a *app.App, u app.User) error {
		if asJSON {
			return printJSON(c.io.Out, a.ViewUser(u))
		}
		alive, err := a.Stores.Directory.SessionsOf(ctx, u.ID, false)
		if err != nil {
			return err
		}
		return c.printUser(a.ViewUser(u), alive)
	})
}

func (c *command) printUser(u app.UserView, alive []app.Session) error {
	t := newTable(c.io.Out)
	t.add("id", u.ID.String())
	t.add("email", legible(u.Email))
	t.add("email verified", yesNo(u.EmailVerified))
	t.add("full name", legible(u.FullName))
	t.add("role", string(u.Role))
	t.add("active", yesNo(u.IsActive))
	t.add("avatar", legibleOr(u.AvatarURL))
	t.add("locale", legibleOr(u.Locale))
	t.add("timezone", legibleOr(u.Timezone))
	t.add("created at", moment((*time.Time)(&u.CreatedAt)))
	t.add("updated at", moment((*time.Time)(&u.UpdatedAt)))
	t.add("last login at", moment((*time.Time)(u.LastLoginAt)))
	t.add("sessions", fmt.Sprintf("%d alive", len(alive)))
	if err := t.flush(); err != nil || len(alive) == 0 {
		return err
	}
	fmt.Fprintln(c.io.Out)
	return c.printSessions(alive)
}

// mostShown is how many sessions a page of a terminal has room for.
const mostShown = 20

func (c *command) printSessions(alive []app.Session) error {
	t := newTable(c.io.Out, "SESSION", "IP", "CREATED AT", "LAST USED AT", "EXPIRES AT", "USER AGENT")
	for _, s := range alive[:min(len(alive), mostShown)] {
		t.add(s.ID.String(), legible(s.IP), moment(&s.CreatedAt), moment(&s.LastUsedAt), moment(&s.ExpiresAt), legible(s.UserAgent))
	}
	if err := t.flush(); err != nil {
		return err
	}
	if left := len(alive) - mostShown; left > 0 {
		c.say("and %d more, which are older", left)
	}
	return nil
}

// legibleOr gives a dash where there is nothing.
func legibleOr(text *string) string {
	if text == nil {
		return "-"
	}
	return legible(*text)
}
