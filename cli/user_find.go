package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
)

// named is a user as an argument names one: by id, or by address in whatever spelling.
type named struct {
	text  string
	id    account.ID
	email account.Email // zero where it is an id
}

// byName is for commands that are about one user.
func byName(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usage(fmt.Errorf("name one user, by id or e-mail address; see %s --help", cmd.CommandPath()))
	}
	if _, err := parseNamed(args[0]); err != nil {
		return usage(err)
	}
	return nil
}

func parseNamed(text string) (named, error) {
	n := named{text: strings.TrimSpace(text)}
	var err error
	if n.id, err = account.ParseID(strings.ToLower(n.text)); err == nil {
		return n, nil
	}
	if n.email, err = account.ParseEmail(n.text); err != nil {
		return n, fmt.Errorf("%s is neither a user's id nor an e-mail address", legible(n.text))
	}
	return n, nil
}

// find looks the user up.
func (n named) find(ctx context.Context, d app.Directory) (u app.User, err error) {
	if n.email.IsZero() {
		u, err = d.ByID(ctx, n.id)
	} else {
		u, err = d.ByEmail(ctx, n.email)
	}
	if missing := (errs.NotFoundError{}); errors.As(err, &missing) {
		err = fmt.Errorf("there is no user %s", legible(n.text))
	}
	return u, err
}

// withUser opens the app and finds the user whom the argument names. Where nothing is kept yet there is nobody to find, and
// nothing is made.
func (c *command) withUser(ctx context.Context, arg string, run func(*app.App, app.User) error) error {
	who, err := parseNamed(arg)
	if err != nil {
		return usage(err)
	}
	return c.withAccounts(ctx, (*app.App).OpenExisting, func(a *app.App) error {
		u, err := who.find(ctx, a.Stores.Directory)
		if err != nil {
			return err
		}
		return run(a, u)
	})
}
