package database

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const beginTx = "begin isolation level read committed"

// pgTx is a transaction and the connection it runs on. It begins with its first statement: a round trip to the server costs
// more than most statements do.
type pgTx struct {
	p     *postgres
	conn  *pgxpool.Conn
	begun bool
	tx    pgx.Tx // made where a library asks for it
}

func (p *postgres) begin(ctx context.Context) (engineTx, *refusal) {
	c, r := p.acquire(ctx)
	if r != nil {
		return nil, r
	}
	return &pgTx{p: p, conn: c}, nil
}

// over is how the next statement is sent.
func (t *pgTx) over() sender {
	if t.begun {
		return t.conn.Conn()
	}
	t.begun = true // or doomed
	return opening{t.conn.Conn()}
}

func (t *pgTx) exec(ctx context.Context, sql string, args []any) (int64, *refusal) {
	return t.p.execOn(ctx, t.conn.Conn(), t.over(), sql, args)
}

func (t *pgTx) query(ctx context.Context, sql string, args []any, failed func(*refusal)) (cursor, *refusal) {
	cur, r := t.p.queryOn(ctx, t.conn.Conn(), t.over(), sql, args)
	if r != nil {
		return nil, r
	}
	cur.failed = failed
	return cur, nil
}

// lock waits for the advisory lock of that name, which ends with the transaction. Two names may share a lock, by a chance
// of one in 2^64.
func (t *pgTx) lock(ctx context.Context, name string) *refusal {
	_, r := t.exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", []any{name})
	return r
}

// native gives a library pgx's own transaction. Where ours has begun, pgx is given nothing to begin with.
func (t *pgTx) native(ctx context.Context, fn func(ctx context.Context, native any) error) *refusal {
	ctx, cancel := context.WithTimeout(ctx, t.p.statementTimeout)
	defer cancel()
	if t.tx == nil {
		how := pgx.TxOptions{BeginQuery: beginTx}
		if t.begun {
			how.BeginQuery = ";"
		}
		t.begun = true
		tx, err := t.conn.Conn().BeginTx(ctx, how)
		if err != nil {
			return t.p.fault(ctx, t.conn.Conn(), err)
		}
		t.tx = tx
	}
	if err := fn(ctx, t.tx); err != nil {
		return t.p.fault(ctx, t.conn.Conn(), err)
	}
	return nil
}

// commit does not end with the caller's context: a commit cut short may or may not have happened.
func (t *pgTx) commit(ctx context.Context) *refusal {
	defer t.conn.Release()
	if !t.begun {
		return nil
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.p.statementTimeout)
	defer cancel()
	tag, err := t.conn.Exec(deadline, "commit")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	if err != nil {
		return t.p.fault(deadline, t.conn.Conn(), err)
	}
	return nil
}

// rollback drops the connection where it does not work: the server rolls back by itself then.
func (t *pgTx) rollback(ctx context.Context) {
	defer t.conn.Release() // which drops one that is still in a transaction
	if c := t.conn.Conn(); c.IsClosed() || c.PgConn().TxStatus() == 'I' {
		return
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.p.acquireDeadline)
	defer cancel()
	_, _ = t.conn.Exec(deadline, "rollback")
}

// opening sends a transaction's beginning and its first statement at once.
type opening struct{ conn *pgx.Conn }

// Exec implements sender.
func (o opening) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := o.Query(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// Query implements sender.
func (o opening) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	var both pgx.Batch
	both.Queue(beginTx)
	both.Queue(sql, args...)
	answers := o.conn.SendBatch(ctx, &both)
	if _, err := answers.Exec(); err != nil {
		_ = answers.Close() // the same again
		return nil, err
	}
	rows, err := answers.Query()
	if err != nil {
		_ = answers.Close() // as above
		return nil, err
	}
	return &openingRows{Rows: rows, answers: answers}, nil
}

// openingRows are all that is to be read of a batch, and end it.
type openingRows struct {
	pgx.Rows

	answers pgx.BatchResults
	err     error // of the end
}

// Close reads to the end, of the rows and of the batch.
func (r *openingRows) Close() {
	r.Rows.Close()
	r.err = r.answers.Close()
}

// Err implements pgx.Rows.
func (r *openingRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}
