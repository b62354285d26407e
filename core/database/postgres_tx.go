package database

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pgTx is a transaction and the connection it runs on.
type pgTx struct {
	p    *postgres
	conn *pgxpool.Conn
	tx   pgx.Tx
}

func (p *postgres) begin(ctx context.Context) (engineTx, *refusal) {
	c, r := p.acquire(ctx)
	if r != nil {
		return nil, r
	}
	deadline, cancel := context.WithTimeout(ctx, p.statementTimeout)
	defer cancel()
	tx, fault := c.Conn().BeginTx(deadline, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if fault != nil {
		r = p.fault(deadline, c.Conn(), fault)
		c.Release()
		return nil, r
	}
	return &pgTx{p: p, conn: c, tx: tx}, nil
}

func (t *pgTx) exec(ctx context.Context, sql string, args []any) (int64, *refusal) {
	return t.p.execOn(ctx, t.conn.Conn(), sql, args)
}

func (t *pgTx) query(ctx context.Context, sql string, args []any, failed func(*refusal)) (cursor, *refusal) {
	cur, r := t.p.queryOn(ctx, t.conn.Conn(), sql, args)
	if r != nil {
		return nil, r
	}
	cur.failed = failed
	return cur, nil
}

// lock waits for the advisory lock of that name, which ends with the transaction. Two names may share a lock, by a chance
// of one in 2^64.
func (t *pgTx) lock(ctx context.Context, name string) *refusal {
	_, r := t.p.execOn(ctx, t.conn.Conn(), "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", []any{name})
	return r
}

// commit does not end with the caller's context: a commit cut short may or may not have happened.
func (t *pgTx) commit(ctx context.Context) *refusal {
	defer t.conn.Release()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.p.statementTimeout)
	defer cancel()
	if err := t.tx.Commit(deadline); err != nil {
		return t.p.fault(deadline, t.conn.Conn(), err)
	}
	return nil
}

// rollback drops the connection where it does not work: the server rolls back by itself then.
func (t *pgTx) rollback(ctx context.Context) {
	defer t.conn.Release()
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.p.acquireDeadline)
	defer cancel()
	_ = t.tx.Rollback(deadline)
}
