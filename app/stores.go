package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/blob"
	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/picture"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/ratelimit"
	"github.com/gatehouse/gatehouse/core/token"
)

// Stores are handles on what modules stand on. A Build gets them empty: it may keep the pointers, and use them once they
// are open.
type Stores struct {
	DB            *database.DB
	Limits        *ratelimit.Limits // modules declare theirs while they are built
	Limiter       ratelimit.Limiter
	Passwords     *password.Hasher
	Root          *token.Root
	Tokens        *token.Access
	RefreshTokens *token.RefreshTokens
	MailedTokens  *token.MailedTokens
	Cursors       *page.Codec
	Mails         *mail.Catalogue // modules declare theirs while they are built
	Mail          *mail.Sender
	Jobs          *job.Queue
	Blobs         *blob.Store
	Pictures      *picture.Decoder
	Push          *push.Bus     // modules make their topics while they are built
	Events        *event.Outbox // modules declare theirs while they are built
	Audit         *audit.Trail  // modules declare their acts while they are built
	Egress        *egress.Client
	Holdings      *Holdings // knows the modules once they are built
	Clock         clock.Clock
	Logger        *slog.Logger

	// What a Build gives back beside its modules.
	Authenticator httpapi.Authenticator
	Accounts      Accounts  // nil where the modules make no accounts
	Directory     Directory // nil where the modules keep none

	limiter  *lateLimiter
	failover *ratelimit.Failover // nil without Redis
	redis    *cache.Redis
	keys     *token.Keys
	synced   *clock.Synced // nil where the clock follows no other
	linkTo   func(path string) string
	issuer   string // of tokens, and source of events
}

func newStores(clk clock.Clock) *Stores {
	limiter, bus := &lateLimiter{}, &push.Bus{}
	events, cursors := event.NewOutbox(bus), &page.Codec{}
	trail := audit.NewTrail(cursors)
	declareActs(trail)
	return &Stores{
		DB: &database.DB{}, Limits: ratelimit.NewLimits(), Limiter: limiter, Passwords: &password.Hasher{}, Root: &token.Root{},
		Tokens: &token.Access{}, RefreshTokens: &token.RefreshTokens{}, MailedTokens: &token.MailedTokens{}, Cursors: cursors, Jobs: &job.Queue{}, Push: bus, Events: events, Audit: trail,
		Mails: mail.NewCatalogue(), Mail: &mail.Sender{}, Blobs: &blob.Store{}, Pictures: picture.NewDecoder(), Holdings: &Holdings{events: events, audit: trail}, Egress: &egress.Client{},
		Clock: clk, Logger: slog.New(slog.DiscardHandler), limiter: limiter,
	}
}

// PublicKeys gives the JWK Set of the signing keys and its ETag.
func (s *Stores) PublicKeys() (body []byte, etag string) { return s.keys.JWKS() }

// Issuer names the installation, as tokens name who issued them and events their source. It is empty until the stores are
// open.
func (s *Stores) Issuer() string { return s.issuer }

// LinkTo gives the URL at which people reach a path of this service, such as for a link in a mail.
func (s *Stores) LinkTo(path string) string { return s.linkTo(path) }

// lateLimiter is a Limiter that is chosen when the stores open.
type lateLimiter struct{ ratelimit.Limiter }

// openDatabase connects, and no more: the schema may not be there yet.
func (s *Stores) openDatabase(ctx context.Context, set *settings, observe func(context.Context, database.Statement)) error {
	db, err := database.Open(ctx, set.database, database.Options{DataDir: set.root.DataDir, Logger: s.Logger, Clock: s.Clock, Observe: observe})
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	*s.DB = *db
	return s.syncClock(ctx)
}

// syncClock puts the clock in step with the one that instances share, before anything is dated or compared.
func (s *Stores) syncClock(ctx context.Context) error {
	synced, ok := s.Clock.(*clock.Synced)
	if !ok || s.DB.Engine() != database.PostgreSQL {
		return nil
	}
	for range 2 { // the first question includes what a fresh connection costs
		if err := synced.Measure(func() (time.Time, error) { return s.DB.Now(ctx) }); err != nil {
			return fmt.Errorf("ask the database for the time: %w", err)
		}
	}
	s.synced = synced
	if off := synced.Offset(); off.Abs() > skewWorth {
		s.Logger.WarnContext(ctx, "this machine's clock differs from the database's, which is followed", "ahead", -off)
	}
	return nil
}

// openRest opens what needs the schema, and what needs nothing.
func (s *Stores) openRest(ctx context.Context, set *settings, out egress.Options) error {
	s.linkTo = set.http.LinkTo
	*s.Passwords = *password.NewHasher(set.password)
	root, err := token.OpenRoot(ctx, s.DB, set.masterKey(), s.Clock)
	if err != nil {
		return err
	}
	*s.Root = *root
	*s.RefreshTokens = *token.NewRefreshTokens(root)
	*s.MailedTokens = *token.NewMailedTokens(root)
	*s.Cursors = *page.NewCodec(root.Derive(token.PurposeCursor))
	if s.keys, err = token.OpenKeys(ctx, s.DB, root, set.token.Policy(), s.Clock); err != nil {
		return err
	}
	issuer, audience := set.token.Names(set.http.PublicURL, root.InstallationID())
	access, err := token.NewAccess(s.keys, s.Clock, token.Options{Issuer: issuer, Audience: audience, TTL: set.token.TTL})
	if err != nil {
		return err
	}
	*s.Tokens = *access
	s.issuer = issuer
	if err := s.openLimiter(set); err != nil {
		return err
	}
	blobs, err := blob.Open(ctx, set.blob, set.root.DataDir)
	if err != nil {
		return err
	}
	*s.Blobs = *blobs
	*s.Egress = *egress.New(set.egress, out)
	s.Push.Open(push.Options{DB: s.DB, Redis: s.redis, Logger: s.Logger, Clock: s.synced}) //nolint:contextcheck // it works until Close, not until the stores are open
	return nil
}

// openLimiter counts in Redis where there is one, and in this process where there is none or it is away.
func (s *Stores) openLimiter(set *settings) error {
	memory := ratelimit.NewMemory(s.Clock, ratelimit.DefaultKeys)
	s.limiter.Limiter = memory
	redis, err := cache.OpenRedis(set.redis, s.Root.InstallationID, s.Logger)
	if err != nil {
		return fmt.Errorf("open redis: %w", err)
	}
	s.redis = redis
	if redis.State() != cache.StateNone {
		s.failover = ratelimit.NewFailover(ratelimit.NewRedis(redis), memory, s.Logger)
		s.limiter.Limiter = s.failover
	}
	return nil
}

func (s *Stores) close() {
	s.Push.Close()
	s.Egress.Close()
	_ = s.Blobs.Close() // nothing is under way any more
	if s.redis != nil {
		s.redis.Close()
	}
	if s.DB.Engine() != "" {
		s.DB.Close()
	}
}
