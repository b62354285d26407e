package users

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/modules/sessions"
)

// Change is what shall be different about an account; what is nil stays as it is.
type Change struct {
	FullName      *string
	Email         *account.Email // another one is not verified, unless EmailVerified says so
	EmailVerified *bool
	Role          *account.Role
	IsActive      *bool
	Locale        *string // empty clears
	Timezone      *string // empty clears
}

// of gives the account as it shall be.
func (c Change) of(u User) User {
	if c.Email != nil && c.Email.String() != u.Email {
		u.Email, u.EmailVerified = c.Email.String(), false
	}
	replace(&u.EmailVerified, c.EmailVerified)
	replace(&u.FullName, c.FullName)
	replace(&u.Role, c.Role)
	replace(&u.IsActive, c.IsActive)
	replaceOptional(&u.Locale, c.Locale)
	replaceOptional(&u.Timezone, c.Timezone)
	return u
}

func replace[T any](field, by *T) {
	if by != nil {
		*field = *by
	}
}

func replaceOptional(field **string, by *string) {
	switch {
	case by == nil:
	case *by == "":
		*field = nil
	default:
		*field = by
	}
}

// Change changes an account, and gives it as it is then. expect, unless it is nil, looks at the account as it is before, locked,
// and its error is returned. The role and whether the account is active hold from the next request on; an account that is
// made inactive loses its sessions, and does not get them back. Of another address both the old and the new one are told.
//
// It returns ErrNotFound, ErrEmailTaken, and ErrLastAdmin where no active administrator would be left. A change that
// changes nothing leaves the version as it is.
func (s *Service) Change(ctx context.Context, id account.ID, c Change, expect func(User) error) (next User, err error) {
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		was, err := repository{tx}.lock(ctx, id)
		if err != nil {
			return err
		}
		if expect != nil {
			if err := expect(was); err != nil {
				return err
			}
		}
		if next = c.of(was); reflect.DeepEqual(next, was) {
			return nil
		}
		next, err = s.changeTx(ctx, tx, was, next)
		return err
	})
	if err != nil {
		return User{}, s.refusedChange(ctx, id, c, err)
	}
	return next, nil
}

// changeTx writes what is different, and does what follows from it.
func (s *Service) changeTx(ctx context.Context, tx *database.Tx, was, next User) (User, error) {
	if was.administers() && !next.administers() {
		if err := keepAdminTx(ctx, tx, was.ID); err != nil {
			return User{}, err
		}
	}
	email, err := account.ParseEmail(next.Email)
	if err != nil {
		return User{}, fmt.Errorf("the address of an account: %w", err)
	}
	next.Version, next.UpdatedAt = was.Version+1, s.deps.Clock.Now()
	if err := (repository{tx}).update(ctx, next, email.Canonical()); err != nil {
		return User{}, err
	}
	if err := s.deps.Events.Append(ctx, tx, eventsOf(was, next)...); err != nil {
		return User{}, err
	}
	if err := s.deps.Audit.Append(ctx, tx, actsOf(ctx, was, next)...); err != nil {
		return User{}, err
	}
	if next.Email != was.Email {
		if err := s.tellOfAddressTx(ctx, tx, next, was.Email); err != nil {
			return User{}, err
		}
	}
	if !next.IsActive && was.IsActive {
		if _, err := s.deps.Sessions.EndAllTx(ctx, tx, next.ID, sessions.ReasonAdministrator); err != nil {
			return User{}, err
		}
	}
	s.tellTx(tx, next.ID, true)
	return next, nil
}

// ChangeEmailTx locks the account and gives it another address, and tells both the old and the new one. It says false, and
// changes nothing, where the account is not active or no longer has the address from. It returns ErrEmailTaken where
// another account has the new one.
func (s *Service) ChangeEmailTx(ctx context.Context, tx *database.Tx, id account.ID, from string, to account.Email, verified bool) (bool, error) {
	u, err := repository{tx}.setEmail(ctx, id, from, to, verified, s.deps.Clock.Now())
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := s.deps.Events.Append(ctx, tx, EmailChanged{UserID: id, Email: u.Email, PreviousEmail: from, EmailVerified: u.EmailVerified}); err != nil {
		return false, err
	}
	if err := s.deps.Audit.Append(ctx, tx, byOwner(ActEmail, id, u.Email)); err != nil {
		return false, err
	}
	return s.tellTx(tx, id, true), s.tellOfAddressTx(ctx, tx, u, from)
}
