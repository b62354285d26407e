// Package app is the composition root: it reads the settings, opens the stores, builds modules in order of need, and gives
// the handler that serves them. It is the only importer of modules.
package app

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/telemetry"
	"github.com/gatehouse/gatehouse/core/token"
)

// Build makes modules over lazy handles: nothing is opened until every setting, the modules' included, was read and checked.
type Build func(*Stores) ([]module.Module, error)

// Options replace parts of an App, for tests.
type Options struct {
	Clock   clock.Clock                                     // nil is the machine's, in step with PostgreSQL's; any *clock.Synced is kept in step
	Observe func(ctx context.Context, s database.Statement) // is told each statement; nil costs nothing
	Logs    io.Writer                                       // nil is stderr
	Egress  egress.Options                                  // what webhooks ask in place of the system's resolver and roots
	// LogLevel replaces the default of log.level, for commands that people watch; empty leaves it.
	LogLevel string
}

// App is a program made of modules, before and after its stores are open.
type App struct {
	Modules []module.Module
	Router  *httpapi.Router
	Stores  *Stores

	options   Options
	settings  *settings
	values    *config.Values
	telemetry *telemetry.Telemetry
	brokers   *brokers // nil before the app is open
}

// New builds the modules and mounts their operations. It opens nothing, so it can print what there is.
func New(build Build, o Options) (*App, error) {
	if o.Clock == nil {
		o.Clock = clock.NewSynced(clock.System{})
	}
	a := &App{Stores: newStores(o.Clock), options: o, settings: &settings{}}
	modules, err := build(a.Stores)
	if err != nil {
		return nil, fmt.Errorf("build modules: %w", err)
	}
	if err := checkModules(modules); err != nil {
		return nil, err
	}
	a.Modules = modules
	a.Stores.Holdings.modules = modules
	a.Router = httpapi.NewRouter("Gatehouse", description, documentVersion())
	for _, m := range modules {
		if m.Routes != nil {
			m.Routes(a.Router)
		}
	}
	a.Stores.Audit.Routes(a.Router)
	if err := a.checkPermissions(); err != nil {
		return nil, err
	}
	if err := a.checkJobs(); err != nil {
		return nil, err
	}
	if err := a.checkSubscriptions(); err != nil {
		return nil, err
	}
	if err := a.checkReceivers(); err != nil {
		return nil, err
	}
	return a, nil
}

// checkModules wants every name once and every need met by a module before it.
func checkModules(modules []module.Module) error {
	var seen []string
	for _, m := range modules {
		if m.Name == "" || m.Name == coreName || m.Name == job.MigrationsName || m.Name == eventsName || m.Name == audit.Name || slices.Contains(seen, m.Name) {
			return fmt.Errorf("module %q: the name is empty, reserved or taken", m.Name)
		}
		for _, need := range m.Needs {
			if !slices.Contains(seen, need) {
				return fmt.Errorf("module %s needs %s, which does not come before it", m.Name, need)
			}
		}
		seen = append(seen, m.Name)
	}
	return nil
}

// permissions lists the modules' and core's.
func (a *App) permissions() (all []authz.Permission) {
	for _, m := range a.Modules {
		all = append(all, m.Permissions...)
	}
	return append(all, audit.Permissions...)
}

// checkPermissions wants every permission that an operation asks for to be defined.
func (a *App) checkPermissions() error {
	defined := map[string]bool{}
	for _, p := range a.permissions() {
		defined[p.Name] = true
	}
	for _, op := range a.Router.Operations() {
		for _, asked := range op.Permissions() {
			if !defined[asked] {
				return fmt.Errorf("%s %s asks for the permission %s, which no module defines", op.Method, op.Path, asked)
			}
		}
	}
	return nil
}

// eventsName is that of events' settings, jobs and place in an export, which no module may take.
const eventsName = "events"

// coreName is the name under which core's packages bring migrations.
const coreName = "core"

// coreMigrations are those of core's packages, whose numbers go on from one to the next.
var coreMigrations = database.JoinFS(token.Migrations, event.Migrations)

// Migrations lists core's and every module's, in order.
func (a *App) Migrations() []database.Migrations {
	all := []database.Migrations{{Module: coreName, FS: coreMigrations}, {Module: job.MigrationsName, FS: job.Migrations()}, {Module: audit.Name, FS: audit.Migrations}}
	for _, m := range a.Modules {
		if m.Migrations != nil {
			all = append(all, database.Migrations{Module: m.Name, FS: m.Migrations})
		}
	}
	return all
}

// Parts lists every settings struct, core's and the modules'.
func (a *App) Parts() []config.Part {
	parts := append(a.settings.parts(), config.Part{Path: "ratelimit", Into: a.Stores.Limits})
	for _, m := range a.Modules {
		if m.Settings == nil {
			continue
		}
		path := m.Name
		if p, ok := m.Settings.(interface{ SettingsPath() string }); ok {
			path = p.SettingsPath()
		}
		parts = append(parts, config.Part{Path: path, Into: m.Settings})
	}
	return parts
}

// Load reads every setting. Its error lists every fault.
func (a *App) Load(src config.Source) (*config.Values, error) {
	values, err := config.Load(src, a.Parts()...)
	if err != nil {
		return nil, err
	}
	a.values = values
	if v, ok := values.Get("http.drain_delay"); ok && v.Origin == "default" && a.settings.production() {
		a.settings.http.DrainDelay = productionDrainDelay
	}
	if v, ok := values.Get("log.level"); ok && v.Origin == "default" && a.options.LogLevel != "" {
		a.settings.telemetry.Level = a.options.LogLevel
	}
	return values, nil
}

// CheckSafety returns ErrUnsafe, with everything that the environment forbids, or nil.
func (a *App) CheckSafety() error {
	return a.settings.checkSafety(a.unsafe())
}

// unsafe lists what the environment forbids, core's settings and the modules', each with what to do about it.
func (a *App) unsafe() []string {
	faults := a.settings.unsafe(a.Stores.Limits.Enabled(), a.values.Exposed())
	if !a.settings.production() {
		return faults
	}
	for _, p := range a.Parts() {
		if c, ok := p.Into.(config.ProductionChecker); ok {
			c.CheckProduction(func(field, fault string) { faults = append(faults, p.Path+"."+field+" "+fault) })
		}
	}
	return faults
}

// OpenDatabase starts the log and connects to the database; its schema may still have to be brought up.
func (a *App) OpenDatabase(ctx context.Context) error {
	t, err := telemetry.Open(ctx, a.settings.telemetry, telemetry.Options{
		Service: "gatehouse", Version: Version(), Development: !a.settings.production(), Writer: a.options.Logs,
	})
	if err != nil {
		return fmt.Errorf("open telemetry: %w", err)
	}
	a.telemetry = t
	*a.Stores.Logger = *t.Logger()
	return a.Stores.openDatabase(ctx, a.settings, a.options.Observe)
}

// Migrate brings the schema up.
func (a *App) Migrate(ctx context.Context) ([]database.Applied, error) {
	return a.Stores.DB.Migrate(ctx, a.Migrations())
}

// Open opens every store, with a schema that is brought up first unless the settings leave that to the migrate command.
func (a *App) Open(ctx context.Context) error {
	if err := a.openMail(); err != nil { // before anything is changed
		return err
	}
	if _, err := a.newBrokers(nil); err != nil { // as above
		return err
	}
	if err := a.checkQueues(); err != nil { // as above
		return err
	}
	if err := a.OpenDatabase(ctx); err != nil {
		return err
	}
	if err := a.bringUp(ctx); err != nil {
		return err
	}
	if err := a.Stores.openRest(ctx, a.settings, a.options.Egress); err != nil {
		return err
	}
	if err := a.openBrokers(); err != nil { //nolint:contextcheck // messages are counted whenever they end
		return err
	}
	if err := a.openEvents(ctx); err != nil {
		return err
	}
	if err := a.openAudit(); err != nil { //nolint:contextcheck // refusals are counted whenever they come
		return err
	}
	if err := a.openJobs(); err != nil { //nolint:contextcheck // attempts are counted whenever they end
		return err
	}
	return a.instrument()
}

// Handler gives the public listener's handler. The stores must be open.
func (a *App) Handler() (http.Handler, error) {
	deps := httpapi.Dependencies{
		Settings: &a.settings.http, Authenticator: a.Stores.Authenticator, Logger: a.Stores.Logger,
		Observe: a.observe, Trace: a.trace, Refused: a.refused,
	}
	if a.Stores.Limits.Enabled() {
		deps.Limiter = a.Stores.Limiter
	}
	return a.Router.Serve(deps)
}

// Metrics answers with the metrics in Prometheus' text format, as the operations listener does at /metrics. The app must be open.
func (a *App) Metrics() http.Handler { return a.telemetry.Handler() }

// observe counts an answer.
func (a *App) observe(method, route string, status int, took time.Duration) {
	a.telemetry.RecordRequest(context.Background(), method, route, status, took)
}

// trace begins a request's span.
func (a *App) trace(ctx context.Context, h http.Header, method string) (context.Context, func(route string, status int)) {
	ctx, span := a.telemetry.StartRequest(ctx, h, method, "")
	return ctx, func(_ string, status int) { span.End(status) }
}

// Close ends what Open has opened.
func (a *App) Close(ctx context.Context) {
	if a.brokers != nil {
		a.brokers.close(ctx)
	}
	a.Stores.Audit.Close(ctx)
	a.Stores.close()
	if a.telemetry != nil {
		_ = a.telemetry.Shutdown(ctx) // there is nowhere left to say it
	}
}
