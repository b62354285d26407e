package database

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/errs"
)

const grow = "UPDATE things SET size = size + 1 WHERE id = ?"

func size(t *testing.T, db *DB) (n int) {
	t.Helper()
	require.NoError(t, db.QueryRow(t.Context(), "SELECT size FROM things WHERE id = ?", firstThing).Scan(&n))
	return n
}

func TestInTxCommitsOrLeavesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		ctx := t.Context()
		after := 0
		require.NoError(t, db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
			tx.AfterCommit(func() { after++ })
			require.Equal(t, db.Engine(), tx.Engine())
			require.NoError(t, tx.Lock(ctx, "things.first"))
			var n int
			require.NoError(t, tx.QueryRow(ctx, "UPDATE things SET size = 5 WHERE id = ? RETURNING size", firstThing).Scan(&n))
			require.Equal(t, 5, n)
			rows, err := tx.Query(ctx, "SELECT size FROM things")
			require.NoError(t, err)
			require.True(t, rows.Next())
			require.False(t, rows.Next())
			require.NoError(t, rows.Err())
			require.Zero(t, after)
			return nil
		}))
		require.Equal(t, 1, after)
		require.Equal(t, 5, size(t, db))

		mine := errors.New("mine")
		require.Equal(t, mine, db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
			tx.AfterCommit(func() { after++ })
			require.NoError(t, exec(ctx, tx, grow, firstThing))
			return mine
		}))
		require.PanicsWithValue(t, "mine", func() {
			_ = db.InTx(ctx, func(ctx context.Context, tx *Tx) error {
				tx.AfterCommit(func() { after++ })
				require.NoError(t, exec(ctx, tx, grow, firstThing))
				panic("mine")
			})
		})
		ended, cancel := context.WithCancel(ctx)
		require.ErrorIs(t, db.InTx(ended, func(ctx context.Context, tx *Tx) error {
			defer cancel()
			return exec(ctx, tx, grow, firstThing)
		}), errs.ErrUnavailable)
		require.Equal(t, 1, after)
		require.Equal(t, 5, size(t, db))
		require.Zero(t, db.Stats().InUse)
	})
}

func TestFailedStatementDoomsTheTransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			require.NoError(t, exec(ctx, tx, grow, firstThing))
			_ = exec(ctx, tx, "INSERT INTO things (id, name) VALUES (?, 'first?;')", account.NewID())
			return nil
		})
		_, ok := UniqueViolation(err)
		require.True(t, ok, "%v", err)
		require.Zero(t, size(t, db))
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			require.ErrorIs(t, tx.QueryRow(ctx, "SELECT name FROM things WHERE size = 77").Scan(new(string)), ErrNoRows)
			return nil
		}), "finding nothing is no failure")
	})
}

func TestFailedCommitIsAnError(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.open(t)
		_, err := db.Migrate(t.Context(), []Migrations{{Module: "late", FS: files("0001_late.sql", `CREATE TABLE a (id INTEGER PRIMARY KEY);
			CREATE TABLE b (a INTEGER REFERENCES a (id) DEFERRABLE INITIALLY DEFERRED)`)}})
		require.NoError(t, err)
		after := false
		err = db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			tx.AfterCommit(func() { after = true })
			return exec(ctx, tx, "INSERT INTO b (a) VALUES (7)")
		})
		_, ok := ForeignKeyViolation(err)
		require.True(t, ok, "%v", err)
		require.False(t, after)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error { return exec(ctx, tx, "INSERT INTO a (id) VALUES (7)") }))
	})
}

func TestNestingAndThePoolAreRefusedInsideATransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		var leakedCtx context.Context
		var leaked *Tx
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			leakedCtx, leaked = ctx, tx //nolint:fatcontext // leaking it is the case
			require.ErrorIs(t, db.InTx(ctx, func(context.Context, *Tx) error { return nil }), errNested)
			require.ErrorIs(t, exec(ctx, db, grow, firstThing), errPoolInTx)
			require.ErrorIs(t, db.QueryRow(ctx, "SELECT 1").Scan(new(int)), errPoolInTx)
			_, err := db.Migrate(ctx, things())
			require.ErrorIs(t, err, errPoolInTx)
			tx.AfterCommit(func() { require.NoError(t, exec(ctx, db, grow, firstThing)) })
			return nil
		}))
		require.Equal(t, 1, size(t, db))
		require.ErrorIs(t, exec(leakedCtx, leaked, grow, firstThing), errTxFinished)
		require.ErrorIs(t, leaked.QueryRow(leakedCtx, "SELECT 1").Scan(new(int)), errTxFinished)
		require.ErrorIs(t, leaked.Lock(leakedCtx, "x"), errTxFinished)
	})
}

func TestAThousandIncrementsLoseNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t, func(s *Settings, _ *Options) { s.AcquireDeadline = 30 * time.Second })
		var group errgroup.Group
		for range 1000 {
			group.Go(func() error {
				return db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
					if err := tx.Lock(ctx, "things.size"); err != nil {
						return err
					}
					var n int
					if err := tx.QueryRow(ctx, "SELECT size FROM things WHERE id = ?", firstThing).Scan(&n); err != nil {
						return err
					}
					return exec(ctx, tx, "UPDATE things SET size = ? WHERE id = ?", n+1, firstThing)
				})
			})
		}
		require.NoError(t, group.Wait())
		require.Equal(t, 1000, size(t, db))
	})
}

func TestDeadlockedTransactionsRunAgain(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		if s.name == "sqlite" {
			return // one writer at a time: no deadlock to be had
		}
		db := s.withThings(t)
		other := account.NewID()
		require.NoError(t, exec(t.Context(), db, "INSERT INTO things (id, name) VALUES (?, 'other')", other))
		var met sync.WaitGroup
		met.Add(2)
		cross := func(first, second any) error {
			waited, after := false, 0
			err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				tx.AfterCommit(func() { after++ })
				if err := exec(ctx, tx, grow, first); err != nil {
					return err
				}
				if !waited {
					waited = true
					met.Done()
					met.Wait()
				}
				return exec(ctx, tx, grow, second)
			})
			if after != 1 && err == nil {
				return fmt.Errorf("AfterCommit ran %d times", after)
			}
			return err
		}
		var group errgroup.Group
		group.Go(func() error { return cross(firstThing, other) })
		group.Go(func() error { return cross(other, firstThing) })
		require.NoError(t, group.Wait())
		require.Equal(t, 2, size(t, db))
	})
}

func TestRetriesAreBounded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		if s.name == "sqlite" {
			return // its transactions are never asked to run again
		}
		db := s.withThings(t)
		runs := 0
		err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			runs++
			return exec(ctx, tx, "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$")
		})
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.Equal(t, maxAttempts, runs)
	})
}

func TestLostConnectionBeforeTheCommitRunsAgain(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		if s.name == "sqlite" {
			return // there is no connection to lose
		}
		db := s.withThings(t)
		runs := 0
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			if runs++; runs == 1 {
				var pid int
				require.NoError(t, tx.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid))
				admin(t, s.server(), fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
			}
			return exec(ctx, tx, grow, firstThing)
		}))
		require.Equal(t, 2, runs)
		require.Equal(t, 1, size(t, db))
	})
}

func TestForeignWriteLockIsUnavailable(t *testing.T) {
	t.Parallel()
	s := sqliteStore(t)
	db := s.withThings(t, func(s *Settings, _ *Options) { s.AcquireDeadline = 50 * time.Millisecond })
	beside := s.open(t)
	require.NoError(t, beside.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
		require.NoError(t, exec(ctx, tx, grow, firstThing))
		require.ErrorIs(t, exec(t.Context(), db, grow, firstThing), errs.ErrUnavailable)
		require.ErrorIs(t, db.InTx(t.Context(), func(context.Context, *Tx) error { return nil }), errs.ErrUnavailable)
		require.Zero(t, size(t, db), "reads go on")
		return nil
	}))
	require.NoError(t, exec(t.Context(), db, grow, firstThing))
	require.Equal(t, 2, size(t, db))
}

func TestHeldWriteHandleIsUnavailable(t *testing.T) {
	t.Parallel()
	db := sqliteStore(t).withThings(t, func(s *Settings, _ *Options) { s.AcquireDeadline = 50 * time.Millisecond })
	require.NoError(t, db.InTx(t.Context(), func(context.Context, *Tx) error {
		require.ErrorIs(t, exec(t.Context(), db, grow, firstThing), errs.ErrUnavailable)
		require.ErrorIs(t, db.InTx(t.Context(), func(context.Context, *Tx) error { return nil }), errs.ErrUnavailable)
		return nil
	}))
}

func BenchmarkInTx(b *testing.B) {
	for name, open := range map[string]func(testing.TB) store{"sqlite": sqliteStore, "postgres": postgresStore} {
		if name == "postgres" && !postgrestest.Exists() {
			continue
		}
		b.Run(name, func(b *testing.B) {
			s := open(b)
			db := s.withThings(b)
			for b.Loop() {
				if err := db.InTx(b.Context(), func(ctx context.Context, tx *Tx) error { return exec(ctx, tx, grow, firstThing) }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
