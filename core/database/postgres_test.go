package database

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestAbsentServerIsUnavailableAndNamesNoPassword(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	s := DefaultSettings()
	for _, host := range []string{"127.0.0.1:1", l.Addr().String()} {
		s.URL = secret.New("postgres://u:" + hidden + "@" + host + "/x?sslmode=disable&connect_timeout=1")
		_, err = Open(t.Context(), s, Options{})
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.NotContains(t, err.Error(), hidden)
	}
}

func TestServerErrorsAreSorted(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]refusal{
		"23505": {kind: unique}, "23503": {kind: foreignKey}, "40001": {kind: retryable}, "40P01": {kind: retryable},
		"25006": {kind: unavailable, lost: true}, "57P01": {kind: unavailable, lost: true}, "08006": {kind: unavailable, lost: true},
		"53300": {kind: unavailable}, "53100": {kind: unavailable}, "57014": {kind: unavailable}, "28P01": {kind: unavailable},
		"3D000": {kind: unavailable}, "42601": {}, "22P02": {}, "": {},
	} {
		r := fromServer(&pgconn.PgError{Code: code, Message: "sentence", Detail: hidden}, false)
		require.Equal(t, want.kind, r.kind, code)
		require.Equal(t, want.lost, r.lost, code)
		require.NotContains(t, r.Error(), hidden)
		require.Equal(t, code != "22P02" && code != "", strings.Contains(r.Error(), "sentence"), code)
	}
}

func TestClosedDatabaseIsUnavailable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.open(t, func(s *Settings, _ *Options) { s.AcquireDeadline = 500 * time.Millisecond })
		db.Close()
		db.Close()
		require.ErrorIs(t, db.Ping(t.Context()), errs.ErrUnavailable)
		require.ErrorIs(t, exec(t.Context(), db, "SELECT 1"), errs.ErrUnavailable)
	})
}

// cable is a line to the server that tests can cut, and that counts how often the client spoke after the server.
type cable struct {
	trips    atomic.Int64
	spoke    atomic.Bool // the client did, last
	listener net.Listener
	server   string
	mu       sync.Mutex
	open     []net.Conn
	cut      bool
	done     sync.WaitGroup
}

func newCable(t *testing.T, server string) *cable {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := &cable{listener: l, server: server}
	c.done.Go(c.accept)
	t.Cleanup(func() { _ = l.Close(); c.set(true); c.done.Wait() })
	return c
}

func (c *cable) accept() {
	for {
		in, err := c.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", c.server)
		c.mu.Lock()
		if c.cut || err != nil {
			_ = in.Close()
			if out != nil {
				_ = out.Close()
			}
			c.mu.Unlock()
			continue
		}
		c.open = append(c.open, in, out)
		c.mu.Unlock()
		c.done.Go(func() { c.pipe(in, out, true) })
		c.done.Go(func() { c.pipe(out, in, false) })
	}
}

func (c *cable) pipe(from, to net.Conn, client bool) {
	defer func() { _ = from.Close(); _ = to.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		if !c.spoke.Swap(client) && client {
			c.trips.Add(1)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if cut {
		for _, conn := range c.open {
			_ = conn.Close()
		}
		c.open = nil
	}
}

// wire leads the store through a cable.
func (s store) wire(t *testing.T) (store, *cable) {
	t.Helper()
	u, err := url.Parse(s.settings.URL.Reveal())
	require.NoError(t, err)
	line := newCable(t, u.Host)
	u.Host = line.listener.Addr().String()
	s.settings.URL = secret.New(u.String())
	return s, line
}

func TestServiceComesBackWithTheServer(t *testing.T) {
	t.Parallel()
	if !postgrestest.Exists() {
		return
	}
	s := postgresStore(t)
	s.withThings(t)
	s, line := s.wire(t)
	s.settings.PoolMin = 3
	db := s.open(t)
	ctx := t.Context()
	read := func() error {
		return db.QueryRow(ctx, "SELECT name FROM things WHERE id = ?", firstThing).Scan(new(string))
	}
	require.NoError(t, read())
	require.Eventually(t, func() bool { return db.Stats().Idle >= 3 }, 30*time.Second, 10*time.Millisecond, "neighbours of one that is lost")

	line.set(true)
	for range 10 {
		started := time.Now()
		require.ErrorIs(t, read(), errs.ErrUnavailable)
		require.ErrorIs(t, exec(ctx, db, grow, firstThing), errs.ErrUnavailable)
		require.ErrorIs(t, db.InTx(ctx, func(ctx context.Context, tx *Tx) error { return exec(ctx, tx, grow, firstThing) }), errs.ErrUnavailable)
		require.Less(t, time.Since(started), 4*time.Second)
	}
	line.set(false)
	require.Eventually(t, func() bool { return read() == nil }, 2*time.Second, 10*time.Millisecond)
	for range 10 {
		require.NoError(t, read())
	}
}

func TestConnectionsThatAreKeptOpenDoNotHoldUpTheStart(t *testing.T) {
	t.Parallel()
	if !postgrestest.Exists() {
		return
	}
	for name, most := range map[string]int{"with room for others": 8, "without": 4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := postgresStore(t)
			s.settings.PoolMin, s.settings.PoolMax = 4, most
			s.settings.AcquireDeadline = 30 * time.Second // how many there are, not how soon one comes
			var db *DB
			idle := 0
			for late := true; late; { // once, unless the machine stood still
				if db != nil {
					db.Close()
				}
				started := time.Now()
				db = s.open(t)
				for time.Since(started) < fillAfter/2 { // in which all would be there
					require.NoError(t, db.Ping(t.Context()))
					idle = db.Stats().Idle
				}
				late = time.Since(started) >= fillAfter
			}
			require.LessOrEqual(t, idle, 2)
			require.NoError(t, db.InTx(t.Context(), func(context.Context, *Tx) error {
				return exec(t.Context(), db, "SELECT 1")
			}), "two at once while the others wait")
			require.Eventually(t, func() bool { return db.Stats().Idle >= 4 }, 30*time.Second, 10*time.Millisecond)
		})
	}
}

func TestAWrongDirectURLIsFoundEvenWhereNothingIsToBeMigrated(t *testing.T) {
	t.Parallel()
	if !postgrestest.Exists() {
		return
	}
	s := postgresStore(t)
	sets := []Migrations{{Module: "m", FS: files("0001_a.sql", "CREATE TABLE a (x INTEGER)")}}
	_, err := s.open(t).Migrate(t.Context(), sets)
	require.NoError(t, err)

	s.settings.DirectURL = secret.New("postgres://127.0.0.1:1/nowhere?sslmode=disable")
	db := s.open(t)
	_, err = db.Migrate(t.Context(), sets)
	require.ErrorIs(t, err, errs.ErrUnavailable)
	_, err = db.MigrationStatus(t.Context(), sets)
	require.ErrorIs(t, err, errs.ErrUnavailable)
}

func TestReadOnlyServerIsDropped(t *testing.T) {
	t.Parallel()
	if !postgrestest.Exists() {
		return
	}
	s := postgresStore(t)
	db := s.withThings(t, func(s *Settings, _ *Options) { s.AcquireDeadline = 30 * time.Second }) // which connection, not how soon
	ctx := t.Context()
	pid := func() (n int) {
		require.NoError(t, db.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&n))
		return n
	}
	before := pid()
	require.NoError(t, exec(ctx, db, "SET default_transaction_read_only = on"))
	require.ErrorIs(t, exec(ctx, db, grow, firstThing), errs.ErrUnavailable)
	require.NotEqual(t, before, pid())
	require.NoError(t, exec(ctx, db, grow, firstThing))

	admin(t, s.settings.URL.Reveal(), fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid()))
	_ = exec(ctx, db, grow, firstThing) // at most this one is lost
	require.NoError(t, exec(ctx, db, grow, firstThing))
}
