package auth

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

// Refresh goes on with a session. It returns sessions.ErrRefreshToken for a token that is worth nothing, or whose account
// is disabled or deleted, and sessions.Service.Refresh says which uses of one token count as one.
//
// The account is looked at after the session was found alive, and as every request sees it. Whatever disables an account
// ends its sessions in the same transaction, so the session's row alone keeps a disabled account out, at the very moment
// of the commit; what is remembered of the account can only make that stricter. An access token that is issued on the
// wrong side of that moment is of a session that has ended, and is refused where it is used.
func (s *Service) Refresh(ctx context.Context, text secret.String, c sessions.Client) (Tokens, error) {
	r, err := s.deps.Sessions.Refresh(ctx, text, c)
	if err != nil {
		return Tokens{}, err
	}
	u, err := s.deps.Accounts.ByID(ctx, r.Account)
	if errors.Is(err, users.ErrNotFound) || (err == nil && !u.IsActive) {
		return Tokens{}, sessions.ErrRefreshToken
	}
	if err != nil {
		return Tokens{}, err
	}
	return s.tokensFor(u.ID, u.Role, r.ID, r.RefreshToken)
}

// LogOut ends the session, or all of its account's. A session that somebody else has just ended is no error.
func (s *Service) LogOut(ctx context.Context, p account.Principal, all bool) error {
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) (err error) {
		if all {
			_, err = s.deps.Sessions.EndAllTx(ctx, tx, p.Account, sessions.ReasonLogout)
		} else {
			_, err = s.deps.Sessions.EndTx(ctx, tx, p.Account, p.Session, sessions.ReasonLogout)
		}
		return err
	})
}

// sessionOfRefresh gives what a genuine refresh token counts on, used and ended ones included.
func (s *Service) sessionOfRefresh(_ context.Context, text string) (string, bool) {
	r, ok := s.deps.RefreshTokens.Parse(text)
	return r.Session.String(), ok
}

// sessionOfAccess gives what an access token that we signed counts on, expired and revoked ones included.
func (s *Service) sessionOfAccess(ctx context.Context, text string) (string, bool) {
	id, ok := s.deps.Tokens.SessionOf(ctx, text)
	return id.String(), ok
}
