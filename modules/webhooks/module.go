// Package webhooks tells others over HTTP what has happened: administrators say where and of which types, and each webhook
// is a destination of core/event, with a place of its own in the order of events. What goes out is signed after Standard
// Webhooks, and goes through core/egress alone. Every attempt is kept for a while; a webhook that takes nothing for days is
// disabled, and the administrators are told.
//
// It keeps nothing about a person, and neither the body of an event nor that of an answer.
package webhooks

import (
	"context"
	"embed"
	"log/slog"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/core/ratelimit"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/users"
)

// Directory finds the administrators, who are told when a webhook is disabled.
type Directory interface {
	List(ctx context.Context, q users.ListQuery) (page.Page[users.User], error)
}

// Deps are what the module stands on. They may be empty until the stores are open.
type Deps struct {
	DB      *database.DB
	Users   Directory
	Root    *token.Root
	Egress  *egress.Client
	Events  *event.Outbox
	Audit   *audit.Trail
	Jobs    *job.Queue
	Mails   *mail.Catalogue
	Mail    *mail.Sender
	Cursors *page.Codec
	Limits  *ratelimit.Limits
	Issuer  func() string // the installation, as events name their source
	Clock   clock.Clock
	Logger  *slog.Logger
}

//go:embed migrations
var migrations embed.FS

// New makes the service and the module that mounts it.
func New(d Deps) (*Service, module.Module) {
	s := &Service{
		deps: d, settings: &Settings{},
		tests: d.Limits.Declare("webhook_test", ratelimit.PerMinute(10), "test deliveries that one user asks for, over all webhooks"),
	}
	declareMails(d.Mails)
	declareActs(d.Audit)
	return s, module.Module{
		Name: "webhooks", Settings: s.settings, Migrations: migrations, Permissions: permissions, Routes: s.routes,
		Jobs:         []job.Handler{job.Handle(mailWork, s.sendMail), job.Handle(job.Options{}, s.prune)},
		Schedules:    []job.Periodic{{Every: pruneEvery, Args: pruneArgs{}}},
		Destinations: s.destinations,
	}
}

// Service keeps webhooks, and delivers to them.
type Service struct {
	deps     Deps
	settings *Settings
	tests    *ratelimit.Limit
}
