package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
)

// standing is a command that changes what a user may do.
type standing struct {
	name, short, long string
	change            app.UserChange
	done, already     string // what is said of the user
}

// userChanges are the commands that do one thing to one user, and nothing where it is so already.
func (c *command) userChanges() []*cobra.Command {
	on, off, admin, user := true, false, account.RoleAdmin, account.RoleUser
	const hold = "\nRunning servers follow at once where they share PostgreSQL, and within a second on SQLite."
	all := []standing{
		{
			name: "disable", short: "Keep a user out", done: "disabled", already: "is disabled already",
			long:   "Disable ends all of a user's sessions, and lets no login, refresh or mailed link of theirs work until they are enabled.\nThe last active administrator stays." + hold,
			change: app.UserChange{IsActive: &off},
		},
		{
			name: "enable", short: "Let a disabled user sign in again", done: "enabled", already: "is enabled already",
			long:   "Enable lets a user who was disabled sign in again. No session comes back.",
			change: app.UserChange{IsActive: &on},
		},
		{
			name: "promote", short: "Make a user an administrator", done: "promoted", already: "is an administrator already",
			long:   "Promote makes a user an administrator, who may do everything. Sessions go on, and the role holds from the next request." + hold,
			change: app.UserChange{Role: &admin},
		},
		{
			name: "demote", short: "Make an administrator an ordinary user", done: "demoted", already: "is no administrator already",
			long:   "Demote makes an administrator an ordinary user. Sessions go on, and the role holds from the next request. The last active\nadministrator stays." + hold,
			change: app.UserChange{Role: &user},
		},
	}
	commands := make([]*cobra.Command, len(all))
	for i, s := range all {
		commands[i] = c.userChange(s)
	}
	return commands
}

func (c *command) userChange(s standing) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: s.name + " <id or e-mail>", Short: s.short, Long: s.long, Args: byName,
		Example: "  gatehouse user " + s.name + " ada@example.com",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runUserChange(cmd.Context(), s, args[0], asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the user, as the API shows it, as JSON")
	return cmd
}

func (c *command) runUserChange(ctx context.Context, s standing, arg string, asJSON bool) error {
	return c.withUser(ctx, arg, func(a *app.App, found app.User) error {
		var before app.User // locked, which the one that was found is not
		u, err := a.Stores.Directory.Change(ctx, found.ID, s.change, func(was app.User) error {
			before = was
			return nil
		})
		if err != nil {
			return err
		}
		if u.Version != before.Version {
			return c.tellUser(a, u, s.done, asJSON)
		}
		if asJSON {
			c.say("%s %s %s", u.ID, legible(u.Email), s.already)
			return c.tellUser(a, u, "", asJSON)
		}
		_, err = fmt.Fprintf(c.io.Out, "%s %s %s\n", u.ID, legible(u.Email), s.already)
		return err
	})
}
