// Package sessions owns sessions and their refresh tokens. A session is one row: it is started with a login, lives while
// it is used and at most for its absolute life, and every access token depends on it. The row is the truth; what is
// remembered of it is as old as core/push allows. A refresh token works once: its use gives the next one, and a second use
// of it, beyond a short leeway, ends the session. Why a session ended is kept, and shown to its owner for 30 days.
//
// It knows accounts only by their id, and nothing of passwords.
package sessions

import (
	"embed"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/core/token"
)

// Settings are the settings under "auth.session".
type Settings struct {
	Idle        time.Duration `conf:"idle" default:"24h" doc:"life of a session that is not used"`
	Absolute    time.Duration `conf:"absolute" default:"30d" doc:"life of a session however much it is used"`
	ReuseLeeway time.Duration `conf:"reuse_leeway" default:"10s" doc:"how long after a refresh token's first use each further use of it gives the same successor again; any later one ends the session; 0s is strict"`
}

// longestLeeway bounds how long a stolen token that was just used passes for a lost answer.
const longestLeeway = time.Minute

// SettingsPath puts the settings beside those of the auth module, where people look for them.
func (*Settings) SettingsPath() string { return "auth.session" }

// Check reports lives that no session can have.
func (s *Settings) Check(report func(field, fault string)) {
	if s.Idle < time.Minute {
		report("idle", "must be at least 1m")
	}
	if s.Absolute < s.Idle {
		report("absolute", "must be at least as long as idle")
	}
	if s.ReuseLeeway < 0 || s.ReuseLeeway > longestLeeway {
		report("reuse_leeway", "must be 0s to 1m")
	}
}

// Deps are what the module stands on. They may be empty until the stores are open.
type Deps struct {
	DB            *database.DB
	RefreshTokens *token.RefreshTokens
	Push          *push.Bus
	Events        *event.Outbox
	Audit         *audit.Trail
	Clock         clock.Clock
}

//go:embed migrations
var migrations embed.FS

// New makes the service and the module that mounts it.
func New(d Deps) (*Service, module.Module) {
	s := &Service{deps: d, settings: &Settings{}}
	declareEvents(d.Events)
	declareActs(d.Audit)
	s.states = cache.NewLoading(cache.LoadingOptions{Clock: d.Clock, Size: rememberedStates}, s.loadState)
	s.changed = push.Follow(d.Push, "sessions", s.states, account.ParseSessionID)
	return s, module.Module{
		Name: "sessions", Settings: s.settings, Migrations: migrations, Routes: s.routes,
		Jobs: []job.Handler{job.Handle(job.Options{}, s.prune)}, Schedules: []job.Periodic{{Every: pruneEvery, Args: pruneArgs{}}},
		Export: s.export, Erase: s.eraseTx,
	}
}

// Service starts, refreshes, lists and ends sessions, and says whether they live.
type Service struct {
	deps     Deps
	settings *Settings
	states   *cache.Loading[account.SessionID, state]
	changed  *push.Topic[account.SessionID]
}
