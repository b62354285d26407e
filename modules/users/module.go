// Package users owns accounts: who someone is, how they are reached, what role they have, and the hash of their password.
// It starts no sessions, and has them ended where an account may no longer have any; it checks no passwords, and says what
// a login is checked against and records it.
package users

import (
	"context"
	"embed"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/blob"
	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/core/picture"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/modules/sessions"
)

// Sessions is what the module asks of sessions.
type Sessions interface {
	List(ctx context.Context, owner account.ID) ([]sessions.Session, error)
	ListEnded(ctx context.Context, owner account.ID) ([]sessions.Session, error)
	End(ctx context.Context, owner account.ID, id account.SessionID, why sessions.Reason) error
	EndAllTx(ctx context.Context, tx *database.Tx, owner account.ID, why sessions.Reason, except ...account.SessionID) (int, error)
}

// Holdings is what all modules hold about accounts, this one included.
type Holdings interface {
	// Export gives it by the names of the modules.
	Export(ctx context.Context, id account.ID) (map[string]any, error)
	EraseTx(ctx context.Context, tx *database.Tx, id account.ID) error
}

// Deps are what the module stands on. They may be empty until the stores are open.
type Deps struct {
	DB       *database.DB
	Sessions Sessions
	Holdings Holdings
	Jobs     *job.Queue
	Mails    *mail.Catalogue
	Mail     *mail.Sender
	Blobs    *blob.Store
	Pictures *picture.Decoder
	Push     *push.Bus
	Events   *event.Outbox
	Audit    *audit.Trail
	Cursors  *page.Codec
	Clock    clock.Clock
}

//go:embed migrations
var migrations embed.FS

// rememberedUsers bounds the memory: about 500 bytes each.
const rememberedUsers = 100_000

// New makes the service and the module that mounts it.
func New(d Deps) (*Service, module.Module) {
	s := &Service{deps: d, settings: &Settings{}}
	s.byID = cache.NewLoading(cache.LoadingOptions{Clock: d.Clock, Size: rememberedUsers}, func(ctx context.Context, id account.ID) (User, error) {
		return repository{d.DB}.byID(ctx, id)
	})
	s.changed = push.Follow(d.Push, "users", s.byID, account.ParseID)
	declareMails(d.Mails)
	declareEvents(d.Events)
	declareActs(d.Audit)
	return s, module.Module{
		Name: "users", Needs: []string{"sessions"}, Settings: s.settings, Migrations: migrations, Permissions: permissions, Routes: s.routes,
		Export: s.export, Erase: s.eraseTx,
		Jobs:      []job.Handler{job.Handle(mailWork, s.sendMail), job.Handle(job.Options{Shows: []string{"account", "name"}}, s.sweepAvatar), job.Handle(job.Options{}, s.fold)},
		Schedules: []job.Periodic{{Every: foldEvery, Args: foldArgs{}}},
	}
}

// Service holds the rules about accounts.
type Service struct {
	deps     Deps
	settings *Settings
	byID     *cache.Loading[account.ID, User]
	changed  *push.Topic[account.ID]
}
