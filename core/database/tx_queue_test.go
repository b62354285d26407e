package database

import (
	"context"
	"database/sql"
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
)

func TestQueuedStatementsRunInOrderBeforeWhatFollows(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		var seen []string
		db := s.withThings(t, func(_ *Settings, o *Options) {
			o.Observe = func(_ context.Context, s Statement) {
				if s.InTx {
					seen = append(seen, s.SQL)
				}
			}
		})
		const (
			double = "UPDATE things SET size = size * 2 WHERE id = ?"
			read   = "SELECT size FROM things WHERE id = ?"
		)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			require.NoError(t, tx.Queue(ctx, grow, firstThing))
			require.NoError(t, tx.Queue(ctx, double, firstThing))
			var n int
			require.NoError(t, tx.QueryRow(ctx, read, firstThing).Scan(&n))
			require.Equal(t, 2, n)
			require.NoError(t, tx.Queue(ctx, grow, firstThing))
			require.NoError(t, exec(ctx, tx, double, firstThing))
			require.NoError(t, tx.Queue(ctx, grow, firstThing))
			require.NoError(t, tx.Lock(ctx, "things.first"))
			require.NoError(t, tx.Queue(ctx, double, firstThing))
			require.NoError(t, tx.Native(ctx, nativeGrow))
			return tx.Queue(ctx, double, firstThing)
		}))
		require.Equal(t, (((2+1)*2+1)*2+1)*2, size(t, db))
		require.Equal(t, []string{grow, double, read, grow, double, grow, double, double}, seen)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error { return tx.Queue(ctx, grow, firstThing) }), "nothing else")
		require.NoError(t, db.Queue(t.Context(), grow, firstThing), "outside a transaction it is at once")
		require.Equal(t, 32, size(t, db))
	})
}

func nativeGrow(ctx context.Context, native any) (err error) {
	switch tx := native.(type) {
	case pgx.Tx:
		_, err = tx.Exec(ctx, "UPDATE things SET size = size + 1 WHERE id = $1", firstThing)
	case *sql.Tx:
		_, err = tx.ExecContext(ctx, grow, firstThing)
	}
	return err
}

// follow are what may stand behind a queued statement that fails.
var follow = map[string]func(ctx context.Context, tx *Tx) error{
	"the commit":           func(context.Context, *Tx) error { return nil },
	"a change":             func(ctx context.Context, tx *Tx) error { return exec(ctx, tx, grow, firstThing) },
	"a read":               func(ctx context.Context, tx *Tx) error { return tx.QueryRow(ctx, "SELECT 1").Scan(new(int)) },
	"a lock":               func(ctx context.Context, tx *Tx) error { return tx.Lock(ctx, "things") },
	"a library":            func(ctx context.Context, tx *Tx) error { return tx.Native(ctx, nativeGrow) },
	"another queued one":   func(ctx context.Context, tx *Tx) error { return tx.Queue(ctx, grow, firstThing) },
	"an error of its own":  func(context.Context, *Tx) error { return errs.ErrNotFound },
	"a read that it hides": func(ctx context.Context, tx *Tx) error { _ = tx.QueryRow(ctx, "SELECT 1").Scan(new(int)); return nil },
}

func TestQueuedStatementThatFailsUndoesTheTransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		for what, f := range follow {
			err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				require.NoError(t, tx.Queue(ctx, grow, firstThing), what)
				if err := tx.Queue(ctx, "INSERT INTO things (id, name) VALUES (?, 'first?;')", account.NewID()); err != nil {
					return err // SQLite has it at once
				}
				return f(ctx, tx)
			})
			if what == "an error of its own" && s.name != "sqlite" {
				require.ErrorIs(t, err, errs.ErrNotFound)
			} else {
				_, ok := UniqueViolation(err)
				require.True(t, ok, "%s: %v", what, err)
			}
			require.Zero(t, size(t, db), what)
			require.Zero(t, db.Stats().InUse, what)
		}
		require.NoError(t, exec(t.Context(), db, grow, firstThing), "the connection is of use")
		require.LessOrEqual(t, db.Stats().Open, 4, "and was kept")
	})
}

func TestQueuedChangeThatFindsNoRowUndoesTheTransaction(t *testing.T) {
	t.Parallel()
	const renew = "UPDATE things SET size = size + 1 WHERE id = ? AND size = ? -- and was not renewed"
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		for what, f := range follow {
			err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				require.NoError(t, tx.Queue(ctx, grow, firstThing), what)
				if err := tx.QueueChange(ctx, renew, firstThing, 7); err != nil {
					return err // SQLite has it at once
				}
				return f(ctx, tx)
			})
			if what == "an error of its own" && s.name != "sqlite" {
				require.ErrorIs(t, err, errs.ErrNotFound)
			} else {
				require.Equal(t, ErrNoRows, err, what)
			}
			require.Zero(t, size(t, db), what)
			require.Zero(t, db.Stats().InUse, what)
		}
		require.ErrorIs(t, db.QueueChange(t.Context(), renew, firstThing, 7), ErrNoRows, "outside a transaction it is at once")
		require.NoError(t, db.QueueChange(t.Context(), renew, firstThing, 0))
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error { return tx.QueueChange(ctx, renew, firstThing, 1) }))
		require.Equal(t, 2, size(t, db))
		require.LessOrEqual(t, db.Stats().Open, 4, "connections are kept")
	})
}

// Of those who queue the change of one row, each waits for the one before, and finds what that has left.
func TestOfQueuedChangesThatRaceOneFindsTheRow(t *testing.T) {
	t.Parallel()
	const rivals = 8
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t, func(s *Settings, _ *Options) { s.PoolMax = rivals }) // so that none waits for a connection
		results := make(chan error, rivals)
		for range rivals {
			go func() {
				results <- db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
					if err := tx.QueueChange(ctx, "UPDATE things SET size = 1 WHERE id = ? AND size = 0", firstThing); err != nil {
						return err
					}
					return tx.Queue(ctx, grow, firstThing)
				})
			}()
		}
		won := 0
		for range rivals {
			if err := <-results; err == nil {
				won++
			} else {
				require.ErrorIs(t, err, ErrNoRows)
			}
		}
		require.Equal(t, 1, won)
		require.Equal(t, 2, size(t, db))
	})
}

func TestQueuedStatementsOfALostConnectionAreUnavailable(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		if s.name == "sqlite" {
			return // there is no connection to lose
		}
		s, line := s.wire(t)
		db := s.withThings(t)
		err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			require.NoError(t, exec(ctx, tx, grow, firstThing))
			line.set(true)
			return tx.Queue(ctx, grow, firstThing)
		})
		require.ErrorIs(t, err, errs.ErrUnavailable)
		line.set(false)
		require.Eventually(t, func() bool { return db.Ping(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond)
		require.Zero(t, size(t, db))
	})
}

func TestATransactionTakesARoundTripForEachAnswerAndOneToCommit(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		if s.name == "sqlite" {
			return // it makes none
		}
		s, line := s.wire(t)
		db := s.withThings(t, func(s *Settings, _ *Options) { s.PoolMax = 1 })
		trips := func(first func(ctx context.Context, tx *Tx) error) int64 {
			write := func() {
				require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
					if err := first(ctx, tx); err != nil {
						return err
					}
					for range 5 {
						if err := tx.Queue(ctx, grow, firstThing); err != nil {
							return err
						}
					}
					return nil
				}))
			}
			write() // prepares
			least := int64(math.MaxInt64)
			for range 5 { // a connection that was idle for a second is asked whether it lives
				before := line.trips.Load()
				write()
				least = min(least, line.trips.Load()-before)
			}
			return least
		}
		require.EqualValues(t, 2, trips(func(ctx context.Context, tx *Tx) error { return exec(ctx, tx, grow, firstThing) }))
		require.EqualValues(t, 1, trips(func(ctx context.Context, tx *Tx) error { return tx.QueueChange(ctx, grow, firstThing) }))
		require.Equal(t, 72, size(t, db))
	})
}

func TestNothingRunsInADoomedTransaction(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			first := exec(ctx, tx, "UPDATE nowhere SET size = 1") // not even its beginning was sent
			require.Error(t, first)
			for what, err := range map[string]error{
				"a change":  exec(ctx, tx, grow, firstThing),
				"queued":    tx.Queue(ctx, grow, firstThing),
				"a read":    tx.QueryRow(ctx, "SELECT 1").Scan(new(int)),
				"a lock":    tx.Lock(ctx, "things"),
				"a library": tx.Native(ctx, nativeGrow),
			} {
				require.EqualError(t, err, first.Error(), what)
			}
			return nil
		})
		require.Error(t, err)
		require.Zero(t, size(t, db))
		require.PanicsWithValue(t, "mine", func() {
			_ = db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
				require.NoError(t, tx.Queue(ctx, grow, firstThing))
				panic("mine")
			})
		})
		require.Zero(t, size(t, db), "what waited was never sent")
		require.Zero(t, db.Stats().InUse)
	})
}

func TestAValueThatCannotBeSentIsNoOutage(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		if s.name == "sqlite" {
			return // it stores any value
		}
		db := s.withThings(t)
		runs := 0
		err := db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			runs++
			require.NoError(t, tx.Queue(ctx, grow, firstThing))
			return tx.Queue(ctx, grow, 7)
		})
		require.Error(t, err)
		require.NotErrorIs(t, err, errs.ErrUnavailable)
		require.Equal(t, 1, runs)
		require.Zero(t, size(t, db))
	})
}

func TestManyQueuedStatementsAreSentInSteps(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.withThings(t)
		require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
			for range 1000 {
				if err := tx.Queue(ctx, grow, firstThing); err != nil {
					return err
				}
			}
			return nil
		}))
		require.Equal(t, 1000, size(t, db))
	})
}
