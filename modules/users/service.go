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
	if err := (repository{tx}).insert(ctx, u, n.Email.Canonical(), hash); err != nil {
		return User{}, err
	}
	return u, s.deps.Events.Append(ctx, tx, Registered{
		UserID: u.ID, Email: u.Email, FullName: u.FullName, Role: u.Role, EmailVerified: u.EmailVerified, HasPassword: hash != nil,
	})
}

// ByID gives a user, remembered for as long as core/push allows, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id account.ID) (User, error) {
	return s.byID.Get(ctx, id)
}

// ByEmail gives the user whose address this is, in whatever spelling, as the store has it now, or ErrNotFound.
func (s *Service) ByEmail(ctx context.Context, email account.Email) (User, error) {
	return repository{s.deps.DB}.byEmail(ctx, email.Canonical())
}

// Credentials gives what a login with this address is checked against, or ErrNotFound.
func (s *Service) Credentials(ctx context.Context, email account.Email) (Credentials, error) {
	return repository{s.deps.DB}.credentials(ctx, email.Canonical())
}

// CredentialsByID gives what the account's current password is checked against, or ErrNotFound.
func (s *Service) CredentialsByID(ctx context.Context, id account.ID) (Credentials, error) {
	return repository{s.deps.DB}.credentialsByID(ctx, id)
}

// RecordLoginTx locks the account and notes the login, replacing the hash that was verified by one of today's strength. It
// is queued: where the account is no longer active or its hash has changed since it was verified, nothing behind it runs, and
// the transaction fails with database.ErrNoRows.
func (s *Service) RecordLoginTx(ctx context.Context, tx *database.Tx, id account.ID, verified, replacement string) error {
	s.tellTx(tx, id, true)
	return repository{tx}.recordLogin(ctx, id, verified, replacement, s.deps.Clock.Now())
}

// ReplacePasswordTx locks the account and replaces the hash that was verified; by itself, where nothing but the lock is
// wanted. It says false, and changes nothing, where the account is no longer active or its hash has changed since.
func (s *Service) ReplacePasswordTx(ctx context.Context, tx *database.Tx, id account.ID, verified, replacement string) (bool, error) {
	ok, err := repository{tx}.replacePassword(ctx, id, verified, replacement)
	return s.tellTx(tx, id, ok), err
}

// SetPasswordTx locks the account and replaces its password. It says false, and changes nothing, where the account is not
// active or no longer has the address that the right to do so was mailed to.
func (s *Service) SetPasswordTx(ctx context.Context, tx *database.Tx, id account.ID, address, hash string) (bool, error) {
	ok, err := repository{tx}.setPassword(ctx, id, address, hash)
	return s.tellTx(tx, id, ok), err
}

// VerifyEmailTx locks the account and notes that the address is its owner's. It says false, and changes nothing, where the
// account is not active or has another address by now.
func (s *Service) VerifyEmailTx(ctx context.Context, tx *database.Tx, id account.ID, address string) (bool, error) {
	repo := repository{tx}
	changed, err := repo.setVerified(ctx, id, address, s.deps.Clock.Now())
	if err != nil {
		return false, err
	}
	if !changed {
		return repo.lockAt(ctx, id, address) // it may be verified already
	}
	s.tellTx(tx, id, true)
	if err := s.deps.Events.Append(ctx, tx, EmailVerified{UserID: id, Email: address}); err != nil {
		return false, err
	}
	return true, s.deps.Audit.Append(ctx, tx, byOwner(ActVerify, id, ""))
}

// tellTx has everyone forget what they remember of an account that the transaction has changed, once it has committed.
func (s *Service) tellTx(tx *database.Tx, id account.ID, changed bool) bool {
	if changed {
		tx.AfterCommit(func() { s.changed.Changed(id) })
	}
	return changed
}
