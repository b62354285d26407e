package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
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

// Register creates an account for someone who asks for one, and has a verification link mailed. For an address that is in
// use it returns users.ErrEmailTaken, an oracle, so that an address from which too many of those came gets
// errs.ErrRateLimited for every further attempt. Where the settings say opaque it gives nothing away instead: the zero User
// and no error, known or not, and the owner of a known address is mailed.
func (s *Service) Register(ctx context.Context, in Registration) (users.User, error) {
	ctx, off, err := s.deps.Passwords.Announce(ctx)
	if err != nil {
		return users.User{}, err
	}
	defer off()
	if s.settings.Registration.ExistingEmail == opaque {
		return users.User{}, s.registerOpaquely(ctx, in)
	}
	if err := s.refuseProbing(ctx); err != nil {
		return users.User{}, s.refused(ctx, actRegister, account.ID{}, err)
	}
	if err := s.refuseTaken(ctx, in.Email); errors.Is(err, users.ErrEmailTaken) {
		return users.User{}, s.refused(ctx, actRegister, account.ID{}, s.countProbe(ctx)) // known before the costly part; the index decides for those that race
	} else if err != nil {
		return users.User{}, err
	}
	u, err := s.create(ctx, in, s.newMail(ctx, mailVerify, in.Email))
	if errors.Is(err, users.ErrEmailTaken) {
		return users.User{}, s.refused(ctx, actRegister, account.ID{}, s.countProbe(ctx))
	}
	return u, err
}

// registerOpaquely does the same work for every address: one look, one hash, one transaction with one mail.
func (s *Service) registerOpaquely(ctx context.Context, in Registration) error {
	taken := s.refuseTaken(ctx, in.Email)
	if taken != nil && !errors.Is(taken, users.ErrEmailTaken) {
		return taken
	}
	if taken == nil {
		_, taken = s.create(ctx, in, s.newMail(ctx, mailVerify, in.Email))
		if !errors.Is(taken, users.ErrEmailTaken) {
			return taken
		}
	} else if _, err := s.hashNew(ctx, in); err != nil {
		return err
	}
	return s.askForMail(ctx, mailAttempt, in.Email)
}

// Create makes an account without asking who wants it, and mails nobody. It returns users.ErrEmailTaken when the address is
// in use, and a validation error for a password that the policy refuses.
func (s *Service) Create(ctx context.Context, in Registration) (users.User, error) {
	var u users.User
	err := s.refuseTaken(ctx, in.Email)
	if err == nil {
		u, err = s.create(ctx, in)
	}
	return u, s.deps.Audit.RefuseConflict(ctx, audit.Act{Action: actCreate}, err)
}

// create makes the account and asks for mails about it, at once.
func (s *Service) create(ctx context.Context, in Registration, mails ...mailArgs) (u users.User, err error) {
	hash, err := s.hashNew(ctx, in)
	if err != nil {
		return users.User{}, err
	}
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		u, err = s.deps.Accounts.CreateTx(ctx, tx, users.NewUser{Email: in.Email, EmailVerified: in.EmailVerified, FullName: in.FullName, Role: in.Role, PasswordHash: hash})
		if err == nil {
			err = s.deps.Audit.Append(ctx, tx, creation(ctx, u))
		}
		for _, m := range mails {
			if err == nil {
				err = s.deps.Jobs.Enqueue(ctx, tx, m)
			}
		}
		return err
	})
	return u, err
}

// creation is the act of somebody who registers, or of an operator.
func creation(ctx context.Context, u users.User) audit.Act {
	a := audit.Act{Action: actCreate, Target: u.ID, Email: u.Email, Details: map[string]any{"role": u.Role}}
	if httpapi.InRequest(ctx) {
		a.Action, a.Actor = actRegister, u.ID
	}
	return a
}

// refuseTaken looks whether the address is in use.
func (s *Service) refuseTaken(ctx context.Context, email account.Email) error {
	switch _, err := s.deps.Accounts.Credentials(ctx, email); {
	case err == nil:
		return users.ErrEmailTaken
	case errors.Is(err, users.ErrNotFound):
		return nil
	default:
		return err
	}
}

// hashNew hashes a password that the policy takes.
func (s *Service) hashNew(ctx context.Context, in Registration) (string, error) {
	if err := errs.Invalid(s.checkPassword("#/password", in.Password, in.Email)); err != nil {
		return "", err
	}
	hash, err := s.deps.Passwords.Hash(ctx, in.Password) // slow: outside the transaction
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// CheckPassword reports what the policy has against a new password of an owner, who may be nobody yet: the zero Email.
func (s *Service) CheckPassword(p secret.String, owner account.Email) []errs.Field {
	return s.checkPassword("#/password", p, owner)
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
