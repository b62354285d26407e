package audit_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/core/token"
)

const (
	write = "note.write"
	read  = "note.read"

	agent = "Mozilla/5.0"
	ip    = "192.0.2.1"
)

// process is a trail as one of several processes has it.
type process struct {
	*audit.Trail

	t    testing.TB
	db   *database.DB
	clk  *clock.Fake
	logs *logtest.Logs
	seen audit.Observed
}

func newClock() *clock.Fake { return clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)) }

// open brings up a process.
func open(t testing.TB, on databasetest.Database, clk *clock.Fake) *process {
	t.Helper()
	settings := on.Settings()
	settings.PoolMin, settings.PoolMax, settings.AcquireDeadline = 0, 10, 30*time.Second
	db, err := database.Open(t.Context(), settings, database.Options{})
	require.NoError(t, err)
	t.Cleanup(db.Close)
	_, err = db.Migrate(t.Context(), []database.Migrations{{Module: "core", FS: token.Migrations}, {Module: audit.Name, FS: audit.Migrations}})
	require.NoError(t, err)
	root, err := token.OpenRoot(t.Context(), db, secret.New("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), clk)
	require.NoError(t, err)
	p := &process{Trail: audit.NewTrail(page.NewCodec(root.Derive(token.PurposeCursor))), t: t, db: db, clk: clk, logs: &logtest.Logs{}}
	p.Declare(write, "somebody wrote a note")
	p.Declare(read, "somebody read a note")
	p.Open(audit.Options{
		DB: db, Derive: root.Derive, Settings: audit.DefaultSettings(), Clock: clk, Logger: slog.New(slog.NewJSONHandler(p.logs, nil)),
		Observe: func(o audit.Observed) {
			p.seen.Refused += o.Refused
			p.seen.Written += o.Written
			p.seen.Lost += o.Lost
		},
	})
	return p
}

// write appends acts that came from a client, in a transaction, and lets a second pass.
func (p *process) write(acts ...audit.Act) {
	p.t.Helper()
	p.inTx(func(ctx context.Context, tx *database.Tx) error { return p.AppendFrom(ctx, tx, ip, agent, acts...) })
	p.clk.Advance(time.Second)
}

func (p *process) inTx(f func(ctx context.Context, tx *database.Tx) error) {
	p.t.Helper()
	require.NoError(p.t, p.db.InTx(p.t.Context(), f))
}

// exec changes the database behind the program's back.
func (p *process) exec(sql string) {
	p.t.Helper()
	_, err := p.db.Exec(p.t.Context(), sql)
	require.NoError(p.t, err, sql)
}

func (p *process) count(from string) (n int) {
	p.t.Helper()
	require.NoError(p.t, p.db.QueryRow(p.t.Context(), "SELECT count(*) FROM "+from).Scan(&n))
	return n
}

func (p *process) seal() {
	p.t.Helper()
	require.NoError(p.t, p.Seal(p.t.Context()))
}

func (p *process) flush() {
	p.t.Helper()
	require.NoError(p.t, p.Flush(p.t.Context(), true))
}

func (p *process) erase(id account.ID) {
	p.t.Helper()
	p.inTx(func(ctx context.Context, tx *database.Tx) error { return p.EraseTx(ctx, tx, id) })
}

// list gives every row, the oldest first.
func (p *process) list() (all []audit.Entry) {
	p.t.Helper()
	require.NoError(p.t, p.Each(p.t.Context(), nil, nil, func(e audit.Entry) error {
		all = append(all, e)
		return nil
	}))
	return all
}

// verify gives what was found, and the names of all that is not as it was written.
func (p *process) verify(anchors ...audit.Anchor) (audit.Verified, []string) {
	p.t.Helper()
	names := []string{}
	found, err := p.Verify(p.t.Context(), audit.VerifyOptions{Anchors: anchors}, func(f audit.Fault) {
		p.t.Log(f)
		names = append(names, nameOf(f))
	})
	require.NoError(p.t, err)
	slices.Sort(names)
	return found, slices.Compact(names)
}

func nameOf(f audit.Fault) string {
	switch {
	case f.Number != 0:
		return fmt.Sprintf("row %d", f.Number)
	case f.ID != uuid.Nil:
		return "row unsealed"
	case f.Seal != 0:
		return fmt.Sprintf("seal %d", f.Seal)
	default:
		return "head"
	}
}

// people are who acts in these tests.
type people struct{ ada, admin account.ID }

func newPeople() people { return people{account.NewID(), account.NewID()} }

// sealed writes nine rows in three batches of three.
func (p *process) sealed(who people) {
	p.t.Helper()
	for range 3 {
		p.write(
			audit.Act{Action: write, Actor: who.ada, Target: who.ada, Email: "ada@example.com", Details: map[string]any{"n": 1}},
			audit.Act{Action: read, Outcome: audit.Failed, Reason: "invalid_credentials", Target: who.ada},
		)
		p.write(audit.Act{Action: write, Actor: who.admin, Target: who.ada, Email: "ada@example.com", Reason: "because", Details: map[string]any{"n": 2}})
		p.seal()
	}
}
