package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/cache"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/token"
)

const (
	// examineDeadline bounds what one store is asked.
	examineDeadline = 10 * time.Second
	// redisDeadline bounds one question to Redis, connecting included: longer than requests wait, to tell slow from away.
	redisDeadline = 3 * time.Second
	// skewWorth is what is worth saying; skewLimit is what security.md allows between instances.
	skewWorth = 5 * time.Second
	skewLimit = time.Minute
)

// database looks at the connection, the schema and the root secret.
func (e *examination) database(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, examineDeadline)
	defer cancel()
	at := e.app.Target()
	db, err := e.app.openExisting(ctx)
	if errors.Is(err, database.ErrNoDatabase) {
		e.ok("database", "SQLite at "+at.Place+" is not there yet; the first start makes it")
		return
	}
	if err != nil {
		advice := "start PostgreSQL, and check host, name, user and TLS in database.url"
		if at.Engine == database.SQLite {
			advice = "check that it is a database of Gatehouse and that this user may read and write it"
		}
		e.fail("database", at.Place+": "+Plain(err), advice)
		return
	}
	defer db.Close()
	e.facts(ctx, db, at)
	if e.schema(ctx, db) {
		e.root(ctx, db)
		e.keys(ctx, db)
	}
}

func (e *examination) facts(ctx context.Context, db *database.DB, at database.Target) {
	before := e.app.options.Clock.Now()
	f, err := db.Facts(ctx)
	after := e.app.options.Clock.Now()
	if err != nil {
		e.fail("database", at.Place+": "+Plain(err), "see what the database itself logs")
		return
	}
	if at.Engine == database.SQLite {
		e.ok("database", "SQLite "+f.Version+" at "+at.Place)
		if at.Lax {
			e.strict("database.url", "synchronous is not full: a power cut can lose what was answered", "remove synchronous from database.url")
		}
		return
	}
	e.ok("database", "PostgreSQL "+f.Version+" at "+at.Place)
	switch {
	case f.Encrypted:
		e.ok("database.url", "the connection uses TLS")
	case database.PlainTextBeyondLoopback(e.settings.database.URL.Reveal()):
		e.warn("database.url", "the connection to another machine is plain text", "remove sslmode from database.url, so that TLS is verified")
	default:
		e.ok("database.url", "plain text, within this machine")
	}
	if len(f.Lax) > 0 {
		e.strict("database", strings.Join(f.Lax, " and ")+" is off in PostgreSQL: a power cut can lose what was answered", "switch it on for this database")
	}
	e.skew(f.Now.Sub(before.Add(after.Sub(before) / 2)))
}

// skew judges how far the database's clock is ahead of this machine's.
func (e *examination) skew(ahead time.Duration) {
	const advice = "let both machines follow a time server: Gatehouse follows the database's clock, while whoever else checks its tokens follows their own"
	switch off := ahead.Abs(); {
	case off > skewLimit:
		e.fail("clock", fmt.Sprintf("this machine and the database differ by %s", off.Round(time.Second)), advice)
	case off > skewWorth:
		e.warn("clock", fmt.Sprintf("this machine and the database differ by %s", off.Round(time.Second)), advice)
	default:
		e.ok("clock", fmt.Sprintf("this machine and the database agree to within %s", skewWorth))
	}
}

// schema says whether core's own tables are there.
func (e *examination) schema(ctx context.Context, db *database.DB) bool {
	list, err := db.MigrationStatus(ctx, e.app.Migrations())
	if err != nil {
		e.fail("schema", Plain(err), "check database.url and database.direct_url")
		return false
	}
	count := map[database.State]int{}
	coreReady := true
	for _, m := range list {
		count[m.State]++
		if m.Module == coreName && m.State == database.StatePending {
			coreReady = false
		}
		if m.State == database.StateChanged {
			e.fail("schema", fmt.Sprintf("%04d_%s of module %s is not what was applied", m.Number, m.Name, m.Module),
				"bring the file back as it was, and put the change into a new one")
		}
	}
	pending, unknown := count[database.StatePending], count[database.StateUnknown]
	switch {
	case pending > 0 && e.settings.database.Migrate == database.MigrateOff:
		e.fail("schema", fmt.Sprintf("%d of %d migrations are pending, and database.migrate is off", pending, len(list)), "run gatehouse migrate up")
	case pending > 0:
		e.ok("schema", fmt.Sprintf("%d of %d migrations are pending; the next start applies them", pending, len(list)))
	case unknown > 0:
		e.warn("schema", fmt.Sprintf("%d migrations are not known here: a newer version, or one with more modules, has used this database", unknown),
			"run that version")
	case count[database.StateChanged] == 0:
		e.ok("schema", fmt.Sprintf("%d migrations, all applied", len(list)))
	}
	return coreReady
}

func (e *examination) root(ctx context.Context, db *database.DB) {
	keys := e.settings.masterKey()
	if keys.IsZero() {
		return // safety has said it
	}
	state, err := token.CheckRoot(ctx, db, keys)
	switch {
	case err != nil:
		e.fail("master_key", Plain(err), "set GATEHOUSE_MASTER_KEY to the key that this database was set up with")
	case state == token.RootMissing:
		e.ok("master_key", "there is no root secret yet; the first start makes it")
	case state == token.RootPending:
		e.ok("master_key", "its second key opens the root secret; the next start moves it to the first")
	case e.settings.root.MasterKey.IsZero():
		e.ok("master_key", "is not set; the public development key opens the root secret")
	default:
		e.ok("master_key", "opens the root secret")
	}
}

// redis asks Redis what it is. Requests go on without it, so that its absence is a warning.
func (e *examination) redis(ctx context.Context) {
	s := e.settings.redis
	if s.URL.IsZero() {
		e.ok("redis", "none is set: every instance counts limits by itself")
		return
	}
	s.Timeout = redisDeadline
	r, err := cache.OpenRedis(s, func() string { return "doctor" }, slog.New(slog.DiscardHandler))
	if err != nil {
		e.fail("redis", err.Error(), "mend redis.url")
		return
	}
	defer r.Close()
	info, err := r.Inspect(ctx)
	switch {
	case err != nil:
		e.warn("redis", Plain(err), "start Redis and check redis.url; until then every instance counts limits by itself")
		return
	case info.Replica:
		e.warn("redis", "Redis "+info.Version+" is a replica, which takes no writes", "let redis.url lead to the primary")
	default:
		e.ok("redis", "Redis "+info.Version+" answers")
	}
	if cache.PlainTextBeyondLoopback(s.URL) {
		e.warn("redis.url", "the connection to another machine is plain text", "use rediss://")
	}
}
