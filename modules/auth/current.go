package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

// A session alone does not change how its account is reached or entered: whoever holds one has to know the current password
// as well, so that an unlocked screen or a stolen token is not enough to keep the account.

// holder gives what a signed-in account's current password is checked against, and its address. It returns sessions.ErrEnded
// where the account has gone since the request was let in.
func (s *Service) holder(ctx context.Context, id account.ID) (users.Credentials, account.Email, error) {
	cred, err := s.deps.Accounts.CredentialsByID(ctx, id)
	if errors.Is(err, users.ErrNotFound) || err == nil && !cred.IsActive {
		err = sessions.ErrEnded
	}
	if err != nil {
		return users.Credentials{}, account.Email{}, err
	}
	email, err := account.ParseEmail(cred.Email)
	if err != nil {
		return users.Credentials{}, account.Email{}, errors.New("the address of an account is not one")
	}
	return cred, email, nil
}

// confirm returns errCurrentPassword unless the password is the account's.
func (s *Service) confirm(ctx context.Context, cred users.Credentials, current secret.String) error {
	_, err := s.match(ctx, cred, current)
	if errors.Is(err, ErrInvalidCredentials) {
		err = s.refused(ctx, actConfirm, cred.ID, errCurrentPassword)
	}
	return err
}

// errRehashed is a confirmed password whose hash is no longer the account's: a login has renewed it, which is worth a second
// look, or the password was changed.
var errRehashed = errCurrentPassword.WithCause(errors.New("the hash was replaced since it was confirmed"))

// confirming makes a change that the current password gives the right to, and once more where its hash was replaced.
func confirming(change func() error) error {
	err := change()
	if errors.Is(err, errRehashed) {
		err = change()
	}
	return err
}

// holdTx locks an account whose password was confirmed, or returns errRehashed.
func (s *Service) holdTx(ctx context.Context, tx *database.Tx, confirmed users.Credentials, hash string) error {
	ok, err := s.deps.Accounts.ReplacePasswordTx(ctx, tx, confirmed.ID, confirmed.PasswordHash, hash)
	if err == nil && !ok {
		err = errRehashed
	}
	return err
}

// DeleteAccount deletes an account and all that is held about it, for good. It returns ErrInvalidCredentials for a wrong
// current password, and users.ErrLastAdmin for the last active administrator.
func (s *Service) DeleteAccount(ctx context.Context, p account.Principal, current secret.String) error {
	err := confirming(func() error { return s.tryDelete(ctx, p, current) })
	return s.deps.Audit.RefuseConflict(ctx, audit.Act{Action: users.ActDelete, Target: p.Account}, err)
}

func (s *Service) tryDelete(ctx context.Context, p account.Principal, current secret.String) error {
	cred, _, err := s.holder(ctx, p.Account)
	if err != nil {
		return err
	}
	if err := s.confirm(ctx, cred, current); err != nil {
		return err
	}
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := s.holdTx(ctx, tx, cred, cred.PasswordHash); err != nil {
			return err
		}
		_, err := s.deps.Accounts.DeleteTx(ctx, tx, cred.ID) // it is there: it is locked
		return err
	})
}

// PasswordChange is a new password, and the one that gives the right to set it.
type PasswordChange struct{ Current, New secret.String }

// ChangePassword sets a new password: all other sessions end, and the owner is told. It returns ErrInvalidCredentials for a
// wrong current password, and a validation error for a new one that the policy refuses.
func (s *Service) ChangePassword(ctx context.Context, p account.Principal, in PasswordChange) error {
	return confirming(func() error { return s.tryPassword(ctx, p, in) })
}

func (s *Service) tryPassword(ctx context.Context, p account.Principal, in PasswordChange) error {
	cred, email, err := s.holder(ctx, p.Account)
	if err != nil {
		return err
	}
	if err := errs.Invalid(s.checkPassword("#/new_password", in.New, email)); err != nil {
		return err
	}
	if err := s.confirm(ctx, cred, in.Current); err != nil {
		return err
	}
	hash, err := s.deps.Passwords.Hash(ctx, in.New) // slow: outside the transaction
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	notice := s.newMail(ctx, mailChangedByOwner, email).about(cred.ID)
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := s.holdTx(ctx, tx, cred, hash); err != nil {
			return err
		}
		if err := s.deps.Events.Append(ctx, tx, PasswordChanged{UserID: cred.ID}); err != nil {
			return err
		}
		if err := s.deps.Audit.Append(ctx, tx, audit.Act{Action: actChange, Target: cred.ID}); err != nil {
			return err
		}
		if _, err := s.deps.Sessions.EndAllTx(ctx, tx, cred.ID, sessions.ReasonPasswordChange, p.Session); err != nil {
			return err
		}
		if err := s.voidTokensTx(ctx, tx, cred.ID); err != nil {
			return err
		}
		return s.deps.Jobs.Enqueue(ctx, tx, notice)
	})
}
