package sessions_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestASessionEndsOnceAndItsReasonIsKept(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner := open(t, db, clk), account.NewID()
		started := i.start(t, owner)
		require.True(t, i.isLive(t, started.ID))
		require.ErrorIs(t, i.End(t.Context(), account.NewID(), started.ID, sessions.ReasonLogout), sessions.ErrNotFound)
		require.ErrorIs(t, i.End(t.Context(), owner, account.NewSessionID(), sessions.ReasonLogout), sessions.ErrNotFound)
		require.True(t, i.isLive(t, started.ID), "another's, or none")
		require.NoError(t, i.End(t.Context(), owner, started.ID, sessions.ReasonOtherDevice))
		require.False(t, i.isLive(t, started.ID), "at once, where it was ended")
		i.refuse(t, started.RefreshToken)
		clk.Advance(time.Minute)
		require.ErrorIs(t, i.End(t.Context(), owner, started.ID, sessions.ReasonLogout), sessions.ErrNotFound)
		ended, err := i.ListEnded(t.Context(), owner)
		require.NoError(t, err)
		require.Len(t, ended, 1)
		require.Equal(t, sessions.ReasonOtherDevice, ended[0].Reason)
		require.Equal(t, clk.Now().Add(-time.Minute), ended[0].EndedAt)
	})
}

func TestAnEndThatRollsBackIsNone(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i, owner := open(t, db, newClock()), account.NewID()
		started := i.start(t, owner)
		mine := errors.New("mine")
		require.ErrorIs(t, i.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			n, err := i.EndAllTx(ctx, tx, owner, sessions.ReasonReset)
			require.NoError(t, err)
			require.Equal(t, 1, n)
			return mine
		}), mine)
		require.True(t, i.isLive(t, started.ID))
		i.refresh(t, started.RefreshToken)
	})
}

func TestAllSessionsOfAnAccountEndButForTheExceptions(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner, other := open(t, db, clk), account.NewID(), account.NewID()
		expired := i.start(t, owner)
		clk.Advance(idle)
		loggedOut, kept, ended, anothers := i.start(t, owner), i.start(t, owner), i.start(t, owner), i.start(t, other)
		require.NoError(t, i.End(t.Context(), owner, loggedOut.ID, sessions.ReasonLogout))
		clk.Advance(time.Second)
		i.inTx(t, func(ctx context.Context, tx *database.Tx) error {
			n, err := i.EndAllTx(ctx, tx, owner, sessions.ReasonPasswordChange, kept.ID)
			require.Equal(t, 1, n)
			return err
		})
		for id, live := range map[account.SessionID]bool{expired.ID: false, loggedOut.ID: false, kept.ID: true, ended.ID: false, anothers.ID: true} {
			require.Equal(t, live, i.isLive(t, id))
		}
		require.Equal(t, []sessions.Reason{sessions.ReasonPasswordChange, sessions.ReasonLogout, sessions.ReasonExpired}, i.reasons(t, owner), "the first reason stays")
	})
}

func TestListsAreNewestFirst(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner := open(t, db, clk), account.NewID()
		var want []account.SessionID
		for range 5 {
			want = append([]account.SessionID{i.start(t, owner).ID}, want...)
			clk.Advance(time.Second)
		}
		ids := func(list []sessions.Session, err error) (found []account.SessionID) {
			require.NoError(t, err)
			for _, s := range list {
				found = append(found, s.ID)
			}
			return found
		}
		require.Equal(t, want, ids(i.List(t.Context(), owner)))
		for _, id := range []account.SessionID{want[3], want[0], want[4]} {
			require.NoError(t, i.End(t.Context(), owner, id, sessions.ReasonLogout))
			clk.Advance(time.Second)
		}
		require.Equal(t, []account.SessionID{want[1], want[2]}, ids(i.List(t.Context(), owner)))
		require.Equal(t, []account.SessionID{want[4], want[0], want[3]}, ids(i.ListEnded(t.Context(), owner)))
	})
}

// TestAnEndIsShownForThirtyDaysAndThenDeleted needs no job for the first, and one for the second.
func TestAnEndIsShownForThirtyDaysAndThenDeleted(t *testing.T) {
	t.Parallel()
	const shown = 30 * 24 * time.Hour
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner := open(t, db, clk), account.NewID()
		loggedOut, unused := i.start(t, owner), i.start(t, owner)
		require.NoError(t, i.End(t.Context(), owner, loggedOut.ID, sessions.ReasonLogout))
		rows := func() (n int) {
			require.NoError(t, i.db.QueryRow(t.Context(), `SELECT count(*) FROM sessions`).Scan(&n))
			return n
		}
		prune := func() {
			more, err := i.Prune(t.Context())
			require.NoError(t, err)
			require.False(t, more)
		}
		clk.Advance(shown - time.Microsecond)
		prune()
		require.Equal(t, []sessions.Reason{sessions.ReasonExpired, sessions.ReasonLogout}, i.reasons(t, owner))
		clk.Advance(time.Microsecond)
		require.Equal(t, []sessions.Reason{sessions.ReasonExpired}, i.reasons(t, owner))
		prune()
		require.Equal(t, 1, rows())
		clk.Advance(idle)
		require.Empty(t, i.reasons(t, owner))
		clk.Advance(absolute - idle)
		prune()
		require.Zero(t, rows())
		i.refuse(t, unused.RefreshToken)
	})
}

func TestPruningGoesInBoundedStepsByAnIndex(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner := open(t, db, clk), account.NewID()
		const n = 1500
		i.inTx(t, func(ctx context.Context, tx *database.Tx) error {
			for range n {
				if _, err := i.Start(ctx, tx, owner, client); err != nil {
					return err
				}
			}
			return nil
		})
		live, err := i.List(t.Context(), owner)
		require.NoError(t, err)
		require.Len(t, live, 1000)
		clk.Advance(absolute + 30*24*time.Hour)
		kept := i.start(t, owner)
		i.statements()
		for _, want := range []bool{true, false} {
			more, err := i.Prune(t.Context())
			require.NoError(t, err)
			require.Equal(t, want, more)
		}
		require.True(t, i.isLive(t, kept.ID))
		i.inTx(t, func(ctx context.Context, tx *database.Tx) error {
			require.Contains(t, plan(ctx, t, tx, i.statements()[0]), "sessions_prune_idx")
			return nil
		})
	})
}

// plan explains a statement as it would run on a table that is worth an index.
func plan(ctx context.Context, t *testing.T, tx *database.Tx, s database.Statement) string {
	t.Helper()
	explain := "EXPLAIN QUERY PLAN "
	if tx.Engine() == database.PostgreSQL {
		explain = "EXPLAIN "
		_, err := tx.Exec(ctx, "SET LOCAL enable_seqscan = off")
		require.NoError(t, err)
	}
	rows, err := tx.Query(ctx, explain+s.SQL, s.Args...)
	require.NoError(t, err)
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		columns := []any{&line}
		if tx.Engine() == database.SQLite {
			columns = []any{new(int64), new(int64), new(int64), &line}
		}
		require.NoError(t, rows.Scan(columns...))
		lines = append(lines, line)
	}
	require.NoError(t, rows.Err())
	return strings.Join(lines, "\n")
}
