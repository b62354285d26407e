package database

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// pingTimeout bounds the question whether an idle connection still lives, so that an acquire can try another.
	pingTimeout = 400 * time.Millisecond
	// serverGrace is how much longer we wait than the server runs a statement: its own time-out keeps the connection.
	serverGrace = 500 * time.Millisecond
	// resetPause is how often at most the whole pool is thrown away.
	resetPause = time.Second
	// openDeadline bounds the first connection; it may include a TLS handshake over a slow line.
	openDeadline = 5 * time.Second
	// fillAfter is how long after the start pool_min connections are opened, at most.
	fillAfter = 500 * time.Millisecond
	// keptStatements is how many prepared statements a connection keeps: more than the product has. The room for them is
	// taken when it connects.
	keptStatements = 256
)

// postgres is the engine over pgx's own pool.
type postgres struct {
	pool             *pgxpool.Pool
	direct           *pgx.ConnConfig
	ownDirect        bool // it has a URL of its own
	acquireDeadline  time.Duration
	statementTimeout time.Duration // of our context; the server's is shorter where it has one
	pooled           bool          // behind a pooler that shares connections between transactions
	texts, demands   rebinder
	started          time.Time
	lastReset        atomic.Int64 // since started
	held             atomic.Bool  // every connection of the first fill waits from now on
	closed           chan struct{}
	end              func() // closes it
}

func openPostgres(ctx context.Context, s Settings, _ Options) (*postgres, error) {
	conn, err := parsePostgres(s.URL.Reveal())
	if err != nil {
		return nil, fmt.Errorf("database.url %w", err)
	}
	direct := conn.Copy()
	if !s.DirectURL.IsZero() {
		if direct, err = parsePostgres(s.DirectURL.Reveal()); err != nil {
			return nil, fmt.Errorf("database.direct_url %w", err)
		}
	}
	p := &postgres{
		direct: direct, ownDirect: !s.DirectURL.IsZero(), acquireDeadline: s.AcquireDeadline, statementTimeout: s.StatementTimeout, pooled: s.Pooler == PoolerTransaction,
		texts: rebinder{spell: rebind}, demands: rebinder{spell: demand}, started: time.Now(),
	}
	config, err := p.poolConfig(conn, s)
	if err != nil {
		return nil, err
	}
	p.held.Store(s.PoolMin < s.PoolMax) // else they may take every place, and one must pass for whoever asks first
	p.closed = make(chan struct{})
	p.end = sync.OnceFunc(func() { close(p.closed) })
	if p.pool, err = pgxpool.NewWithConfig(context.WithValue(context.WithoutCancel(ctx), fill{}, true), config); err != nil {
		return nil, fmt.Errorf("open database: %w", classifyPostgres(ctx, err, false).answer())
	}
	first, cancel := context.WithTimeout(ctx, openDeadline)
	defer cancel()
	if err := p.pool.Ping(first); err != nil {
		p.close()
		return nil, fmt.Errorf("open database: %w", classifyPostgres(ctx, err, false).answer())
	}
	return p, nil
}

func (p *postgres) poolConfig(conn *pgx.ConnConfig, s Settings) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig("postgres://localhost?sslmode=disable") // the pool insists on its own parser
	if err != nil {
		return nil, errPostgresURL
	}
	config.ConnConfig = conn
	config.MaxConns, config.MinConns = int32(s.PoolMax), int32(s.PoolMin) // Check bounds both
	config.HealthCheckPeriod = 10 * time.Second
	config.PingTimeout = pingTimeout
	config.BeforeConnect = p.beforeConnect
	config.AfterConnect = func(_ context.Context, c *pgx.Conn) error {
		c.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
		return nil
	}
	if p.pooled {
		// Descriptions are asked for with the unnamed statement and kept by us, so that any server connection behind the
		// pooler will do. Neither named statements nor start-up parameters pass a pooler.
		conn.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		conn.StatementCacheCapacity, conn.DescriptionCacheCapacity = 0, keptStatements
		return config, nil
	}
	conn.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	conn.StatementCacheCapacity, conn.DescriptionCacheCapacity = keptStatements, 0
	millis := strconv.FormatInt(max(1, s.StatementTimeout.Milliseconds()), 10)
	conn.RuntimeParams["statement_timeout"] = millis
	// An instance that vanishes inside a transaction must not hold its locks until the network notices.
	conn.RuntimeParams["idle_in_transaction_session_timeout"] = millis
	if conn.RuntimeParams["application_name"] == "" {
		conn.RuntimeParams["application_name"] = "gatehouse"
	}
	p.statementTimeout += serverGrace
	return config, nil
}

var errPoolClosed = errors.New("the pool is closed")

// fill marks the context in which the pool opens pool_min connections as soon as it is made.
type fill struct{}

// beforeConnect holds up the connections of the first fill: a start, and a command even more, needs few, and so many processes
// of PostgreSQL that come up beside it would take longer than all the rest of it. Where they may take every place of the pool,
// one passes at once.
func (p *postgres) beforeConnect(ctx context.Context, _ *pgx.ConnConfig) error {
	if ctx.Value(fill{}) == nil || p.held.CompareAndSwap(false, true) {
		return nil
	}
	wait := time.NewTimer(min(fillAfter, p.acquireDeadline/2)) // those who wait for a place get one within the deadline
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-p.closed:
		return errPoolClosed
	}
}

// acquire takes a connection within the deadline.
func (p *postgres) acquire(ctx context.Context) (*pgxpool.Conn, *refusal) {
	deadline, cancel := context.WithTimeout(ctx, p.acquireDeadline)
	defer cancel()
	c, err := p.pool.Acquire(deadline)
	if err == nil {
		return c, nil
	}
	r := classifyPostgres(ctx, err, false)
	if contextError(err) != nil {
		r.message = "no connection within the deadline"
		if st := p.pool.Stat(); ctx.Err() == nil && st.AcquiredConns() < st.MaxConns() {
			p.reset() // not exhausted, and yet none came: the idle ones lead nowhere
		}
	}
	r.kind, r.lost = unavailable, false // it never was ours to lose
	return nil, r
}

// fault classifies what happened on the connection and drops it where it is of no more use.
func (p *postgres) fault(ctx context.Context, c *pgx.Conn, err error) *refusal {
	r := classifyPostgres(ctx, err, c.IsClosed())
	if r.lost && !c.IsClosed() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 50*time.Millisecond)
		defer cancel()
		_ = c.Close(end) // it says goodbye to a server that may be gone
	}
	if r.gone() {
		p.reset()
	}
	return r
}

// reset throws the idle connections away: when one is lost, those beside it usually are too, and finding out one by one
// would cost a failed request each.
func (p *postgres) reset() {
	now := int64(time.Since(p.started)) + int64(resetPause)
	last := p.lastReset.Load()
	if now-last >= int64(resetPause) && p.lastReset.CompareAndSwap(last, now) {
		p.pool.Reset()
	}
}

func (p *postgres) exec(ctx context.Context, sql string, args []any) (int64, error) {
	c, r := p.acquire(ctx)
	if r != nil {
		return 0, r.answer()
	}
	defer c.Release()
	n, r := p.execOn(ctx, c.Conn(), c.Conn(), sql, args)
	if r != nil {
		return 0, r.answer()
	}
	return n, nil
}

// sender sends statements over a connection.
type sender interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func (p *postgres) execOn(ctx context.Context, c *pgx.Conn, over sender, sql string, args []any) (int64, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, p.statementTimeout)
	defer cancel()
	tag, err := over.Exec(ctx, p.texts.rebind(sql), args...)
	if err != nil {
		return 0, p.fault(ctx, c, err)
	}
	return tag.RowsAffected(), nil
}

func (p *postgres) query(ctx context.Context, sql string, args []any, _ bool) (cursor, error) {
	c, r := p.acquire(ctx)
	if r != nil {
		return nil, r.answer()
	}
	cur, r := p.queryOn(ctx, c.Conn(), c.Conn(), sql, args)
	if r != nil {
		c.Release()
		return nil, r.answer()
	}
	cur.release = c.Release
	return cur, nil
}

// change is a query that commits at its end: outside a transaction PostgreSQL does so by itself.
func (p *postgres) change(ctx context.Context, sql string, args []any) (cursor, error) {
	return p.query(ctx, sql, args, true)
}

func (p *postgres) queryOn(ctx context.Context, c *pgx.Conn, over sender, sql string, args []any) (*pgCursor, *refusal) {
	ctx, cancel := context.WithTimeout(ctx, p.statementTimeout)
	rows, err := over.Query(ctx, p.texts.rebind(sql), args...)
	if err != nil {
		defer cancel()
		return nil, p.fault(ctx, c, err)
	}
	return &pgCursor{p: p, ctx: ctx, cancel: cancel, conn: c, rows: rows}, nil
}

// pgCursor is rows on a connection, which goes back when they close.
type pgCursor struct {
	p       *postgres
	ctx     context.Context //nolint:containedctx // the rows' own deadline, ended by close
	cancel  context.CancelFunc
	conn    *pgx.Conn
	rows    pgx.Rows
	release func()           // nil inside a transaction
	failed  func(r *refusal) // tells the transaction
	fault   *refusal
	closed  bool
}

func (c *pgCursor) next() bool { return c.rows.Next() }

func (c *pgCursor) scan(dest []any) error {
	if err := c.rows.Scan(dest...); err != nil {
		c.rows.Close()
		return c.settle(err).answer()
	}
	return nil
}

func (c *pgCursor) err() error {
	if !c.closed && c.fault == nil { // afterwards the connection is another's
		if err := c.rows.Err(); err != nil {
			_ = c.settle(err) // it keeps the fault
		}
	}
	if c.fault != nil {
		return c.fault.answer()
	}
	return nil
}

// settle keeps the first fault, so that it is classified while the connection is still ours.
func (c *pgCursor) settle(err error) *refusal {
	if c.fault == nil {
		c.fault = c.p.fault(c.ctx, c.conn, err)
		if c.failed != nil {
			c.failed(c.fault)
		}
	}
	return c.fault
}

func (c *pgCursor) close() {
	if c.closed {
		return
	}
	c.rows.Close()
	_ = c.err() // classifies what closing found
	c.closed = true
	c.cancel()
	if c.release != nil {
		c.release()
	}
}

func (p *postgres) ping(ctx context.Context) error {
	c, r := p.acquire(ctx)
	if r != nil {
		return r.answer()
	}
	defer c.Release()
	ctx, cancel := context.WithTimeout(ctx, p.acquireDeadline)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		return p.fault(ctx, c.Conn(), err).answer()
	}
	return nil
}

func (p *postgres) stats() Stats {
	s := p.pool.Stat()
	return Stats{
		Open: int(s.TotalConns()), InUse: int(s.AcquiredConns()), Idle: int(s.IdleConns()), Max: int(s.MaxConns()),
		Waits: s.EmptyAcquireCount(), WaitTime: s.EmptyAcquireWaitTime(),
	}
}

func (p *postgres) close() {
	p.end()
	p.pool.Close()
}
