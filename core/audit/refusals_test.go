package audit_test

import (
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/errs"
)

func total(all []audit.Entry) (n int64) {
	for _, e := range all {
		n += e.Count
	}
	return n
}

// TestAFloodBecomesElevenRowsAMinute refuses a thousand from each of two addresses, of which several are of one /64.
func TestAFloodBecomesElevenRowsAMinute(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p, victim := open(t, db, newClock()), account.NewID()
		var group sync.WaitGroup
		for i := range 1000 {
			group.Go(func() {
				for _, from := range []string{ip, fmt.Sprintf("2001:db8::%x", i%5)} {
					if err := p.RefuseFrom(t.Context(), from, agent, audit.Act{Action: read, Outcome: audit.Failed, Reason: []string{"wrong", "late"}[i%2], Target: victim}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		require.NoError(t, p.Flush(t.Context(), false))
		require.Len(t, p.list(), 20, "what is gathered waits until its minute is over")
		p.clk.Advance(time.Minute)
		require.NoError(t, p.Flush(t.Context(), false))
		all := p.list()
		require.Len(t, all, 22)
		require.Equal(t, int64(2000), total(all))
		of := map[string]audit.Entry{}
		for _, e := range all {
			require.Equal(t, []any{read, audit.Failed, victim}, []any{e.Action, e.Outcome, *e.TargetID})
			if e.Count > 1 {
				of[*e.IP] = e
			}
		}
		require.Len(t, of, 2)
		for from, e := range of {
			require.Contains(t, []string{ip, "2001:db8::/64"}, from)
			require.Equal(t, []any{int64(990), "several"}, []any{e.Count, *e.Reason})
			by := e.Details["of"].(map[string]any)
			require.InDelta(t, 990, by["note.read wrong"].(float64)+by["note.read late"].(float64), 0)
		}

		require.NoError(t, p.RefuseFrom(t.Context(), ip, agent, audit.Act{Action: read}))
		p.flush()
		require.Len(t, p.list(), 23, "the next minute begins anew")
		_, faults := p.verify()
		require.Empty(t, faults)
	})
}

func TestWhatIsGatheredSaysWhatItsRefusalsHaveInCommon(t *testing.T) {
	t.Parallel()
	p, ada, eve := open(t, databasetest.SQLite(t), newClock()), account.NewID(), account.NewID()
	for range 10 {
		require.NoError(t, p.RefuseFrom(t.Context(), ip, agent, audit.Act{Action: read, Outcome: audit.Failed, Target: ada}))
	}
	require.NoError(t, p.RefuseFrom(t.Context(), ip, agent, audit.Act{Action: read, Outcome: audit.Failed, Actor: ada, Target: ada, Email: "a@example.com"}))
	require.NoError(t, p.RefuseFrom(t.Context(), ip, "curl", audit.Act{Action: write, Outcome: audit.Refused, Actor: eve, Target: eve}))
	p.flush()
	all := p.list()
	last := all[len(all)-1]
	require.Equal(t, []any{audit.Denied, audit.Refused, "several", audit.Anonymous, int64(2)}, []any{last.Action, last.Outcome, *last.Reason, last.Actor, last.Count})
	require.Equal(t, []any{(*account.ID)(nil), (*account.ID)(nil), (*string)(nil), (*string)(nil)}, []any{last.ActorID, last.TargetID, last.Email, last.UserAgent})
	require.Equal(t, ip, *last.IP)
}

func TestOfErrorsConflictsAloneAreRefusals(t *testing.T) {
	t.Parallel()
	p, ada := open(t, databasetest.SQLite(t), newClock()), account.NewID()
	last := errs.Conflict("last_one", "it is the last one")
	for _, err := range []error{
		nil, io.EOF, errs.ErrValidation, errs.ErrAuthorization, errs.ErrNotFound, errs.ErrPreconditionFailed, errs.ErrRateLimited, errs.ErrUnavailable, errs.ErrInternal,
		last, last.WithCause(io.EOF), fmt.Errorf("delete: %w", last), errs.ErrConflict,
	} {
		got := p.RefuseConflict(t.Context(), audit.Act{Action: write, Target: ada}, err)
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(got))
	}
	p.flush()
	reasons := []string{}
	for _, e := range p.list() {
		require.Equal(t, []any{write, audit.Refused, ada}, []any{e.Action, e.Outcome, *e.TargetID})
		reasons = append(reasons, *e.Reason)
	}
	require.Equal(t, []string{"last_one", "last_one", "last_one", "conflict"}, reasons)
}

// TestRefusalsTakeBoundedMemoryAndNoneIsLost keeps the database away from ten times more sources than are remembered.
func TestRefusalsTakeBoundedMemoryAndNoneIsLost(t *testing.T) {
	t.Parallel()
	p := open(t, databasetest.SQLite(t), newClock())
	const sources = 5 * audit.MostSources
	for i := range sources {
		require.NoError(t, p.RefuseFrom(t.Context(), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), agent, audit.Act{Action: read, Outcome: audit.Refused}))
	}
	require.LessOrEqual(t, p.Sources(), audit.MostSources)
	require.LessOrEqual(t, p.Waiting(), audit.MostWaiting)
	p.flush()
	require.Equal(t, int64(sources), total(p.list()))
	require.Equal(t, p.count("gatehouse_audit"), p.seen.Written)
	require.Zero(t, p.seen.Lost)
}

// TestRefusalsWaitForADatabaseThatIsAway closes it: refusing goes on, and what cannot be written at the end is told.
func TestRefusalsWaitForADatabaseThatIsAway(t *testing.T) {
	t.Parallel()
	p := open(t, databasetest.SQLite(t), newClock())
	p.db.Close()
	for range 12 {
		p.Refuse(t.Context(), audit.Act{Action: read, Outcome: audit.Refused})
		require.Error(t, p.Flush(t.Context(), false))
	}
	require.Contains(t, p.logs.String(), "wait for the database")
	require.Equal(t, audit.Observed{Refused: 12}, p.seen)
	p.Close(t.Context())
	require.Equal(t, audit.Observed{Refused: 12, Lost: 12}, p.seen)
	require.Contains(t, p.logs.String(), `"refusals":12`)
}

func TestAProcessThatEndsWritesWhatItHasRefused(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p := open(t, db, newClock())
		stop := p.Start(t.Context())
		for range 25 {
			p.Refuse(t.Context(), audit.Act{Action: read, Outcome: audit.Refused})
		}
		stop()
		require.Equal(t, int64(25), total(p.list()))
		require.Len(t, p.list(), 11)
	})
}
