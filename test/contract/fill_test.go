package contract_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
)

const manyRows = 100_000

// filling says what a table's rows are made of, as expressions of i, which counts from 0, and of what meanings gives.
type filling struct{ into, rows string }

var fillings = []filling{
	{ // no administrator who is active: the flows have the last one
		"users (id, email, email_canonical, email_folded, email_verified, password_hash, full_name, full_name_folded, role, is_active, version, created_at, updated_at, last_login_at)",
		`{id}, {address}, {address}, {address}, true, 'hash', 'Filler ' || i % 1000, 'filler ' || i % 1000,
		 CASE i % 2 WHEN 0 THEN 'user' ELSE 'admin' END, i % 2 = 0 AND i % 3 > 0, 1, {minutes ago}, {minutes ago}, {minutes ago}`,
	},
	{
		"sessions (id, account_id, generation, current_digest, created_at, last_used_at, idle_expires_at, expires_at, user_agent, ip)",
		"{id}, {id}, 0, {digest}, {now}, {now}, {now}, {now}, 'agent', '192.0.2.1'",
	},
	{"auth_login_attempts (digest, failures, blocked_until, expires_at)", "{digest}, 1, {now}, {in an hour}"},
	{"auth_known_addresses (digest, account_id, failures_digest, expires_at)", "{digest}, {id}, {digest}, {in an hour}"},
	{"auth_mailed_tokens (id, account_id, purpose, address, created_at, expires_at)", "{id}, {id}, 'reset', {address}, {now}, {in an hour}"},
	{ // one is past its retention
		"gatehouse_events (number, id, type, source, subject, occurred_at, data, personal)",
		"i + 1, {id}, 'gatehouse.user.registered.v1', 'urn:test', {id}, CASE i WHEN 0 THEN {ten years ago} ELSE {minutes ago} END, '{}', '{}'",
	},
	{"gatehouse_event_deliveries (number, destination, subject, attempts, due_at)", "i + 1, 'filler.events', {id}, 1, {in an hour}"},
	{"gatehouse_event_received (receiver, message_id, at)", "'filler.messages', {address}, {hours ago}"}, // none is past its retention
	{ // none that is active: workers have 100 at most
		"webhooks (id, url, description, event_types, is_active, secret, version, created_at, updated_at)",
		"{id}, 'https://example.com/', 'filler', '[]', false, {digest}, 1, {minutes ago}, {minutes ago}",
	},
	{
		"webhooks_deliveries (id, webhook_id, event_id, event_type, attempted_at, duration_ms)",
		"{id}, {id}, {id}, 'gatehouse.user.registered.v1', {minutes ago}, 1",
	},
	{ // one in a hundred refused
		"gatehouse_audit (id, number, occurred_at, action, outcome, actor_kind, actor, target, count, details, ip, mac)",
		`{id}, i + 1, {minutes ago}, 'filler.' || i % 100, CASE i % 100 WHEN 0 THEN 'refused' ELSE 'done' END, 'user', {one of a hundred}, {one of a hundred},
		 1, '{}', '10.0.0.' || i % 100, {digest}`,
	},
	{ // one batch is past its retention
		"gatehouse_audit_seals (number, first_number, last_number, newest_at, sealed_at, entries, entries_digest, signature)",
		"i + 1, i + 1, i + 1, CASE i WHEN 0 THEN {ten years ago} ELSE {now} END, {now}, {digest}, {digest}, {digest}",
	},
	{"gatehouse_audit_erasures (account, erased_at, mac)", "{id}, {hours ago}, {digest}"},
}

// meanings are the expressions of an engine. A digest's first bytes are spread as evenly as those of real ones: what is pruned
// is found by them, and PostgreSQL plans by how they are spread.
func meanings(kind database.Engine, now time.Time) *strings.Replacer {
	digest := "unhex(printf('%08x%056x', i * 2654435761 % 4294967296, i))"
	id := func(begin, n string) string { return fmt.Sprintf("printf('%s%%012d', %s)", begin, n) }
	before := func(n string, each time.Duration) string {
		return fmt.Sprintf("(%d - %s * %d)", now.UnixMicro(), n, each.Microseconds())
	}
	if kind == database.PostgreSQL {
		digest = "sha256(convert_to(i::text, 'UTF8'))"
		id = func(begin, n string) string {
			return fmt.Sprintf("('%s' || lpad((%s)::text, 12, '0'))::uuid", begin, n)
		}
		before = func(n string, each time.Duration) string {
			return fmt.Sprintf("(timestamptz '%s' - %s * interval '%d microseconds')", now.Format(time.RFC3339Nano), n, each.Microseconds())
		}
	}
	return strings.NewReplacer(
		"{id}", id(fillerIDs, "i"), "{one of a hundred}", id(actorIDs, "i % 100"), "{address}", "'filler-' || i || '@example.com'", "{digest}", digest,
		"{now}", before("0", time.Hour), "{in an hour}", before("-1", time.Hour), "{ten years ago}", before("10", 366*24*time.Hour),
		"{minutes ago}", before("i", time.Minute), "{hours ago}", before("(i + 108000)", 100*time.Millisecond),
	)
}

// What the ids of rows that fill makes begin with, and of those who act in its audit trail.
const (
	fillerIDs = "0190d3c4-1111-7a8b-9c0d-"
	actorIDs  = "0190d3c4-0000-7a8b-9c0d-"
)

// filler is one of a hundred who act in the audit trail that fill makes, and are acted on.
func filler(n int) string { return fmt.Sprintf("%s%012d", actorIDs, n) }

// fill puts many rows into every table that grows. The database makes them itself, and what only finds rows is built behind
// them: sent from here and indexed one by one, they take minutes under the race detector.
func fill(t *testing.T, db *database.DB) {
	t.Helper()
	now := time.Now().UTC()
	drop, build := indexesThatOnlyFind(t, db)
	meant := meanings(db.Engine(), now)
	all := append([]string{"UPDATE gatehouse_event_order SET last = {rows}", "UPDATE gatehouse_audit_head SET last_number = {rows}, seals = {rows}"}, drop...)
	all = append(all, meant.Replace("INSERT INTO gatehouse_event_destinations (name, read_to, failures, seen_at) VALUES ('filler.events', {rows}, 0, {now})"))
	for _, f := range fillings {
		all = append(all, "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {rows}) INSERT INTO "+f.into+" SELECT "+meant.Replace(f.rows)+" FROM n")
	}
	for _, statements := range [][]string{append(all, build...), {"ANALYZE"}} {
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			for _, sql := range statements {
				if _, err := tx.Exec(ctx, strings.ReplaceAll(sql, "{rows}", fmt.Sprint(manyRows))); err != nil {
					return fmt.Errorf("%s: %w", sql, err)
				}
			}
			return nil
		}))
	}
	for _, table := range tables(t, db) {
		var rows int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&rows))
		require.True(t, rows >= manyRows || slices.Contains(smallTables, table), "%s has %d rows: fill it, or say why it stays small", table, rows)
	}
}

// indexesThatOnlyFind gives the statements that drop and build the indexes that hold nothing unique.
func indexesThatOnlyFind(t *testing.T, db *database.DB) (drop, build []string) {
	t.Helper()
	query := `SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE 'CREATE INDEX %' AND tbl_name NOT LIKE 'river%'`
	if db.Engine() == database.PostgreSQL {
		query = `SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexdef LIKE 'CREATE INDEX %' AND tablename NOT LIKE 'river%'`
	}
	build = textsOf(t, db, query)
	for _, sql := range build {
		drop = append(drop, "DROP INDEX "+strings.Fields(sql)[2])
	}
	return drop, build
}

// smallTables do not grow with use: one row for each migration, each key, the installation, and each subscriber.
var smallTables = []string{
	"gatehouse_migrations", "gatehouse_installation", "gatehouse_signing_keys",
	"gatehouse_event_order", "gatehouse_event_destinations", "gatehouse_audit_head",
}
