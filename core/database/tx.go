package database

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

const (
	maxAttempts = 5                     // of a transaction that loses against others or its connection
	retryPause  = 10 * time.Millisecond // before the second attempt at most, doubled for each further one
)

// engineTx is one engine's transaction. After commit or rollback it is over.
type engineTx interface {
	exec(ctx context.Context, sql string, args []any) (int64, *refusal)
	queue(ctx context.Context, sql string, args []any) *refusal
	queueChange(ctx context.Context, sql string, args []any) *refusal
	query(ctx context.Context, sql string, args []any, failed func(*refusal)) (cursor, *refusal)
	lock(ctx context.Context, name string) *refusal
	native(ctx context.Context, fn func(ctx context.Context, native any) error) *refusal
	commit(ctx context.Context) *refusal
	rollback(ctx context.Context)
}

// Tx is a transaction. It belongs to the one goroutine that runs InTx's function and ends with it.
type Tx struct {
	db    *DB
	inner engineTx
	fault *refusal // the first failed statement
	after []func()
	done  atomic.Bool
}

// txKey marks a context as a transaction's.
type txKey struct{}

// inside says whether ctx is that of a transaction on this database that still runs.
func (db *DB) inside(ctx context.Context) bool {
	tx, ok := ctx.Value(txKey{}).(*Tx)
	return ok && tx.db == db && !tx.done.Load()
}

// InTx runs fn in a transaction, READ COMMITTED on PostgreSQL and IMMEDIATE on SQLite, and returns after a durable commit.
// An error or panic of fn rolls back and is passed on as it is. fn may run more than once: it runs again when the
// transaction lost against another one, or its connection, before the commit. So fn touches nothing but tx, and what it
// sets outside it sets anew each time.
//
// A statement that failed dooms the transaction on either engine, even if fn returns nil; further ones get its error. Nesting is refused. A commit
// that was cut short is errs.ErrUnavailable; it may have happened.
func (db *DB) InTx(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) error {
	if db.inside(ctx) {
		return errNested
	}
	for attempt := 1; ; attempt++ {
		tx := &Tx{db: db}
		again, err := tx.run(ctx, fn)
		if err == nil {
			for _, f := range slices.Backward(tx.after) {
				f()
			}
			return nil
		}
		if !again || attempt == maxAttempts || !pause(ctx, attempt) {
			return err
		}
	}
}

// run makes one attempt; again says that another may succeed.
func (tx *Tx) run(ctx context.Context, fn func(ctx context.Context, tx *Tx) error) (again bool, err error) {
	inner, r := tx.db.engine.begin(ctx)
	if r != nil {
		return r.gone() || r.kind == retryable, r.answer()
	}
	tx.inner = inner
	ended := false
	defer func() {
		tx.done.Store(true)
		if !ended { // an error, a panic on its way up, or runtime.Goexit
			inner.rollback(ctx)
		}
	}()
	err = fn(context.WithValue(ctx, txKey{}, tx), tx)
	if tx.fault != nil {
		if err == nil {
			err = tx.fault.answer()
		}
		return tx.fault.kind == retryable || tx.fault.gone(), err
	}
	if err != nil {
		return false, err
	}
	if ctx.Err() != nil { // nobody waits for the answer any more, and nothing has happened yet
		return false, (&refusal{engine: tx.db.kind, kind: unavailable, message: "gave up before the commit", cause: ctx.Err()}).answer()
	}
	ended = true
	if r := inner.commit(ctx); r != nil {
		return r.kind == retryable, r.answer()
	}
	return false, nil
}

// pause waits a little, differently long for each rival, and says whether the context still lives.
func pause(ctx context.Context, attempt int) bool {
	longest := retryPause << (attempt - 1)
	t := time.NewTimer(rand.N(longest)) //nolint:gosec // spreads load, guards nothing
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Engine says what kind of database it is.
func (tx *Tx) Engine() Engine { return tx.db.kind }

// Exec implements Querier.
func (tx *Tx) Exec(ctx context.Context, sql string, args ...any) (int64, error) {
	bound, err := tx.prepare(ctx, sql, args)
	if err != nil {
		return 0, err
	}
	n, r := tx.inner.exec(ctx, sql, bound)
	if r != nil {
		tx.fail(r)
		return 0, r.answer()
	}
	return n, nil
}

// Queue implements Querier. The statement runs before the next one and before the commit, on PostgreSQL in one round trip with
// it, under its context and deadline, so that its error comes from there. What args point at stays as it is until then.
func (tx *Tx) Queue(ctx context.Context, sql string, args ...any) error {
	return tx.later(ctx, tx.inner.queue, sql, args)
}

// QueueChange implements Querier. Its ErrNoRows dooms the transaction, and comes from where Queue's errors do: InTx returns it
// where nothing else does.
func (tx *Tx) QueueChange(ctx context.Context, sql string, args ...any) error {
	return tx.later(ctx, tx.inner.queueChange, sql, args)
}

func (tx *Tx) later(ctx context.Context, queue func(context.Context, string, []any) *refusal, sql string, args []any) error {
	bound, err := tx.prepare(ctx, sql, args)
	if err != nil {
		return err
	}
	if r := queue(ctx, sql, bound); r != nil {
		tx.fail(r)
		return r.answer()
	}
	return nil
}

// Query implements Querier. Close the rows before the next statement.
func (tx *Tx) Query(ctx context.Context, sql string, args ...any) (*Rows, error) {
	return tx.query(ctx, sql, args, false)
}

// QueryRow implements Querier. In a transaction it may write too, with RETURNING.
func (tx *Tx) QueryRow(ctx context.Context, sql string, args ...any) *Row {
	return &Row{ctx: ctx, source: tx, sql: sql, args: args}
}

// ExecRow implements Querier.
func (tx *Tx) ExecRow(ctx context.Context, sql string, args ...any) *Row {
	return tx.QueryRow(ctx, sql, args...)
}

func (tx *Tx) query(ctx context.Context, sql string, args []any, _ bool) (*Rows, error) {
	bound, err := tx.prepare(ctx, sql, args)
	if err != nil {
		return nil, err
	}
	c, r := tx.inner.query(ctx, sql, bound, tx.fail)
	if r != nil {
		tx.fail(r)
		return nil, r.answer()
	}
	return &Rows{cursor: c, kind: tx.db.kind}, nil
}

// Lock makes transactions that lock the same name run one after the other, for rules over several rows: no statement behind it
// runs before it is held, and it is held until the transaction ends. It is queued like a statement, so what is no statement,
// such as reading a clock, does not wait for it. SQLite has one writer at a time anyway.
func (tx *Tx) Lock(ctx context.Context, name string) error {
	if err := tx.over(); err != nil {
		return err
	}
	if r := tx.inner.lock(ctx, name); r != nil {
		tx.fail(r)
		return r.answer()
	}
	return nil
}

// AfterCommit has f run once the transaction is durable, and never if it rolls back; the latest call's first, as with defer.
// The process may die before f runs, so that correctness must not depend on it.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// fail remembers the first fault, which dooms the transaction.
func (tx *Tx) fail(r *refusal) {
	if tx.fault == nil {
		tx.fault = r
	}
}

// over is why it takes no more statements: it has ended, or one has failed.
func (tx *Tx) over() error {
	if tx.done.Load() {
		return errTxFinished
	}
	if tx.fault != nil {
		return tx.fault.answer()
	}
	return nil
}

func (tx *Tx) prepare(ctx context.Context, sql string, args []any) ([]any, error) {
	if err := tx.over(); err != nil {
		return nil, err
	}
	if tx.db.options.Observe != nil {
		tx.db.options.Observe(ctx, Statement{SQL: sql, Args: args, InTx: true})
	}
	return bind(tx.db.kind, args)
}
