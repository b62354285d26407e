package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
)

func (c *command) userDelete() *cobra.Command {
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use: "delete <id or e-mail>", Short: "Delete a user and all that is held about them", Args: byName,
		Long: "Delete deletes a user and all that is held about them, for good: sessions are refused on every running server, the\n" +
			"address is free, and a worker removes the picture. It asks for the e-mail address on a terminal, and elsewhere wants\n" +
			"--yes. The last active administrator stays.",
		Example: "  gatehouse user delete ada@example.com\n  gatehouse user delete 0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d --yes --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runUserDelete(cmd.Context(), args[0], yes, asJSON)
		},
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the user who was deleted, as the API showed it, as JSON")
	return cmd
}

func (c *command) runUserDelete(ctx context.Context, arg string, yes, asJSON bool) error {
	if _, ok := c.terminal(); !ok && !yes {
		return usage(errNoTerminal)
	}
	return c.withUser(ctx, arg, func(a *app.App, u app.User) error {
		if !yes {
			if err := c.confirmDeletion(ctx, u); err != nil {
				return usage(err)
			}
		}
		if err := a.Stores.Directory.Delete(ctx, u.ID); err != nil {
			return err
		}
		return c.tellUser(a, u, "deleted", asJSON)
	})
}

// confirmDeletion wants the user's address typed, in whatever spelling. Its error says that nothing was done.
func (c *command) confirmDeletion(ctx context.Context, u app.User) error {
	c.say("This deletes the %s %s (%s), and all that is held about them, for good.", u.Role, legible(u.Email), legible(u.FullName))
	answer, err := c.answer(ctx, "Type the e-mail address to go on: ")
	if err != nil {
		return err
	}
	want, wantErr := account.ParseEmail(u.Email)
	typed, typedErr := account.ParseEmail(answer)
	if answer == u.Email || errors.Join(wantErr, typedErr) == nil && typed.Canonical() == want.Canonical() {
		return nil
	}
	return errUnconfirmed
}
