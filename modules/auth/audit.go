package auth

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/modules/users"
)

// The acts that this module writes down.
const (
	actLogin        = "login"
	actRegister     = "user.register"
	actCreate       = "user.create"
	actInvite       = "user.invite"
	actStartReset   = "user.start_reset"
	actReset        = "user.password_reset"
	actChange       = "user.password_change"
	actConfirm      = "user.confirm_password"
	actAskForChange = "user.ask_for_email"
)

func declareActs(t *audit.Trail) {
	t.Declare(actLogin, "somebody signed in, failed to (`invalid_credentials`), or was refused (`rate_limited`, `email_not_verified`); the target is the account whose address was given, where there is one")
	t.Declare(actRegister, "somebody registered, or was refused (`email_already_exists`, `rate_limited`)")
	t.Declare(actCreate, "an account was made on the command line, or it was refused (`email_already_exists`)")
	t.Declare(actInvite, "an account was made for somebody who was mailed an invitation, or it was refused (`email_already_exists`)")
	t.Declare(actStartReset, "a user was mailed a link for a new password because an administrator or operator wanted it, or it was refused (`user_inactive`)")
	t.Declare(actReset, "a password was set with a mailed link, an invitation's among them; or the link was worth nothing (`invalid_token`)")
	t.Declare(actChange, "somebody set another password with their current one")
	t.Declare(actConfirm, "somebody who is signed in gave a wrong current password")
	t.Declare(actAskForChange, "somebody asked for another e-mail address, or was refused (`email_already_exists`, `rate_limited`)")
}

// refused notes what this module refuses, and gives the error back. What is wrong with the input, and what no store could
// answer, is no refusal.
func (s *Service) refused(ctx context.Context, action string, target account.ID, err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		return err
	}
	a := audit.Act{Action: action, Outcome: audit.Refused, Reason: e.Reason(), Target: target}
	switch {
	case errors.Is(err, ErrInvalidCredentials), errors.Is(err, ErrInvalidToken):
		a.Outcome = audit.Failed
	case e.Status() == http.StatusForbidden, e.Status() == http.StatusTooManyRequests, errors.Is(err, users.ErrEmailTaken):
	default:
		return err
	}
	if a.Reason == "" {
		a.Reason = strings.ToLower(e.Code())
	}
	s.deps.Audit.Refuse(ctx, a)
	return err
}
