package auth

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/modules/users"
)

// Invitation is an account that an administrator makes for someone, who chooses the password: no administrator ever does.
type Invitation struct {
	Email    account.Email
	FullName string
	Role     account.Role
}

// Invite creates an account without a password and has a link mailed with which its owner sets one; that shows that the
// address is theirs, too. It returns users.ErrEmailTaken when the address is in use.
func (s *Service) Invite(ctx context.Context, in Invitation) (u users.User, err error) {
	m := s.newMail(ctx, mailInvite, in.Email)
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		u, err = s.deps.Accounts.CreateTx(ctx, tx, users.NewUser{Email: in.Email, FullName: in.FullName, Role: in.Role})
		if err != nil {
			return err
		}
		act := audit.Act{Action: actInvite, Target: u.ID, Email: u.Email, Details: map[string]any{"role": u.Role}}
		if err := s.deps.Audit.Append(ctx, tx, act); err != nil {
			return err
		}
		return s.mailLinkTx(ctx, tx, m.about(u.ID), in.Email)
	})
	return u, s.deps.Audit.RefuseConflict(ctx, audit.Act{Action: actInvite}, err)
}

// StartReset has a link for a new password mailed to the owner of an account; the password stays until the link is used. It
// returns users.ErrNotFound where there is no such account, and ErrInactive for one that may not sign in.
func (s *Service) StartReset(ctx context.Context, id account.ID) error {
	cred, err := s.deps.Accounts.CredentialsByID(ctx, id)
	if err != nil {
		return err
	}
	if !cred.IsActive {
		return s.deps.Audit.RefuseConflict(ctx, audit.Act{Action: actStartReset, Target: id}, ErrInactive)
	}
	email, err := account.ParseEmail(cred.Email)
	if err != nil {
		return errors.New("the address of an account is not one")
	}
	m := s.newMail(ctx, mailStarted, email).about(id)
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := s.deps.Audit.Append(ctx, tx, audit.Act{Action: actStartReset, Target: id}); err != nil {
			return err
		}
		return s.mailLinkTx(ctx, tx, m, email)
	})
}

// mailLinkTx has a mail sent whose link is good from now on, so that it can also die before the mail has left. It returns
// users.ErrNotFound where the account is gone.
func (s *Service) mailLinkTx(ctx context.Context, tx *database.Tx, m mailArgs, to account.Email) error {
	l, _ := s.linkOf(m.Mail)
	err := repository{tx}.putToken(ctx, m.token(m.Account, to.String(), l))
	if _, gone := database.ForeignKeyViolation(err); gone {
		err = users.ErrNotFound
	}
	if err != nil {
		return err
	}
	return s.deps.Jobs.Enqueue(ctx, tx, m)
}
