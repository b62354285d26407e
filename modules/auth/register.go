package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/ratelimit"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/modules/users"
)

// Registration is what an account is made of.
type Registration struct {
	Email         account.Email
	EmailVerified bool // whoever makes the account vouches for the address
	FullName      string
	Password      secret.String
	Role          account.Role
}

// Register creates an account for someone who asks for one. It returns users.ErrEmailTaken when the address is in use: an
// oracle, so an address from which too many of those came gets errs.ErrRateLimited for every further attempt.
func (s *Service) Register(ctx context.Context, in Registration) (users.User, error) {
	if err := s.refuseProbing(ctx); err != nil {
		return users.User{}, err
	}
	u, err := s.Create(ctx, in)
	if errors.Is(err, users.ErrEmailTaken) {
		return users.User{}, s.countProbe(ctx)
	}
	return u, err
}

// Create makes an account without asking who wants it. It returns users.ErrEmailTaken when the address is in use, and a
// validation error for a password that the policy refuses.
func (s *Service) Create(ctx context.Context, in Registration) (users.User, error) {
	if err := errs.Invalid(s.checkPassword("#/password", in.Password, in.Email)); err != nil {
		return users.User{}, err
	}
	if _, err := s.deps.Accounts.Credentials(ctx, in.Email); err == nil {
		return users.User{}, users.ErrEmailTaken // known before the costly part; the index decides for those that race
	} else if !errors.Is(err, users.ErrNotFound) {
		return users.User{}, err
	}
	hash, err := s.deps.Passwords.Hash(ctx, in.Password) // slow: outside the transaction
	if err != nil {
		return users.User{}, fmt.Errorf("hash password: %w", err)
	}
	var u users.User
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		u, err = s.deps.Accounts.CreateTx(ctx, tx, users.NewUser{Email: in.Email, EmailVerified: in.EmailVerified, FullName: in.FullName, Role: in.Role, PasswordHash: hash})
		return err
	})
	return u, err
}

// checkPassword reports what the policy has against a new password, at the given place.
func (s *Service) checkPassword(pointer string, p secret.String, email account.Email) []errs.Field {
	_, faults := s.settings.Password.Policy.Check(p, email.String(), email.Canonical())
	for i := range faults {
		faults[i].Pointer = pointer
	}
	return faults
}

// refuseProbing looks at the budget of known addresses without using any of it.
func (s *Service) refuseProbing(ctx context.Context) error {
	return s.probes(ctx, s.deps.Limiter.Peek, nil)
}

// countProbe uses one of the budget: whoever has none left does not learn that the address is known.
func (s *Service) countProbe(ctx context.Context) error {
	return s.probes(ctx, s.deps.Limiter.Allow, users.ErrEmailTaken)
}

func (s *Service) probes(ctx context.Context, ask func(context.Context, ...ratelimit.Check) ([]ratelimit.Decision, error), within error) error {
	if !s.deps.Limits.Enabled() {
		return within
	}
	d, err := ask(ctx, ratelimit.Check{Limit: s.limits.conflicts, Key: ratelimit.KeyForAddress(httpapi.ClientAddr(ctx))})
	if err != nil {
		return err
	}
	if !ratelimit.Allowed(d) {
		return errs.ErrRateLimited.WithRetryAfter(ratelimit.RetryAfter(d))
	}
	return within
}
