// Package testkit is what modules are tested with, ours and those of programs built on Gatehouse: a case on every store,
// the whole app behind a real socket, a client that speaks as someone, factories with defaults, and a clock that moves when
// told to.
package testkit

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/egress"
	"github.com/gatehouse/gatehouse/core/mail/mailtest"
	"github.com/gatehouse/gatehouse/core/password"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

// Option changes what Serve starts.
type Option func(*options)

type options struct {
	build    app.Build
	clock    clock.Clock
	settings map[string]string
	observe  func(context.Context, database.Statement)
	recorder *Recorder
	worker   bool
	costly   bool // passwords cost what they do in production
	egress   egress.Options
}

// mailbox is the folder that the app writes mail to.
func (o *options) mailbox() mailtest.Mailbox {
	if folder, ok := strings.CutPrefix(o.settings["mail.url"], "dir:"); ok {
		return mailtest.Mailbox{Folder: folder}
	}
	return mailtest.Mailbox{Folder: filepath.Join(o.settings["data_dir"], "mail")}
}

// WithBuild serves other modules than the standard ones.
func WithBuild(b app.Build) Option { return func(o *options) { o.build = b } }

// WithClock gives the app its time.
func WithClock(c clock.Clock) Option { return func(o *options) { o.clock = c } }

// WithSetting sets one setting, by its path.
func WithSetting(path, value string) Option {
	return func(o *options) { o.settings[path] = value }
}

// WithLimits leaves the limits on; Serve switches them off.
func WithLimits() Option { return WithSetting("ratelimit.enabled", "true") }

// WithRedis counts limits in the Redis that TEST_REDIS_URL names.
func WithRedis(t testing.TB) Option {
	t.Helper()
	require.NotEmpty(t, os.Getenv(RedisVariable), "set "+RedisVariable)
	return WithSetting("redis.url", os.Getenv(RedisVariable))
}

// WithObserver is told every statement.
func WithObserver(f func(context.Context, database.Statement)) Option {
	return func(o *options) { o.observe = f }
}

// WithEgress replaces what webhooks ask beside their receivers, such as the resolver of names.
func WithEgress(e egress.Options) Option { return func(o *options) { o.egress = e } }

// WithRecorder notes which operation gave which status.
func WithRecorder(r *Recorder) Option { return func(o *options) { o.recorder = r } }

// WithPasswordCost hashes passwords at the cost that the settings say. Serve takes the cost out, which settings do not allow:
// tests hash hundreds, and none is secret.
func WithPasswordCost() Option { return func(o *options) { o.costly = true } }

// WithWorker works jobs while the test runs, as a server does. Without it they wait for WorkJobs.
func WithWorker() Option { return func(o *options) { o.worker = true } }

// API is a running app, and a client that speaks to it as nobody. It is safe for concurrent use.
type API struct {
	App  *app.App
	URL  string
	Logs *logtest.Logs

	t        testing.TB
	client   *http.Client
	recorder *Recorder
	mailbox  mailtest.Mailbox
	token    string
	header   http.Header
}

// Serve starts the app on a database and stops it when the test ends. Limits are off unless WithLimits is given, passwords cost
// nothing unless WithPasswordCost is, and what waits for a connection or for a password's hash waits for a minute, since a machine that runs many tests is a busy one.
func Serve(t testing.TB, db Database, opts ...Option) *API {
	t.Helper()
	o := options{build: app.Standard, settings: map[string]string{
		"database.url": db.URL, "database.pool_min": "0", "database.pool_max": "10", "data_dir": t.TempDir(),
		"database.acquire_deadline": "1m", "password.queue_deadline": "1m",
		"ratelimit.enabled": "false", "log.level": "debug", "log.format": "json",
		"redis.prefix": "test-" + rand.Text(), "redis.timeout": "1s",
	}}
	if db.DirectURL != "" {
		o.settings["database.pooler"], o.settings["database.direct_url"] = database.PoolerTransaction, db.DirectURL
	}
	for _, opt := range opts {
		opt(&o)
	}
	logs := &logtest.Logs{}
	a, err := app.New(o.build, app.Options{Clock: o.clock, Observe: o.observe, Logs: logs, Egress: o.egress})
	require.NoError(t, err)
	_, err = a.Load(config.Source{Args: maps.Clone(o.settings)})
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	require.NoError(t, a.Open(ctx))
	t.Cleanup(func() { a.Close(context.Background()) })
	if !o.costly {
		*a.Stores.Passwords = *password.NewHasher(password.Settings{Memory: 64 << 10, Time: 1, Parallel: 1, QueueDeadline: time.Minute})
	}
	require.NoError(t, a.Stores.Push.Wait(ctx), "the channel to other instances") // when it comes alive, caches are cleared
	handler, err := a.Handler()
	require.NoError(t, err)
	if o.worker {
		stop, err := a.StartWorker(context.WithoutCancel(ctx)) // ctx ends with this function
		require.NoError(t, err)
		t.Cleanup(stop)
	}
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = 64
	return &API{App: a, URL: srv.URL, Logs: logs, t: t, client: client, recorder: o.recorder, mailbox: o.mailbox(), header: http.Header{}}
}
