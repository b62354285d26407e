package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/ratelimit"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

// ForgotPassword has a link for a new password mailed to the owner of the address, if there is one. It looks nothing up, so
// that it does the same whatever the address: a job finds out whom to write to. It returns errs.ErrRateLimited for an
// address that was asked about too often, known or not.
func (s *Service) ForgotPassword(ctx context.Context, email account.Email) error {
	if err := s.countForgot(ctx, email); err != nil {
		return err
	}
	return s.askForMail(ctx, mailReset, email)
}

// ResendVerification has another verification link mailed to the owner of the address, if there is one whose address still
// has to be verified. Like ForgotPassword it does the same whatever the address.
func (s *Service) ResendVerification(ctx context.Context, email account.Email) error {
	return s.askForMail(ctx, mailVerify, email)
}

func (s *Service) countForgot(ctx context.Context, email account.Email) error {
	if !s.deps.Limits.Enabled() {
		return nil
	}
	key := hex.EncodeToString(s.digest("forgot", email.Canonical()))
	d, err := s.deps.Limiter.Allow(ctx, ratelimit.Check{Limit: s.limits.forgotAccount, Key: key})
	if err != nil {
		return err
	}
	if !ratelimit.Allowed(d) {
		return errs.ErrRateLimited.WithRetryAfter(ratelimit.RetryAfter(d))
	}
	return nil
}

// Reset is a new password, or the first one of somebody who was invited, and what gives the right to set it.
type Reset struct {
	Token       secret.String
	NewPassword secret.String
	Client      sessions.Client
}

// ResetPassword sets a new password, once for each token: all sessions end, the account's failed logins are forgotten, and
// the owner is told. An invitation shows that the address is its owner's, too. It returns ErrInvalidToken for a token that is worth nothing, and a validation error, which leaves the
// token good, for a password that the policy refuses.
func (s *Service) ResetPassword(ctx context.Context, in Reset) (err error) {
	defer func() { err = s.refused(ctx, actReset, account.ID{}, err) }()
	t, email, err := s.readToken(ctx, in.Token, token.MailedReset, token.MailedInvite)
	if err != nil {
		return err
	}
	if err := errs.Invalid(s.checkPassword("#/new_password", in.NewPassword, email)); err != nil {
		return err
	}
	hash, err := s.deps.Passwords.Hash(ctx, in.NewPassword) // slow: outside the transaction
	if err != nil {
		return fmt.Errorf("hash password: %w", err)
	}
	notice := s.newMail(ctx, mailChanged, email)
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		ok, err := s.deps.Accounts.SetPasswordTx(ctx, tx, t.account, t.address, hash) // first, since it locks the account
		if err == nil && ok && t.purpose == token.MailedInvite {
			ok, err = s.deps.Accounts.VerifyEmailTx(ctx, tx, t.account, t.address)
		}
		if err != nil {
			return err
		}
		if err := s.useTokenTx(ctx, tx, t, ok); err != nil {
			return err
		}
		if err := s.tellOfResetTx(ctx, tx, t); err != nil {
			return err
		}
		if err := s.voidTokensTx(ctx, tx, t.account); err != nil {
			return err
		}
		if _, err := s.deps.Sessions.EndAllTx(ctx, tx, t.account, sessions.ReasonReset); err != nil {
			return err
		}
		if err := s.forgiveTx(ctx, tx, email, t.account, in.Client.Addr); err != nil {
			return err
		}
		return s.deps.Jobs.Enqueue(ctx, tx, notice)
	})
}

// tellOfResetTx tells that a password was set with a mailed link, and writes it down.
func (s *Service) tellOfResetTx(ctx context.Context, tx *database.Tx, t mailedToken) error {
	invited := t.purpose == token.MailedInvite
	if err := s.deps.Events.Append(ctx, tx, PasswordReset{UserID: t.account, Invited: invited}); err != nil {
		return err
	}
	return s.deps.Audit.Append(ctx, tx, audit.Act{Action: actReset, Actor: t.account, Target: t.account, Details: map[string]any{"invited": invited}})
}

// VerifyEmail notes that the address a token was mailed to is its owner's. It returns ErrInvalidToken for a token that is
// worth nothing.
func (s *Service) VerifyEmail(ctx context.Context, text secret.String) (err error) {
	defer func() { err = s.refused(ctx, users.ActVerify, account.ID{}, err) }()
	t, _, err := s.readToken(ctx, text, token.MailedVerify)
	if err != nil {
		return err
	}
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		ok, err := s.deps.Accounts.VerifyEmailTx(ctx, tx, t.account, t.address)
		if err != nil {
			return err
		}
		return s.useTokenTx(ctx, tx, t, ok)
	})
}

// readToken finds what a token of one of the purposes is for, without using it up. It returns ErrInvalidToken for one that
// could not be used.
func (s *Service) readToken(ctx context.Context, text secret.String, purposes ...token.MailedPurpose) (mailedToken, account.Email, error) {
	id, purpose, ok := s.parseToken(text.Reveal(), purposes)
	if !ok {
		return mailedToken{}, account.Email{}, ErrInvalidToken
	}
	t, err := repository{s.deps.DB}.token(ctx, id)
	if err != nil {
		return mailedToken{}, account.Email{}, err
	}
	if t.purpose != purpose || !t.good(s.deps.Clock.Now()) {
		return mailedToken{}, account.Email{}, ErrInvalidToken
	}
	email, err := account.ParseEmail(t.address)
	if err != nil {
		return mailedToken{}, account.Email{}, errors.New("the address of a mailed token is not one")
	}
	return t, email, nil
}

// parseToken looks at a token alone, and at no store.
func (s *Service) parseToken(text string, purposes []token.MailedPurpose) (token.MailedID, token.MailedPurpose, bool) {
	for _, purpose := range purposes {
		if id, ok := s.deps.MailedTokens.Parse(purpose, text); ok {
			return id, purpose, true
		}
	}
	return token.MailedID{}, "", false
}

// useTokenTx uses a token up. fits says whether the account is still what the token was mailed to. Of all who try at once
// one goes on; for the others everything rolls back.
func (s *Service) useTokenTx(ctx context.Context, tx *database.Tx, t mailedToken, fits bool) error {
	if !fits {
		return ErrInvalidToken
	}
	used, err := repository{tx}.useToken(ctx, t.id, s.deps.Clock.Now())
	if err == nil && !used {
		err = ErrInvalidToken
	}
	return err
}

// voidTokensTx ends the use of every mailed link that would take an account over from whoever has just set its password:
// those that set another, and those that give it another address.
func (s *Service) voidTokensTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	return repository{tx}.voidTokens(ctx, id, token.MailedVerify, s.deps.Clock.Now())
}
