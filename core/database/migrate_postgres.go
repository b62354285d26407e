package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// migrationLock is the key of the advisory lock, an arbitrary number of our own.
	migrationLock = 7_305_808_871_931_001
	// lockPoll is how often a waiting migrator asks. Waiting inside the server would hold a snapshot and be harder to end.
	lockPoll = 50 * time.Millisecond
	// tableLockTimeout is how long a migration waits for a table: whoever asks for it after us waits behind us.
	tableLockTimeout = 2 * time.Second
	tableLockTries   = 10
)

// pgMigrator migrates on a connection of its own, past any pooler, without a statement time-out. Until it has to, it reads
// over the pool, since most starts find nothing to do; a direct_url is dialled in any case, so that a wrong one is found.
type pgMigrator struct {
	p    *postgres
	conn *pgx.Conn // nil until connected
}

func (p *postgres) migrator(ctx context.Context, _ Options) (migrator, error) {
	m := &pgMigrator{p: p}
	if p.ownDirect {
		if err := m.connect(ctx); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *pgMigrator) connect(ctx context.Context) error {
	config := m.p.direct.Copy()
	delete(config.RuntimeParams, "statement_timeout")
	delete(config.RuntimeParams, "idle_in_transaction_session_timeout")
	config.RuntimeParams["application_name"] = "gatehouse migrate"
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		r := classifyPostgres(ctx, err, true)
		r.kind = unavailable
		return r.answer()
	}
	m.conn = conn
	return nil
}

func (m *pgMigrator) fault(ctx context.Context, err error) error { return faultOn(ctx, m.conn, err) }

func faultOn(ctx context.Context, conn *pgx.Conn, err error) error {
	return classifyPostgres(ctx, err, conn.IsClosed()).answer()
}

// lock takes the session's advisory lock, which the server frees when the connection ends, however it ends.
func (m *pgMigrator) lock(ctx context.Context, waiting func()) error {
	if m.conn == nil {
		if err := m.connect(ctx); err != nil {
			return err
		}
	}
	return poll(ctx, waiting, func() (bool, error) {
		var ok bool
		if err := m.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrationLock)).Scan(&ok); err != nil {
			return false, m.fault(ctx, err)
		}
		return ok, nil
	})
}

// poll asks until it is told yes, and calls waiting once if the first answer is no.
func poll(ctx context.Context, waiting func(), ask func() (bool, error)) error {
	ticker := time.NewTicker(lockPoll)
	defer ticker.Stop()
	for first := true; ; first = false {
		ok, err := ask()
		if ok || err != nil {
			return err
		}
		if first {
			waiting()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return (&refusal{kind: unavailable, message: gaveUp, cause: ctx.Err()}).answer()
		}
	}
}

func (m *pgMigrator) applied(ctx context.Context, create bool) ([]applied, error) {
	if create {
		if _, err := m.conn.Exec(ctx, recordTable[PostgreSQL]); err != nil {
			return nil, m.fault(ctx, err)
		}
	}
	if m.conn != nil {
		return readApplied(ctx, m.conn)
	}
	c, r := m.p.acquire(ctx)
	if r != nil {
		return nil, r.answer()
	}
	defer c.Release()
	ctx, cancel := context.WithTimeout(ctx, m.p.statementTimeout)
	defer cancel()
	return readApplied(ctx, c.Conn())
}

func readApplied(ctx context.Context, conn *pgx.Conn) ([]applied, error) {
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT to_regclass('gatehouse_migrations') IS NOT NULL").Scan(&exists); err != nil {
		return nil, faultOn(ctx, conn, err)
	}
	if !exists {
		return nil, nil
	}
	rows, err := conn.Query(ctx, selectApplied)
	if err != nil {
		return nil, faultOn(ctx, conn, err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (applied, error) {
		var a applied
		err := row.Scan(&a.module, &a.number, &a.name, &a.digest, &a.at)
		a.at = a.at.UTC()
		return a, err
	})
	if err != nil {
		return nil, faultOn(ctx, conn, err)
	}
	return list, nil
}

// apply gives up a table lock that does not come, so that a server at work is not held up behind it, and asks again.
func (m *pgMigrator) apply(ctx context.Context, step migration, at time.Time, _ bool) error {
	for try := 1; ; try++ {
		err := m.applyOnce(ctx, step, at)
		var r *refusal
		if err == nil || !errors.As(err, &r) || (r.code != "55P03" && r.kind != retryable) || try == tableLockTries || !pause(ctx, try) {
			return err
		}
	}
}

func (m *pgMigrator) applyOnce(ctx context.Context, step migration, at time.Time) error {
	tx, err := m.conn.Begin(ctx)
	if err != nil {
		return m.fault(ctx, err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing after a commit
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", tableLockTimeout.Milliseconds())); err != nil {
		return m.fault(ctx, err)
	}
	// Several statements at once need the simple protocol, which the lower connection speaks.
	if _, err := m.conn.PgConn().Exec(ctx, step.text).ReadAll(); err != nil {
		return m.fault(ctx, err)
	}
	if m.conn.PgConn().TxStatus() != 'T' {
		return errOwnTransaction
	}
	if _, err := tx.Exec(ctx, rebind(insertApplied), step.module, step.number, step.name, step.digest, at); err != nil {
		return m.fault(ctx, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return m.fault(ctx, err)
	}
	return nil
}

func (m *pgMigrator) close() {
	if m.conn == nil {
		return
	}
	end, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = m.conn.Close(end)
}

var errOwnTransaction = errors.New("the file ends the transaction that it runs in; leave out BEGIN, COMMIT and ROLLBACK")
