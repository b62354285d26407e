package app

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/modules/auth"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

// Accounts is what the command line makes accounts with, and has their owners mailed.
type Accounts interface {
	Create(ctx context.Context, in Registration) (User, error)
	Invite(ctx context.Context, in Invitation) (User, error)
	StartReset(ctx context.Context, id account.ID) error
}

// Directory is what the command line finds and changes accounts with.
type Directory interface {
	ByID(ctx context.Context, id account.ID) (User, error)
	ByEmail(ctx context.Context, email account.Email) (User, error)
	List(ctx context.Context, q UserQuery) (page.Page[User], error)
	SessionsOf(ctx context.Context, id account.ID, ended bool) ([]Session, error)
	Change(ctx context.Context, id account.ID, c UserChange, expect func(User) error) (User, error)
	Delete(ctx context.Context, id account.ID) error
}

// The types of the two are aliases, so that the command line imports no module.
type (
	// Registration is what an account is made of.
	Registration = auth.Registration
	// Invitation is what an account is made of whose owner chooses the password.
	Invitation = auth.Invitation
	// User is an account.
	User = users.User
	// UserView is an account as the API shows it.
	UserView = users.Response
	// UserQuery says which accounts are listed, and in which order.
	UserQuery = users.ListQuery
	// UserChange is what shall be different about an account.
	UserChange = users.Change
	// Session is where somebody is signed in.
	Session = sessions.Session
)

// ViewUser gives an account as the API shows it.
func (a *App) ViewUser(u User) UserView { return users.ViewBelow(a.settings.http.BasePath, u) }
