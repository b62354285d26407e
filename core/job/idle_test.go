package job_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"modernc.org/sqlite"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/job"
)

// idleArgs are jobs that never come, in queues of their own.
type (
	idleArgs      struct{}
	otherIdleArgs struct{}
)

func (idleArgs) Kind() string      { return "test.idle" }
func (otherIdleArgs) Kind() string { return "test.other_idle" }

// TestAnIdleWorkerAsksLittle counts every statement of workers that have nothing to do, in two queues as the standard
// modules have. It takes longer than five seconds, since River's slow loops turn only that often; TEST_SOAK has it watch
// them all.
func TestAnIdleWorkerAsksLittle(t *testing.T) {
	t.Parallel()
	watch := 20 * time.Second // a loop more or less in ten is a tenth
	if os.Getenv("TEST_SOAK") != "" {
		watch = 30 * time.Second
	}
	places := map[string]func(testing.TB) databasetest.Database{"sqlite": databasetest.SQLite}
	if postgrestest.Exists() {
		places["postgres"] = databasetest.Postgres
	}
	asked := map[string]func() float64{} // of all at once, since none has anything to do
	for name, place := range places {
		for _, workers := range []int{1, 2} {
			asked[fmt.Sprintf("%s, workers %d", name, workers)] = idle(t, place(t), workers)
		}
	}
	begun := time.NewTimer(2 * time.Second) // River spreads its first turns over a second
	<-begun.C
	before := map[string]float64{}
	for name, count := range asked {
		before[name] = count()
	}
	end := time.NewTimer(watch)
	<-end.C
	for name, count := range asked {
		const most = 4.2 // of the five that a worker may ask; the rest is ours
		rate := (count() - before[name]) / watch.Seconds()
		t.Logf("%s: %.2f statements a second and worker", name, rate)
		require.Less(t, rate, most, name)
	}
}

// idle starts workers, and counts the statements of each.
func idle(t *testing.T, at databasetest.Database, workers int) (count func() float64) {
	t.Helper()
	migrated(t, at)
	var statements atomic.Int64
	for range workers {
		start(t, counted(t, at, &statements, job.QueueOptions{Logger: slog.New(slog.DiscardHandler), Handlers: []job.Handler{
			job.Handle(job.Options{}, func(context.Context, job.Job[idleArgs]) error { return nil }),
			job.Handle(job.Options{Queue: "other"}, func(context.Context, job.Job[otherIdleArgs]) error { return nil }),
		}}), 10)
	}
	return func() float64 { return float64(statements.Load()) / float64(workers) }
}

func migrated(t *testing.T, at databasetest.Database) {
	t.Helper()
	s := at.Settings()
	s.PoolMin = 0
	db, err := database.Open(t.Context(), s, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	_, err = db.Migrate(t.Context(), []database.Migrations{{Module: job.MigrationsName, FS: job.Migrations()}})
	require.NoError(t, err)
}

// counted is a queue on connections that count.
func counted(t *testing.T, at databasetest.Database, statements *atomic.Int64, o job.QueueOptions) *job.Queue {
	t.Helper()
	var pool *pgxpool.Pool
	var write *sql.DB
	if at.Engine == database.PostgreSQL {
		config, err := pgxpool.ParseConfig(at.URL)
		require.NoError(t, err)
		config.ConnConfig.Tracer = tracer{statements}
		pool, err = pgxpool.NewWithConfig(t.Context(), config)
		require.NoError(t, err)
		t.Cleanup(pool.Close)
	} else {
		path, _, _ := strings.Cut(strings.TrimPrefix(at.URL, "sqlite:"), "?")
		c, err := sqlite.NewConnector("file:" + path + "?_txlock=immediate&_pragma=busy_timeout(5000)")
		require.NoError(t, err)
		write = sql.OpenDB(connector{c, statements})
		write.SetMaxOpenConns(1)
		t.Cleanup(func() { _ = write.Close() })
	}
	q, err := job.OpenOn(pool, write, o)
	require.NoError(t, err)
	return q
}

// tracer counts on PostgreSQL, BEGIN and COMMIT included.
type tracer struct{ statements *atomic.Int64 }

func (c tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	c.statements.Add(1)
	return ctx
}

func (tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// connector counts on SQLite.
type connector struct {
	driver.Connector
	statements *atomic.Int64
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return countingConn{conn.(sqliteConn), c.statements}, nil
}

// sqliteConn is what database/sql asks of the driver's connections.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
}

type countingConn struct {
	sqliteConn
	statements *atomic.Int64
}

func (c countingConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.statements.Add(2) // and its end
	return c.sqliteConn.BeginTx(ctx, o)
}

func (c countingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.statements.Add(1)
	return c.sqliteConn.ExecContext(ctx, query, args)
}

func (c countingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.statements.Add(1)
	return c.sqliteConn.QueryContext(ctx, query, args)
}
