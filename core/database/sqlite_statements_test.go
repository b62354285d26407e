package database

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAKeptStatementIsUsedByOneAtATime(t *testing.T) {
	t.Parallel()
	db := sqliteStore(t).withThings(t)
	const numbers = "WITH v (value) AS (VALUES (1), (2), (3)) SELECT value FROM v WHERE value >= ?"
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *Tx) error {
		for range 2 { // made at first, kept afterwards
			outer, err := tx.Query(ctx, numbers, 1)
			require.NoError(t, err)
			var pairs []string
			for outer.Next() {
				var a, b int
				require.NoError(t, outer.Scan(&a))
				inner, err := tx.Query(ctx, numbers, a)
				require.NoError(t, err)
				for inner.Next() {
					require.NoError(t, inner.Scan(&b))
					pairs = append(pairs, fmt.Sprint(a, b))
				}
				require.NoError(t, inner.Err())
				inner.Close()
			}
			require.NoError(t, outer.Err())
			outer.Close()
			require.Equal(t, []string{"1 1", "1 2", "1 3", "2 2", "2 3", "3 3"}, pairs)
		}
		return nil
	}))
}

func TestAKeptStatementOutlivesItsFaults(t *testing.T) {
	t.Parallel()
	db := sqliteStore(t).withThings(t)
	ctx := t.Context()
	require.NoError(t, exec(ctx, db, "CREATE TABLE kept (x INTEGER PRIMARY KEY)"))
	const insert = "INSERT INTO kept VALUES (?)"
	require.NoError(t, exec(ctx, db, insert, 1))
	_, taken := UniqueViolation(exec(ctx, db, insert, 1))
	require.True(t, taken)
	require.NoError(t, exec(ctx, db, insert, 2))
	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.Error(t, exec(ended, db, insert, 3))
	require.NoError(t, exec(ctx, db, insert, 3))
}

func TestAKeptStatementSeesANewSchema(t *testing.T) {
	t.Parallel()
	db := sqliteStore(t).withThings(t)
	ctx := t.Context()
	require.NoError(t, exec(ctx, db, "CREATE TABLE kept (x INTEGER PRIMARY KEY)"))
	const insert = "INSERT INTO kept DEFAULT VALUES RETURNING *"
	var x int
	var y string
	require.NoError(t, db.InTx(ctx, func(ctx context.Context, tx *Tx) error { return tx.QueryRow(ctx, insert).Scan(&x) }))
	require.NoError(t, exec(ctx, db, "ALTER TABLE kept ADD COLUMN y TEXT NOT NULL DEFAULT 'new'"))
	require.NoError(t, db.InTx(ctx, func(ctx context.Context, tx *Tx) error { return tx.QueryRow(ctx, insert).Scan(&x, &y) }))
	require.Equal(t, "new", y)
	require.NoError(t, exec(ctx, db, "DROP TABLE kept"))
	require.Error(t, db.InTx(ctx, func(ctx context.Context, tx *Tx) error { return tx.QueryRow(ctx, insert).Scan(&x, &y) }))
}
