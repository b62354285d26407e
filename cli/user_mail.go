package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
)

// invitee is what the flags of user invite say.
type invitee struct {
	email, fullName string
	admin, asJSON   bool
}

func (c *command) userInvite() *cobra.Command {
	var i invitee
	cmd := &cobra.Command{
		Use: "invite", Short: "Make an account whose owner chooses the password", Args: noArgs,
		Long: "Invite makes an account without a password, and has a link mailed with which its owner sets one, once and within seven\n" +
			"days (auth.invite.ttl); that verifies the address as well. A worker sends the mail, by its own settings: gatehouse serve\n" +
			"or gatehouse worker must run, now or later.",
		Example: "  gatehouse user invite --email ada@example.com --full-name \"Ada Lovelace\"",
		RunE:    func(cmd *cobra.Command, _ []string) error { return c.runUserInvite(cmd.Context(), i) },
	}
	flags := cmd.Flags()
	flags.StringVar(&i.email, "email", "", "e-mail address (required)")
	flags.StringVar(&i.fullName, "full-name", "", "full name (required)")
	flags.BoolVar(&i.admin, "admin", false, "make an administrator")
	flags.BoolVar(&i.asJSON, "json", false, "print the user, as the API shows it, as JSON")
	return cmd
}

func (c *command) runUserInvite(ctx context.Context, i invitee) error {
	p, err := parsePerson(i.email, i.fullName, i.admin)
	if err != nil {
		return usage(err)
	}
	return c.withAccounts(ctx, (*app.App).Open, func(a *app.App) error {
		u, err := a.Stores.Accounts.Invite(ctx, app.Invitation{Email: p.email, FullName: p.fullName, Role: p.role})
		if err != nil {
			return err
		}
		c.sayWhoMails(a)
		return c.tellUser(a, u, "invited "+string(u.Role), i.asJSON)
	})
}

func (c *command) userReset() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "reset <id or e-mail>", Short: "Have a user choose a new password", Args: byName,
		Long: "Reset has a link mailed with which a user sets a new password, once and within ten minutes (auth.reset.ttl); a new link\n" +
			"voids the old. Until then the password and the sessions stay as they are. A worker sends the mail, by its own settings:\n" +
			"gatehouse serve or gatehouse worker must run.",
		Example: "  gatehouse user reset ada@example.com",
		RunE:    func(cmd *cobra.Command, args []string) error { return c.runUserReset(cmd.Context(), args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the user, as the API shows it, as JSON")
	return cmd
}

func (c *command) runUserReset(ctx context.Context, arg string, asJSON bool) error {
	return c.withUser(ctx, arg, func(a *app.App, u app.User) error {
		if err := a.Stores.Accounts.StartReset(ctx, u.ID); err != nil {
			return err
		}
		c.sayWhoMails(a)
		return c.tellUser(a, u, "reset started for", asJSON)
	})
}

// sayWhoMails tells what the mail still needs.
func (c *command) sayWhoMails(a *app.App) {
	c.say("a worker mails the link, with these settings to %s: `gatehouse serve` or `gatehouse worker` must run", mailPlace(a.MailTarget()))
}
