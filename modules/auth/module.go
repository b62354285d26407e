// Package auth owns the ways in and out: registering, signing in, refreshing, logging out, setting a new password and
// verifying an address with a mailed link, what people do to their account with their current password, and the check of
// every access token. It asks users for accounts and sessions for
// sessions, and keeps what slows down guessing. It never stores a password or a token: those that are mailed follow from
// the row of what was mailed.
package auth

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"embed"
	"log/slog"
	"sync/atomic"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/ratelimit"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/modules/users"
)

// Accounts is what the module asks of users.
type Accounts interface {
	Directory
	CreateTx(ctx context.Context, tx *database.Tx, n users.NewUser) (users.User, error)
	RecordLoginTx(ctx context.Context, tx *database.Tx, id account.ID, verified, replacement string) error
	ReplacePasswordTx(ctx context.Context, tx *database.Tx, id account.ID, verified, replacement string) (bool, error)
	SetPasswordTx(ctx context.Context, tx *database.Tx, id account.ID, address, hash string) (bool, error)
	VerifyEmailTx(ctx context.Context, tx *database.Tx, id account.ID, address string) (bool, error)
	ChangeEmailTx(ctx context.Context, tx *database.Tx, id account.ID, from string, to account.Email, verified bool) (bool, error)
	DeleteTx(ctx context.Context, tx *database.Tx, id account.ID) (bool, error)
}

// Directory finds accounts.
type Directory interface {
	ByID(ctx context.Context, id account.ID) (users.User, error)
	ByEmail(ctx context.Context, email account.Email) (users.User, error)
	Credentials(ctx context.Context, email account.Email) (users.Credentials, error)
	CredentialsByID(ctx context.Context, id account.ID) (users.Credentials, error)
}

// Sessions is what the module asks of sessions.
type Sessions interface {
	Start(ctx context.Context, tx *database.Tx, id account.ID, c sessions.Client) (sessions.Started, error)
	Live(ctx context.Context, id account.SessionID) (account.ID, error)
	Refresh(ctx context.Context, text secret.String, c sessions.Client) (sessions.Refreshed, error)
	EndTx(ctx context.Context, tx *database.Tx, owner account.ID, id account.SessionID, why sessions.Reason) (bool, error)
	EndAllTx(ctx context.Context, tx *database.Tx, owner account.ID, why sessions.Reason, except ...account.SessionID) (int, error)
}

// Deps are what the module stands on. Pointers may be empty until the stores are open.
type Deps struct {
	DB        *database.DB
	Accounts  Accounts
	Sessions  Sessions
	Passwords *password.Hasher
	Tokens    *token.Access
	// RefreshTokens tells a genuine refresh token from a forged one.
	RefreshTokens *token.RefreshTokens
	MailedTokens  *token.MailedTokens
	PublicKeys    func() (body []byte, etag string)
	Root          *token.Root
	Jobs          *job.Queue
	Events        *event.Outbox
	Audit         *audit.Trail
	Mails         *mail.Catalogue
	Mail          *mail.Sender
	LinkTo        func(path string) string // URL at which people reach a path of this service
	Limits        *ratelimit.Limits
	Limiter       ratelimit.Limiter
	Clock         clock.Clock
	Logger        *slog.Logger
}

//go:embed migrations
var migrations embed.FS

// New makes the service and the module that mounts it.
func New(d Deps) (*Service, module.Module) {
	s := &Service{deps: d, settings: &Settings{}, limits: declareLimits(d.Limits)}
	declareMails(d.Mails)
	declareEvents(d.Events)
	declareActs(d.Audit)
	return s, module.Module{
		Name: "auth", Needs: []string{"sessions", "users"}, Settings: s.settings, Migrations: migrations, Routes: s.routes,
		Jobs:   []job.Handler{job.Handle(mailWork, s.sendMail)},
		Export: s.export, Erase: s.eraseTx,
	}
}

// Service holds the flows.
type Service struct {
	deps     Deps
	settings *Settings
	limits   limits
	attempts atomic.Int64 // counts towards the next pruning
}

// digest hides an address or an account in a key that only this installation can make.
func (s *Service) digest(purpose string, parts ...string) []byte {
	mac := hmac.New(sha256.New, s.deps.Root.Derive(token.PurposeAccountDigest))
	for _, p := range append([]string{purpose}, parts...) {
		mac.Write([]byte(p))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)
}
