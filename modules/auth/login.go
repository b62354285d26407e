package auth

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

// Login is an attempt to sign in.
type Login struct {
	Email    account.Email
	Password secret.String
	Client   sessions.Client
}

// Tokens are what a login or a refresh gives.
type Tokens struct {
	Access  string
	Refresh secret.String
}

// LogIn starts a session. It returns ErrInvalidCredentials for every wrong pair, after the same work whether or not the
// account exists, errs.ErrRateLimited before any hashing for an account that failed too often, and ErrEmailNotVerified for a
// right pair where the settings ask for a verified address.
func (s *Service) LogIn(ctx context.Context, in Login) (Tokens, error) {
	ctx, off, err := s.deps.Passwords.Announce(ctx)
	if err != nil {
		return Tokens{}, err
	}
	defer off()
	cred, err := s.deps.Accounts.Credentials(ctx, in.Email)
	if err != nil && !errors.Is(err, users.ErrNotFound) {
		return Tokens{}, err
	}
	attempt, err := s.beginAttempt(ctx, in.Email, cred.ID, in.Client.Addr)
	if err != nil {
		return Tokens{}, s.refused(ctx, actLogin, cred.ID, err)
	}
	started, err := s.answer(ctx, cred, in, attempt)
	if errors.Is(err, errOvertaken) {
		if cred, err = s.deps.Accounts.Credentials(ctx, in.Email); err == nil || errors.Is(err, users.ErrNotFound) {
			started, err = s.answer(ctx, cred, in, attempt)
		}
	}
	if err != nil {
		s.giveUp(ctx, attempt, err)
		return Tokens{}, s.refused(ctx, actLogin, cred.ID, err)
	}
	return s.tokensFor(cred.ID, cred.Role, started.ID, started.RefreshToken)
}

// answer decides about a counted attempt.
func (s *Service) answer(ctx context.Context, cred users.Credentials, in Login, a attempt) (sessions.Started, error) {
	hash, err := s.verify(ctx, cred, in.Password)
	if err != nil {
		return sessions.Started{}, err
	}
	if s.settings.Login.RequireVerifiedEmail && !cred.EmailVerified { // told to none but those who know the password
		return sessions.Started{}, ErrEmailNotVerified
	}
	return s.startSession(ctx, cred, hash, a, in.Client)
}

// verify gives the hash to keep: the one that matched, or a fresh one where that was weaker than today's.
func (s *Service) verify(ctx context.Context, cred users.Credentials, p secret.String) (string, error) {
	weak, err := s.match(ctx, cred, p)
	if err != nil || !weak {
		return cred.PasswordHash, err
	}
	hash, err := s.deps.Passwords.Hash(ctx, p)
	if err != nil {
		return cred.PasswordHash, nil //nolint:nilerr // a login is not refused because renewing the hash has to wait
	}
	return hash, nil
}

// match returns ErrInvalidCredentials unless the account is active and the password is its own, after the same work, and
// says whether the hash is weaker than today's.
func (s *Service) match(ctx context.Context, cred users.Credentials, p secret.String) (weak bool, err error) {
	ok := false
	if cred.PasswordHash == "" || !cred.IsActive {
		err = s.deps.Passwords.VerifyNothing(ctx, p)
	} else {
		ok, weak, err = s.deps.Passwords.Verify(ctx, cred.PasswordHash, p)
	}
	if err != nil {
		return false, fmt.Errorf("verify password: %w", err)
	}
	if !ok {
		return false, ErrInvalidCredentials
	}
	return weak, nil
}

// errOvertaken is a right password whose hash is no longer the account's: another login has renewed it, which is worth a
// second look, or the password was changed.
var errOvertaken = ErrInvalidCredentials.WithCause(errors.New("the hash was replaced since it was verified"))

// startSession locks the account, finds it active with the very hash that was verified, and starts the session, at once. It
// returns errOvertaken where that is no longer so.
func (s *Service) startSession(ctx context.Context, cred users.Credentials, hash string, a attempt, c sessions.Client) (started sessions.Started, err error) {
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := s.deps.Accounts.RecordLoginTx(ctx, tx, cred.ID, cred.PasswordHash, hash); err != nil {
			return err
		}
		if err := s.succeedTx(ctx, tx, cred.ID, a); err != nil {
			return err
		}
		var err error
		if started, err = s.deps.Sessions.Start(ctx, tx, cred.ID, c); err != nil {
			return err
		}
		if err := s.deps.Events.Append(ctx, tx, LoggedIn{UserID: cred.ID, SessionID: started.ID}); err != nil {
			return err
		}
		return s.deps.Audit.Append(ctx, tx, audit.Act{Action: actLogin, Actor: cred.ID, Target: cred.ID, Details: map[string]any{"session_id": started.ID}})
	})
	if errors.Is(err, database.ErrNoRows) {
		err = errOvertaken
	}
	return started, err
}

// tokensFor gives a session's pair. The role in the token is for those who read it: no decision of ours depends on it.
func (s *Service) tokensFor(id account.ID, role account.Role, session account.SessionID, refresh secret.String) (Tokens, error) {
	access, err := s.deps.Tokens.Issue(token.Claims{Account: id, Session: session, Roles: []account.Role{role}})
	return Tokens{Access: access, Refresh: refresh}, err
}

// Authenticate implements httpapi.Authenticator: the token says who, the stores say whether that still holds.
func (s *Service) Authenticate(ctx context.Context, text string) (account.Principal, error) {
	claims, err := s.deps.Tokens.Verify(ctx, text)
	if err != nil {
		return account.Principal{}, err
	}
	owner, err := s.deps.Sessions.Live(ctx, claims.Session)
	if err != nil {
		return account.Principal{}, err
	}
	u, err := s.deps.Accounts.ByID(ctx, claims.Account)
	if errors.Is(err, users.ErrNotFound) || (err == nil && (owner != u.ID || !u.IsActive)) {
		return account.Principal{}, sessions.ErrEnded
	}
	return account.Principal{Account: u.ID, Session: claims.Session, Role: u.Role}, err
}
