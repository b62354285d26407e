package database

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEveryTypeComesBackAsItWent(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		ctx := t.Context()
		parent, err := account.ParseID(firstThing)
		require.NoError(t, err)
		id := account.NewID()
		at := time.Date(2026, 3, 4, 5, 6, 7, 123_456_789, time.FixedZone("east", 7200))
		note := "a 'quoted' ? ☃"
		n, err := db.Exec(ctx, "INSERT INTO things (id, name, size, ratio, flag, at, doc, raw, parent, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
			id, account.RoleAdmin, uint32(7), 1.5, true, &at, json.RawMessage(`{"a":[1,null]}`), []byte{0, 1, 255}, &parent, &note)
		require.NoError(t, err)
		require.EqualValues(t, 1, n)

		var (
			gotID     account.ID
			gotParent *account.ID
			role      account.Role
			size      int
			ratio     *float64
			flag      bool
			gotAt     time.Time
			doc       json.RawMessage
			raw       []byte
			gotNote   *string
		)
		const read = "SELECT id, parent, name, size, ratio, flag, at, doc, raw, note FROM things WHERE id = ?"
		require.NoError(t, db.QueryRow(ctx, read, id).Scan(&gotID, &gotParent, &role, &size, &ratio, &flag, &gotAt, &doc, &raw, &gotNote))
		require.Equal(t, id, gotID)
		require.Equal(t, parent, *gotParent)
		require.Equal(t, account.RoleAdmin, role)
		require.Equal(t, 7, size)
		require.InDelta(t, 1.5, *ratio, 0)
		require.True(t, flag)
		require.Equal(t, at.UTC().Truncate(time.Microsecond), gotAt)
		require.Equal(t, time.UTC, gotAt.Location())
		require.JSONEq(t, `{"a":[1,null]}`, string(doc))
		require.Equal(t, []byte{0, 1, 255}, raw)
		require.Equal(t, note, *gotNote)

		var nullAt *time.Time
		require.NoError(t, db.QueryRow(ctx, "SELECT at FROM things WHERE at = ?", at).Scan(&nullAt))
		require.Equal(t, gotAt, *nullAt)
		require.NoError(t, db.QueryRow(ctx, "SELECT parent, ratio, at, doc, raw, note FROM things WHERE id = ?", parent).
			Scan(&gotParent, &ratio, &nullAt, &doc, &raw, &gotNote))
		require.Nil(t, gotParent)
		require.Nil(t, ratio)
		require.Nil(t, nullAt)
		require.Nil(t, doc)
		require.Nil(t, raw)
		require.Nil(t, gotNote)
	})
}

func TestNothingBecomesNull(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		ctx := t.Context()
		_, err := db.Exec(ctx, "INSERT INTO things (id, name, ratio, at, doc, raw, parent, note) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
			account.NewID(), "nothing", (*float64)(nil), (*time.Time)(nil), json.RawMessage(nil), []byte(nil), (*account.ID)(nil), nil)
		require.NoError(t, err)
		var n int
		require.NoError(t, db.QueryRow(ctx, `SELECT count(*) FROM things WHERE name = ? AND ratio IS NULL AND at IS NULL
			AND doc IS NULL AND raw IS NULL AND parent IS NULL AND note IS NULL`, "nothing").Scan(&n))
		require.Equal(t, 1, n)
	})
}

func TestRowsComeInOrderAndEnd(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		ctx := t.Context()
		for i := range 20 {
			_, err := db.Exec(ctx, "INSERT INTO things (id, name, size) VALUES (?, ?, ?)", account.NewID(), fmt.Sprint("n", i), i+1)
			require.NoError(t, err)
		}
		rows, err := db.Query(ctx, "SELECT size FROM things WHERE (size, name) > (?, ?) ORDER BY size, name LIMIT 5", 10, "n9")
		require.NoError(t, err)
		var sizes []int
		for rows.Next() {
			var size int
			require.NoError(t, rows.Scan(&size))
			sizes = append(sizes, size)
		}
		require.NoError(t, rows.Err())
		rows.Close()
		require.Equal(t, []int{11, 12, 13, 14, 15}, sizes)
		require.Zero(t, db.Stats().InUse)

		rows, err = db.Query(ctx, "SELECT size FROM things")
		require.NoError(t, err)
		require.True(t, rows.Next())
		rows.Close()
		rows.Close()
		require.NoError(t, rows.Err())
		require.ErrorIs(t, db.QueryRow(ctx, "SELECT name FROM things WHERE size = ?", 99).Scan(new(string)), ErrNoRows)
		require.NoError(t, db.Ping(ctx))
	})
}

// TestARowThatAStatementChangesIsCommitted: the row is there before the statement has ended, its commit is not.
func TestARowThatAStatementChangesIsCommitted(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		var seen []Statement
		db := s.withThings(t, func(_ *Settings, o *Options) {
			o.Observe = func(_ context.Context, s Statement) { seen = append(seen, s) }
		})
		seen = nil
		var n int
		require.NoError(t, db.ExecRow(t.Context(), "UPDATE things SET size = size + 3 WHERE id = ? AND size = ? RETURNING size", firstThing, 0).Scan(&n))
		require.Equal(t, 3, n)
		require.Equal(t, []Statement{{SQL: "UPDATE things SET size = size + 3 WHERE id = ? AND size = ? RETURNING size", Args: []any{firstThing, 0}}}, seen)
		require.ErrorIs(t, db.ExecRow(t.Context(), "UPDATE things SET size = 9 WHERE id = ? AND size = ? RETURNING size", firstThing, 0).Scan(&n), ErrNoRows)
		other := s.open(t)
		require.Equal(t, 3, size(t, other))

		err := db.ExecRow(t.Context(), "INSERT INTO things (id, name) VALUES (?, ?) RETURNING size", account.NewID(), "first?;").Scan(&n)
		constraint, ok := UniqueViolation(err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "things_name_key", constraint)
		require.Error(t, db.ExecRow(t.Context(), "UPDATE things SET size = 4 WHERE id = ? RETURNING name", firstThing).Scan(&n), "a name is no number")
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, _ *Tx) error {
			require.ErrorIs(t, db.ExecRow(ctx, "UPDATE things SET size = 5 WHERE id = ? RETURNING size", firstThing).Scan(&n), errPoolInTx)
			return nil
		}))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, db.ExecRow(ctx, "UPDATE things SET size = 6 WHERE id = ? RETURNING size", firstThing).Scan(&n), errs.ErrUnavailable)
		require.Zero(t, db.Stats().InUse)
		_, err = db.Exec(t.Context(), grow, firstThing)
		require.NoError(t, err, "the handle is free again")
	})
}

func TestFinishedRowsHaveNoError(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t, func(s *Settings, _ *Options) { s.AcquireDeadline = 30 * time.Second })
		var group errgroup.Group
		for range 4 {
			group.Go(func() error {
				for range 250 {
					rows, err := db.Query(t.Context(), "SELECT name FROM things")
					if err != nil {
						return err
					}
					for rows.Next() {
						if err := rows.Scan(new(string)); err != nil {
							return err
						}
					}
					if err := rows.Err(); err != nil {
						return err
					}
				}
				return nil
			})
		}
		require.NoError(t, group.Wait())
	})
}

func TestNamedAndRareTypesAreBound(t *testing.T) {
	t.Parallel()
	type (
		yes   bool
		bytes []byte
		ratio float32
	)
	word, flag, at := "w", true, time.UnixMicro(5)
	for _, c := range []struct{ in, lite, pg any }{
		{yes(true), int64(1), true},
		{false, int64(0), false},
		{&flag, int64(1), true},
		{bytes("a"), []byte("a"), []byte("a")},
		{ratio(0.5), 0.5, 0.5},
		{uint8(3), int64(3), int64(3)},
		{int16(-3), int64(-3), int64(-3)},
		{&word, "w", "w"},
		{at, int64(5), at.UTC()},
		{(*account.ID)(nil), nil, nil},
	} {
		for kind, want := range map[Engine]any{SQLite: c.lite, PostgreSQL: c.pg} {
			got, err := bind(kind, []any{c.in})
			require.NoError(t, err)
			require.Equal(t, []any{want}, got)
		}
	}
	for _, in := range []any{uint64(1 << 63), []string{"a"}, map[string]int{}, make(chan int), secret.New("x"), &secret.String{}} {
		_, err := bind(SQLite, []any{"fine", in})
		require.ErrorContains(t, err, "argument 2")
	}
}

func TestViolationsHaveOneNameOnBothEngines(t *testing.T) {
	t.Parallel()
	const insert = "INSERT INTO things (id, name, size, note, parent) VALUES (?, ?, ?, ?, ?)"
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		ctx := t.Context()
		_, err := db.Exec(ctx, insert, account.NewID(), "taken", 5, "x", nil)
		require.NoError(t, err)
		cases := []struct {
			constraint string
			args       []any
		}{
			{"things_name_key", []any{account.NewID(), "taken", 1, "y", nil}},
			{"things_size_note_key", []any{account.NewID(), "free", 5, "x", nil}},
			{"things_pkey", []any{firstThing, "free", 1, "y", nil}},
		}
		for _, c := range cases {
			_, err := db.Exec(ctx, insert, c.args...)
			name, ok := UniqueViolation(fmt.Errorf("insert: %w", err))
			require.True(t, ok, "%v", err)
			require.Equal(t, c.constraint, name)
			require.NotErrorIs(t, err, errs.ErrUnavailable)
		}
		_, err = db.Exec(ctx, insert, account.NewID(), "orphan", 1, "y", account.NewID())
		_, ok := ForeignKeyViolation(err)
		require.True(t, ok, "%v", err)
		_, ok = UniqueViolation(err)
		require.False(t, ok)
	})
}

func TestNoBoundValueIsInAnError(t *testing.T) {
	t.Parallel()
	const marker = "MARKER-7f3a"
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		ctx := t.Context()
		_, err := db.Exec(ctx, "INSERT INTO things (id, name, note) VALUES (?, ?, ?)", account.NewID(), marker, marker)
		require.NoError(t, err)
		var number int
		var at time.Time
		var id account.ID
		faults := map[string]error{
			"unique":      exec(ctx, db, "INSERT INTO things (id, name) VALUES (?, ?)", account.NewID(), marker),
			"wrong type":  exec(ctx, db, "UPDATE things SET size = ?", marker),
			"not null":    exec(ctx, db, "INSERT INTO things (id, name, note) VALUES (?, ?, ?)", account.NewID(), nil, marker),
			"syntax":      exec(ctx, db, "INSERT INTO nowhere (a) VALUES (?)", marker),
			"too few":     exec(ctx, db, "UPDATE things SET size = ? WHERE name = ?", marker),
			"secret":      exec(ctx, db, "UPDATE things SET note = ?", secret.New(marker)),
			"struct":      exec(ctx, db, "UPDATE things SET note = ?", struct{ S string }{marker}),
			"scan number": db.QueryRow(ctx, "SELECT note FROM things WHERE name = ?", marker).Scan(&number),
			"scan time":   db.QueryRow(ctx, "SELECT note FROM things WHERE name = ?", marker).Scan(&at),
			"scan id":     db.QueryRow(ctx, "SELECT note FROM things WHERE name = ?", marker).Scan(&id),
			"scan count":  db.QueryRow(ctx, "SELECT note, name FROM things WHERE name = ?", marker).Scan(&number),
		}
		for name, err := range faults {
			require.Error(t, err, name)
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err.Error()), marker, name)
			require.NotErrorIs(t, err, errs.ErrUnavailable, name)
		}
		require.Contains(t, faults["scan number"].Error(), "note")
		require.NoError(t, db.Ping(ctx))
	})
}

func exec(ctx context.Context, q Querier, sql string, args ...any) error {
	_, err := q.Exec(ctx, sql, args...)
	return err
}

func TestObserverSeesEachStatementAsWritten(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		var seen []Statement
		db := s.withThings(t, func(_ *Settings, o *Options) {
			o.Observe = func(_ context.Context, st Statement) { seen = append(seen, st) }
		})
		const read = "SELECT name FROM things WHERE size = ?"
		_ = db.QueryRow(t.Context(), read, 5).Scan(new(string))
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error { return exec(ctx, tx, "UPDATE things SET size = 1") }))
		require.Equal(t, []Statement{{SQL: read, Args: []any{5}}, {SQL: "UPDATE things SET size = 1", InTx: true}}, seen)
	})
}

func TestExhaustedPoolAnswersWithinTheDeadline(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t, func(s *Settings, _ *Options) { s.AcquireDeadline, s.PoolMax = 500*time.Millisecond, 2 })
		ctx := t.Context()
		var held []*Rows
		for range readers(db) {
			rows, err := db.Query(ctx, "SELECT name FROM things")
			require.NoError(t, err)
			t.Cleanup(rows.Close) // or the database would wait for it
			require.True(t, rows.Next())
			held = append(held, rows)
		}
		started := time.Now()
		err := db.QueryRow(ctx, "SELECT name FROM things WHERE size = 0").Scan(new(string))
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.Positive(t, errs.From(err).RetryAfter())
		require.ErrorIs(t, db.Ping(ctx), errs.ErrUnavailable)
		_, err = db.Query(ctx, "SELECT name FROM things")
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.Less(t, time.Since(started), 3*time.Second)
		require.GreaterOrEqual(t, db.Stats().InUse, len(held))
		for _, rows := range held {
			rows.Close()
		}
		require.NoError(t, db.Ping(ctx))
		require.Positive(t, db.Stats().Waits)
		require.Positive(t, db.Stats().WaitTime)
	})
}

// readers is how many readers the database takes at once.
func readers(db *DB) int {
	if e, ok := db.engine.(*sqliteEngine); ok {
		return cap(e.gate)
	}
	return 2
}

func TestEndedContextIsUnavailable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := db.Exec(ctx, "UPDATE things SET size = 1")
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorIs(t, db.QueryRow(ctx, "SELECT 1 FROM things").Scan(new(int)), errs.ErrUnavailable)
		require.ErrorIs(t, db.InTx(ctx, func(context.Context, *Tx) error { return nil }), errs.ErrUnavailable)
		require.NoError(t, db.Ping(t.Context()))
	})
}

func TestLongStatementIsEnded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		s.withThings(t)
		db := s.open(t, func(s *Settings, _ *Options) { s.StatementTimeout = 100 * time.Millisecond })
		slow := "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT i FROM n) AS x"
		started := time.Now()
		rows, err := db.Query(t.Context(), slow)
		if err == nil {
			require.False(t, rows.Next())
			err = rows.Err()
		}
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.ErrorIs(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error { return tx.QueryRow(ctx, slow).Scan(new(int)) }), errs.ErrUnavailable)
		require.Less(t, time.Since(started), 5*time.Second)
		require.NoError(t, db.Ping(t.Context()))
	})
}

func TestOpenMakesAPrivateFile(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "da ta%20?#")
	db, err := Open(t.Context(), DefaultSettings(), Options{DataDir: dir})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, exec(t.Context(), db, "CREATE TABLE t (a TEXT) STRICT"))
	require.Equal(t, SQLite, db.Engine())
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	for _, name := range []string{"gatehouse.db", "gatehouse.db-wal", "gatehouse.db-shm"} {
		info, err = os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	for pragma, want := range map[string]string{"synchronous": "2", "foreign_keys": "1", "journal_mode": "wal"} {
		var got string
		require.NoError(t, db.engine.(*sqliteEngine).write.QueryRow("PRAGMA "+pragma).Scan(&got))
		require.Equal(t, want, got, pragma)
	}
}

func TestReadingHandlesCannotWrite(t *testing.T) {
	t.Parallel()
	db := sqliteStore(t).withThings(t)
	err := db.QueryRow(t.Context(), "INSERT INTO things (id, name) VALUES ('a', 'b') RETURNING name").Scan(new(string))
	require.ErrorIs(t, err, errReadOnly)
	require.NotErrorIs(t, err, errs.ErrUnavailable)
}

func TestFullDiskIsUnavailableAndReadsGoOn(t *testing.T) {
	t.Parallel()
	db := sqliteStore(t).withThings(t)
	ctx := t.Context()
	require.NoError(t, exec(ctx, db, "PRAGMA max_page_count = 1")) // SQLite takes the size it has already
	large := strings.Repeat("x", 1<<20)
	require.ErrorIs(t, exec(ctx, db, "UPDATE things SET note = ?", large), errs.ErrUnavailable)
	require.ErrorIs(t, db.InTx(ctx, func(ctx context.Context, tx *Tx) error { return exec(ctx, tx, "UPDATE things SET note = ?", large) }), errs.ErrUnavailable)
	require.NoError(t, db.QueryRow(ctx, "SELECT name FROM things WHERE id = ?", firstThing).Scan(new(string)))
	require.NoError(t, exec(ctx, db, "PRAGMA max_page_count = 100000"))
	require.NoError(t, exec(ctx, db, "UPDATE things SET note = ?", large))
}

func TestOldVersionsAreToldApart(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{"3.51.3": false, "3.51.2": true, "3.9.9": true, "3.54.1": false, "4.0": false, "3.51": true} {
		require.Equal(t, want, older(version, leastSQLite), version)
	}
}

func BenchmarkQueryRow(b *testing.B) {
	stores := map[string]store{"sqlite": sqliteStore(b)}
	if postgrestest.Exists() {
		stores["postgres"] = postgresStore(b)
	}
	for name, s := range stores {
		b.Run(name, func(b *testing.B) {
			db := s.withThings(b)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var id account.ID
				var label string
				var size int
				var at *time.Time
				for pb.Next() {
					if err := db.QueryRow(b.Context(), "SELECT id, name, size, at FROM things WHERE id = ?", firstThing).Scan(&id, &label, &size, &at); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkOpenFreshSQLite(b *testing.B) {
	s, dir := sqliteStore(b), b.TempDir()
	for i := 0; b.Loop(); i++ {
		s.settings.URL = secret.New(fmt.Sprintf("sqlite:%s/%d.db?synchronous=off", dir, i))
		db, err := Open(b.Context(), s.settings, s.options)
		require.NoError(b, err)
		_, err = db.Migrate(b.Context(), things())
		require.NoError(b, err)
		db.Close()
	}
}
