package users

import (
	"context"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// CreateTx adds an account. It returns ErrEmailTaken when the address is in use, in whatever spelling.
func (s *Service) CreateTx(ctx context.Context, tx *database.Tx, n NewUser) (User, error) {
	now := s.deps.Clock.Now()
	u := User{
		ID: account.NewID(), Email: n.Email.String(), EmailVerified: n.EmailVerified, FullName: n.FullName, Role: n.Role,
		IsActive: true, Version: 1, CreatedAt: now, UpdatedAt: now,
	}
	var hash *string
	if n.PasswordHash != "" {
		hash = &n.PasswordHash
	}
	return u, repository{tx}.insert(ctx, u, n.Email.Canonical(), hash)
}

// ByID gives a user, remembered for as long as core/push allows, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id account.ID) (User, error) {
	return s.byID.Get(ctx, id)
}

// Credentials gives what a login with this address is checked against, or ErrNotFound.
func (s *Service) Credentials(ctx context.Context, email account.Email) (Credentials, error) {
	return repository{s.deps.DB}.credentials(ctx, email.Canonical())
}

// RecordLoginTx locks the account and notes the login, replacing the hash that was verified by one of today's strength. It
// says false, and changes nothing, where the account is no longer active or its hash has changed since it was verified.
func (s *Service) RecordLoginTx(ctx context.Context, tx *database.Tx, id account.ID, verified, replacement string) (bool, error) {
	ok, err := repository{tx}.recordLogin(ctx, id, verified, replacement, s.deps.Clock.Now())
	if ok {
		tx.AfterCommit(func() { s.changed.Changed(id) })
	}
	return ok, err
}
