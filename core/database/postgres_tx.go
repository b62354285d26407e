package database

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	beginTx = "begin isolation level read committed"
	// mostWaiting bounds a batch, which has one deadline.
	mostWaiting = 64
)

// pgTx is a transaction and the connection it runs on. What nobody looks at the answer of, its beginning first of all, waits
// for the next statement and is sent with that: a round trip to the server costs more than most statements do.
type pgTx struct {
	p       *postgres
	conn    *pgxpool.Conn
	waiting *pgx.Batch
	begun   bool   // it was sent, or is doomed
	tx      pgx.Tx // made where a library asks for it
}

func (p *postgres) begin(ctx context.Context) (engineTx, *refusal) {
	c, r := p.acquire(ctx)
	if r != nil {
		return nil, r
	}
	t := &pgTx{p: p, conn: c, waiting: &pgx.Batch{}}
	t.waiting.Queue(beginTx)
	return t, nil
}

// over is how the next statement is sent.
func (t *pgTx) over() sender {
	if t.waiting.Len() == 0 {
		return t.conn.Conn()
	}
	return behind{t.conn.Conn(), t.take()}
}

// take gives what waits, to be sent now.
func (t *pgTx) take() *pgx.Batch {
	waiting := t.waiting
	t.waiting, t.begun = &pgx.Batch{}, true
	return waiting
}

func (t *pgTx) exec(ctx context.Context, sql string, args []any) (int64, *refusal) {
	return t.p.execOn(ctx, t.conn.Conn(), t.over(), sql, args)
}

func (t *pgTx) queue(ctx context.Context, sql string, args []any) *refusal {
	return t.add(ctx, t.p.texts.rebind(sql), args)
}

func (t *pgTx) queueChange(ctx context.Context, sql string, args []any) *refusal {
	return t.add(ctx, t.p.demands.rebind(sql), args)
}

// add has a statement wait, as it is to be sent.
func (t *pgTx) add(ctx context.Context, text string, args []any) *refusal {
	t.waiting.Queue(text, args...)
	if t.waiting.Len() < mostWaiting {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, t.p.statementTimeout)
	defer cancel()
	if err := t.send(ctx); err != nil {
		return t.p.fault(ctx, t.conn.Conn(), err)
	}
	return nil
}

// send has what waits run now.
func (t *pgTx) send(ctx context.Context) error { return t.conn.SendBatch(ctx, t.take()).Close() }

func (t *pgTx) query(ctx context.Context, sql string, args []any, failed func(*refusal)) (cursor, *refusal) {
	cur, r := t.p.queryOn(ctx, t.conn.Conn(), t.over(), sql, args)
	if r != nil {
		return nil, r
	}
	cur.failed = failed
	return cur, nil
}

// lock has the next statement wait for the advisory lock of that name, which ends with the transaction. Two names may share
// a lock, by a chance of one in 2^64.
func (t *pgTx) lock(ctx context.Context, name string) *refusal {
	return t.queue(ctx, "SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", []any{name})
}

// native gives a library pgx's own transaction. Where ours has begun, pgx is given nothing to begin with.
func (t *pgTx) native(ctx context.Context, fn func(ctx context.Context, native any) error) *refusal {
	ctx, cancel := context.WithTimeout(ctx, t.p.statementTimeout)
	defer cancel()
	err := t.open(ctx)
	if err == nil {
		err = fn(ctx, t.tx)
	}
	if err != nil {
		return t.p.fault(ctx, t.conn.Conn(), err)
	}
	return nil
}

// open sends what waits, and makes the transaction of pgx.
func (t *pgTx) open(ctx context.Context) (err error) {
	begin := ";"
	if t.untouched() {
		_ = t.take() // pgx begins
		begin = beginTx
	}
	if t.waiting.Len() > 0 {
		if err := t.send(ctx); err != nil {
			return err
		}
	}
	if t.tx == nil {
		t.tx, err = t.conn.Conn().BeginTx(ctx, pgx.TxOptions{BeginQuery: begin})
	}
	return err
}

// untouched says that no statement was given to it.
func (t *pgTx) untouched() bool { return !t.begun && t.waiting.Len() == 1 }

// commit does not end with the caller's context: a commit cut short may or may not have happened.
func (t *pgTx) commit(ctx context.Context) *refusal {
	defer t.rollback(ctx) // where it has not ended, since a statement failed that waited for the commit
	if t.untouched() {
		return nil
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.p.statementTimeout)
	defer cancel()
	tag, err := t.over().Exec(deadline, "commit")
	if err == nil && tag.String() == "ROLLBACK" {
		err = pgx.ErrTxCommitRollback
	}
	if err != nil {
		return t.p.fault(deadline, t.conn.Conn(), err)
	}
	return nil
}

// rollback ends what has not ended, and gives the connection back. Where it does not work, that is dropped: the server rolls
// back by itself then.
func (t *pgTx) rollback(ctx context.Context) {
	defer t.conn.Release() // which drops one that is still in a transaction
	if c := t.conn.Conn(); c.IsClosed() || c.PgConn().TxStatus() == 'I' {
		return
	}
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.p.acquireDeadline)
	defer cancel()
	_, _ = t.conn.Exec(deadline, "rollback")
}

// behind sends a statement at once with those that wait before it. One that fails has the rest skipped, the commit too.
type behind struct {
	conn   *pgx.Conn
	before *pgx.Batch
}

// Exec implements sender.
func (b behind) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	rows, err := b.Query(ctx, sql, args...)
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	rows.Close()
	return rows.CommandTag(), rows.Err()
}

// Query implements sender.
func (b behind) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	n := b.before.Len()
	b.before.Queue(sql, args...)
	answers := b.conn.SendBatch(ctx, b.before)
	for range n {
		if _, err := answers.Exec(); err != nil {
			_ = answers.Close() // the same again
			return nil, err
		}
	}
	rows, err := answers.Query()
	if err != nil {
		_ = answers.Close() // as above
		return nil, err
	}
	return &lastRows{Rows: rows, answers: answers}, nil
}

// lastRows are all that is left to be read of a batch, and end it.
type lastRows struct {
	pgx.Rows

	answers pgx.BatchResults
	err     error // of the end
}

// Close reads to the end, of the rows and of the batch.
func (r *lastRows) Close() {
	r.Rows.Close()
	r.err = r.answers.Close()
}

// Err implements pgx.Rows.
func (r *lastRows) Err() error {
	if err := r.Rows.Err(); err != nil {
		return err
	}
	return r.err
}
