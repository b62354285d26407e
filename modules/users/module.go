// Package users owns accounts: who someone is, how they are reached, what role they have, and the hash of their password.
// It starts and ends no sessions and checks no passwords; it says what a login is checked against and records it.
package users

import (
	"context"
	"embed"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/blob"
	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/picture"
	"github.com/gatehouse/gatehouse/core/push"
)

// Deps are what the module stands on. They may be empty until the stores are open.
type Deps struct {
	DB       *database.DB
	Jobs     *job.Queue
	Blobs    *blob.Store
	Pictures *picture.Decoder
	Push     *push.Bus
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
	return s, module.Module{
		Name: "users", Needs: []string{"sessions"}, Settings: s.settings, Migrations: migrations, Routes: s.routes,
		Jobs: []job.Handler{job.Handle(job.Options{}, s.sweepAvatar)},
	}
}

// Service holds the rules about accounts.
type Service struct {
	deps     Deps
	settings *Settings
	byID     *cache.Loading[account.ID, User]
	changed  *push.Topic[account.ID]
}
