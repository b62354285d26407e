// Package users owns accounts: who someone is, how they are reached, what role they have, and the hash of their password.
// It starts and ends no sessions and checks no passwords; it says what a login is checked against and records it.
package users

import (
	"context"
	"embed"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/module"
)

// Deps are what the module stands on. They may be empty until the stores are open.
type Deps struct {
	DB    *database.DB
	Clock clock.Clock
}

//go:embed migrations
var migrations embed.FS

const (
	// userTTL is how old a remembered user may be: what changes one elsewhere is seen here within it.
	userTTL = time.Second
	// rememberedUsers bounds the memory: about 500 bytes each.
	rememberedUsers = 100_000
)

// New makes the service and the module that mounts it.
func New(d Deps) (*Service, module.Module) {
	s := &Service{deps: d}
	s.byID = cache.NewLoading(cache.LoadingOptions{Clock: d.Clock, Size: rememberedUsers, TTL: userTTL}, func(ctx context.Context, id account.ID) (User, error) {
		return repository{d.DB}.byID(ctx, id)
	})
	return s, module.Module{Name: "users", Needs: []string{"sessions"}, Migrations: migrations, Routes: s.routes}
}

// Service holds the rules about accounts.
type Service struct {
	deps Deps
	byID *cache.Loading[account.ID, User]
}
