package database

import (
	"time"

	"github.com/gatehouse/gatehouse/core/secret"
)

// The values of Settings.Pooler and Settings.Migrate.
const (
	PoolerNone        = "none"
	PoolerTransaction = "transaction"
	MigrateAuto       = "auto"
	MigrateOff        = "off"
)

// Settings say which database to use and how hard.
type Settings struct { //nolint:recvcheck // Check is called through the pointer that is filled, Target on what was read
	URL              secret.String `conf:"url" default:"" doc:"postgres://… or sqlite:<path>; empty means sqlite:<data_dir>/gatehouse.db. To PostgreSQL beyond loopback TLS is verified unless sslmode says otherwise"`
	DirectURL        secret.String `conf:"direct_url" default:"" doc:"URL of PostgreSQL itself where url leads to a pooler; migrations and LISTEN use it"`
	PoolMin          int           `conf:"pool_min" default:"10" doc:"connections to PostgreSQL that are kept open"`
	PoolMax          int           `conf:"pool_max" default:"30" doc:"most connections to PostgreSQL at once"`
	Pooler           string        `conf:"pooler" default:"none" doc:"none, or transaction where a pooler such as PgBouncer shares connections between transactions: no named statements are used then"`
	Migrate          string        `conf:"migrate" default:"auto" doc:"auto: serve and worker bring the schema up when they start; off: only the migrate command does"`
	AcquireDeadline  time.Duration `conf:"acquire_deadline" default:"1s" doc:"longest wait for a connection, or for the write handle of SQLite, before the answer is 503"`
	StatementTimeout time.Duration `conf:"statement_timeout" default:"10s" doc:"longest run of one statement"`
}

// DefaultSettings are the defaults of the tags, for callers that read no configuration, such as tests.
func DefaultSettings() Settings {
	return Settings{PoolMin: 10, PoolMax: 30, Pooler: PoolerNone, Migrate: MigrateAuto, AcquireDeadline: time.Second, StatementTimeout: 10 * time.Second}
}

// Check reports what the settings may not be. No report holds a URL.
func (s *Settings) Check(report func(field, fault string)) {
	engine := s.checkURLs(report)
	if s.PoolMax < 1 || s.PoolMax > 10_000 {
		report("pool_max", "must be between 1 and 10000")
	}
	if s.PoolMin < 0 || s.PoolMin > s.PoolMax {
		report("pool_min", "must be between 0 and pool_max")
	}
	switch s.Pooler {
	case PoolerNone:
	case PoolerTransaction:
		if engine == PostgreSQL && s.DirectURL.IsZero() {
			report("direct_url", "is needed with pooler=transaction: migrations do not work through such a pooler")
		}
	default:
		report("pooler", "must be none or transaction")
	}
	if s.Migrate != MigrateAuto && s.Migrate != MigrateOff {
		report("migrate", "must be auto or off")
	}
	if s.AcquireDeadline < time.Millisecond || s.AcquireDeadline > time.Minute {
		report("acquire_deadline", "must be between 1ms and 1m")
	}
	if s.StatementTimeout < time.Millisecond || s.StatementTimeout > time.Hour {
		report("statement_timeout", "must be between 1ms and 1h")
	}
}

func (s *Settings) checkURLs(report func(field, fault string)) Engine {
	engine, err := engineOf(s.URL.Reveal())
	if err == nil && engine == PostgreSQL {
		_, err = parsePostgres(s.URL.Reveal())
	}
	if err == nil && engine == SQLite && !s.URL.IsZero() {
		_, err = parseSQLite(s.URL.Reveal(), "")
	}
	if err != nil {
		report("url", err.Error())
	}
	if s.DirectURL.IsZero() {
		return engine
	}
	direct, err := engineOf(s.DirectURL.Reveal())
	if err == nil && direct == PostgreSQL {
		_, err = parsePostgres(s.DirectURL.Reveal())
	}
	switch {
	case err != nil:
		report("direct_url", err.Error())
	case direct != PostgreSQL || engine != PostgreSQL:
		report("direct_url", "is for PostgreSQL alone")
	}
	return engine
}
