package auth

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/users"
)

// AddressChange is another e-mail address, and the password that gives the right to ask for it.
type AddressChange struct {
	New             account.Email
	CurrentPassword secret.String
}

// ChangeAddress has a link mailed to another address of an account, whose use makes it the account's; the present one is
// told at once, so that its owner can still set a password, which voids the link. It returns ErrInvalidCredentials for a
// wrong password. For an address that is in use it does what Register does: users.ErrEmailTaken, or, where the settings say
// opaque, nothing that could be seen.
func (s *Service) ChangeAddress(ctx context.Context, p account.Principal, in AddressChange) error {
	return confirming(func() error { return s.tryAddress(ctx, p, in) })
}

func (s *Service) tryAddress(ctx context.Context, p account.Principal, in AddressChange) error {
	cred, email, err := s.holder(ctx, p.Account)
	if err != nil {
		return err
	}
	if err := errs.Invalid(s.checkAddress(in.New, email)); err != nil {
		return err
	}
	if err := s.confirm(ctx, cred, in.CurrentPassword); err != nil {
		return err
	}
	if err := s.refuseTakenBy(ctx, in.New, cred.ID); err != nil {
		return s.refused(ctx, actAskForChange, cred.ID, err)
	}
	link := s.newMail(ctx, mailConfirm, email).about(cred.ID)
	link.NewAddress = in.New.String()
	notice := s.newMail(ctx, mailChangeAsked, email).about(cred.ID)
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := s.holdTx(ctx, tx, cred, cred.PasswordHash); err != nil {
			return err
		}
		if err := s.deps.Audit.Append(ctx, tx, audit.Act{Action: actAskForChange, Target: cred.ID, Email: in.New.String()}); err != nil {
			return err
		}
		if err := s.mailLinkTx(ctx, tx, link, in.New); err != nil {
			return err
		}
		return s.deps.Jobs.Enqueue(ctx, tx, notice)
	})
}

// checkAddress reports an address that the account cannot have. Another spelling of its own is another address.
func (s *Service) checkAddress(next, present account.Email) []errs.Field {
	switch {
	case next.String() == present.String():
		return []errs.Field{{Pointer: "#/new_email", Code: errs.NotAllowed, Message: "is the account's address already"}}
	case !s.settings.allows(next):
		return []errs.Field{{Pointer: "#/new_email", Code: errs.NotAllowed, Message: "is of a domain that accounts may not have"}}
	default:
		return nil
	}
}

// refuseTakenBy tells of an address that another account has, as long as the budget of those who try many lasts. Where known
// addresses are secret it looks nothing up: the job that would mail the link finds out.
func (s *Service) refuseTakenBy(ctx context.Context, email account.Email, own account.ID) error {
	if s.settings.Registration.ExistingEmail == opaque {
		return nil
	}
	if err := s.refuseProbing(ctx); err != nil {
		return err
	}
	has, err := s.deps.Accounts.Credentials(ctx, email)
	switch {
	case errors.Is(err, users.ErrNotFound), err == nil && has.ID == own:
		return nil
	case err != nil:
		return err
	default:
		return s.countProbe(ctx)
	}
}

// ConfirmAddress gives an account the address that a token was mailed to, verified. Whatever else was mailed to the old one
// dies. It returns ErrInvalidToken for a token that is worth nothing, and users.ErrEmailTaken where another account has had
// the address since.
func (s *Service) ConfirmAddress(ctx context.Context, text secret.String) (err error) {
	var whose account.ID
	defer func() { err = s.refused(ctx, users.ActEmail, whose, err) }()
	t, email, err := s.readToken(ctx, text, token.MailedChange)
	if err != nil {
		return err
	}
	whose = t.account
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		ok, err := s.deps.Accounts.ChangeEmailTx(ctx, tx, t.account, t.previous(), email, true) // first, since it locks the account
		if err != nil {
			return err
		}
		if err := s.useTokenTx(ctx, tx, t, ok); err != nil {
			return err
		}
		return repository{tx}.voidTokens(ctx, t.account, token.MailedChange, s.deps.Clock.Now())
	})
}
