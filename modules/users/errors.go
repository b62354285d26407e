package users

import "github.com/gatehouse/gatehouse/core/errs"

var (
	// ErrEmailTaken is an address that another account has.
	ErrEmailTaken = errs.Conflict("email_already_exists", "an account with this e-mail address exists already")
	// ErrLastAdmin is a change that would leave no active administrator.
	ErrLastAdmin = errs.Conflict("last_admin", "this is the last active administrator; make another one first")
	// ErrNotFound is a user that does not exist.
	ErrNotFound = errs.NotFound("there is no such user")
)
