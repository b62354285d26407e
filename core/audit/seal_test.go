package audit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
)

func TestAnActCommitsWithItsCause(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p := open(t, db, newClock())
		failed := errors.New("the cause fails")
		require.ErrorIs(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
			require.NoError(t, p.Append(ctx, tx, audit.Act{Action: write}))
			return failed
		}), failed)
		require.Empty(t, p.list())
		p.inTx(func(ctx context.Context, tx *database.Tx) error { return p.Append(ctx, tx, audit.Act{Action: write}) })
		all := p.list()
		require.Len(t, all, 1)
		require.Equal(t, []any{audit.Operator, audit.Done, int64(1), map[string]any{}}, []any{all[0].Actor, all[0].Outcome, all[0].Count, all[0].Details}, "outside a request it is the operator")
	})
}

func TestNothingIsWrittenThatNobodyDeclared(t *testing.T) {
	t.Parallel()
	p := open(t, databasetest.SQLite(t), newClock())
	p.inTx(func(ctx context.Context, tx *database.Tx) error {
		require.ErrorContains(t, p.Append(ctx, tx, audit.Act{Action: "note.burn"}), "declares")
		require.ErrorContains(t, p.Append(ctx, tx, audit.Act{Action: write, Details: map[string]any{"text": string(make([]byte, 5000))}}), "larger")
		require.ErrorContains(t, p.Append(ctx, tx, audit.Act{Action: write, Details: map[string]any{"f": func() {}}}), "details")
		return nil
	})
	p.Refuse(t.Context(), audit.Act{Action: "note.burn"})
	require.Equal(t, audit.Observed{Refused: 1, Lost: 1}, p.seen)
	require.Contains(t, p.logs.String(), "note.burn")
	for _, name := range []string{"", "Note", "note.", "note write", write} {
		require.Panics(t, func() { p.Declare(name, "something") }, name)
	}
	require.Panics(t, func() { p.Declare("note.burn", "") })
	closed := audit.NewTrail(nil)
	require.Error(t, closed.Append(t.Context(), nil, audit.Act{Action: audit.Denied}))
	closed.Close(t.Context())
}

// TestRowsAreSealedInTheOrderInWhichTheyCanBeSeen holds a transaction open across a seal: its row comes into a later one, and
// nothing is added to the one that was made.
func TestRowsAreSealedInTheOrderInWhichTheyCanBeSeen(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		if db.Engine == database.SQLite {
			return // one transaction writes at a time
		}
		p, who := open(t, db, newClock()), newPeople()
		written, commit := make(chan struct{}), make(chan struct{})
		var late sync.WaitGroup
		late.Go(func() {
			err := p.db.InTx(context.WithoutCancel(t.Context()), func(ctx context.Context, tx *database.Tx) error {
				err := p.Append(ctx, tx, audit.Act{Action: read, Actor: who.ada})
				close(written)
				<-commit
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
		<-written
		p.write(audit.Act{Action: write, Actor: who.ada})
		p.seal()
		close(commit)
		late.Wait()
		p.seal()
		found, faults := p.verify()
		require.Empty(t, faults)
		require.Equal(t, []int64{2, 2, 0}, []int64{found.Rows, found.Seals, found.Unsealed})
		all := p.list()
		require.Equal(t, []string{read, write}, []string{all[0].Action, all[1].Action}, "ids are of the time")
		require.Equal(t, []int64{2, 1}, []int64{*all[0].Number, *all[1].Number}, "and numbers of the commit")
	})
}

// TestWorkersSealAtOnce has three processes seal what four write, and verifies meanwhile.
func TestWorkersSealAtOnce(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		clk := newClock()
		workers := []*process{open(t, db, clk), open(t, db, clk), open(t, db, clk)}
		const writers, rows = 4, 40
		var writing, sealing sync.WaitGroup
		done := make(chan struct{})
		for range writers {
			writing.Go(func() {
				for range rows {
					if err := workers[0].db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
						return workers[0].Append(ctx, tx, audit.Act{Action: write, Actor: account.NewID()})
					}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for _, w := range workers {
			sealing.Go(func() {
				for over := false; !over; {
					select {
					case <-done:
						over = true // and once more
					default:
					}
					if err := w.Seal(t.Context()); err != nil {
						t.Error(err)
						return
					}
					if _, err := w.Verify(t.Context(), audit.VerifyOptions{}, func(f audit.Fault) { t.Error(f) }); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		writing.Wait()
		close(done)
		sealing.Wait()
		found, faults := workers[1].verify()
		require.Empty(t, faults)
		require.Equal(t, []int64{writers * rows, 0, writers * rows}, []int64{found.Rows, found.Unsealed, found.LastRow})
	})
}

func TestABatchIsOfAThousandRowsAtMost(t *testing.T) {
	t.Parallel()
	p := open(t, databasetest.SQLite(t), newClock())
	acts := make([]audit.Act, 2500)
	for i := range acts {
		acts[i] = audit.Act{Action: write}
	}
	p.inTx(func(ctx context.Context, tx *database.Tx) error { return p.Append(ctx, tx, acts...) })
	p.seal()
	found, faults := p.verify()
	require.Empty(t, faults)
	require.Equal(t, []int64{2500, 3}, []int64{found.Rows, found.Seals})
	all := p.list()
	for i, e := range all {
		require.Equal(t, int64(i+1), *e.Number, "in the order of writing, within a microsecond too")
	}
	p.seal()
	require.Equal(t, 3, p.count("gatehouse_audit_seals"), "where there is nothing there is no seal")
}

// TestTheIDOfARowIsOfItsTime lets the clock stand still, and go back.
func TestTheIDOfARowIsOfItsTime(t *testing.T) {
	t.Parallel()
	p := open(t, databasetest.SQLite(t), newClock())
	for range 3 {
		p.inTx(func(ctx context.Context, tx *database.Tx) error {
			return p.Append(ctx, tx, audit.Act{Action: write}, audit.Act{Action: read})
		})
		p.clk.Advance(time.Hour)
	}
	all := p.list()
	require.Len(t, all, 6)
	for i, e := range all {
		require.Equal(t, []string{write, read}[i%2], e.Action)
		require.Equal(t, byte(7), byte(e.ID.Version()))
		sec, nsec := e.ID.Time().UnixTime()
		require.WithinDuration(t, time.Time(e.OccurredAt), time.Unix(sec, nsec), time.Millisecond)
	}
}
