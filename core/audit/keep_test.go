package audit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
)

const day = 24 * time.Hour

// TestRetentionDropsWholeBatchesAndKeepsTheirSeals also drops what was erased, and forgets that it was.
func TestRetentionDropsWholeBatchesAndKeepsTheirSeals(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p, who := open(t, db, newClock()), newPeople()
		p.sealed(who)
		p.erase(who.ada)
		p.clk.Advance(100 * day)
		p.write(audit.Act{Action: write, Actor: who.admin})
		p.seal()
		p.write(audit.Act{Action: write, Actor: who.admin})
		prune := func() { require.NoError(t, p.Prune(t.Context())) }
		prune()
		require.Equal(t, []int{11, 4, 1}, []int{p.count("gatehouse_audit"), p.count("gatehouse_audit_seals"), p.count("gatehouse_audit_erasures")})

		p.clk.Advance(265 * day) // the first three batches are a year old
		prune()
		require.Equal(t, []int{2, 4, 0}, []int{p.count("gatehouse_audit"), p.count("gatehouse_audit_seals"), p.count("gatehouse_audit_erasures")})
		found, faults := p.verify()
		require.Empty(t, faults)
		require.Equal(t, []int64{1, 1, 4, 3}, []int64{found.Rows, found.Unsealed, found.Seals, found.Dropped})
		require.Zero(t, p.count("gatehouse_audit_seals WHERE dropped_at IS NOT NULL AND entries IS NOT NULL"))

		p.clk.Advance(1000 * day)
		prune()
		require.Equal(t, 1, p.count("gatehouse_audit"), "what is not sealed stays")
		p.seal()
		p.write(audit.Act{Action: write, Actor: who.admin})
		p.seal()
		found, faults = p.verify()
		require.Empty(t, faults)
		require.Equal(t, []int64{2, 6, 4, 12}, []int64{found.Rows, found.Seals, found.Dropped, found.LastRow}, "numbers and seals go on")
	})
}

// TestErasingAnAccountTakesWhatIsPersonalAndBreaksNoSeal erases somebody who acted, was acted on and was attacked.
func TestErasingAnAccountTakesWhatIsPersonalAndBreaksNoSeal(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p, who := open(t, db, newClock()), newPeople()
		p.sealed(who)
		p.write(audit.Act{Action: write, Actor: who.ada, Target: who.ada, Email: "ada@example.com"}) // not sealed
		require.NoError(t, p.RefuseFrom(t.Context(), ip, agent, audit.Act{Action: read, Outcome: audit.Failed, Actor: who.ada, Target: who.ada, Email: "ada@example.com"}))
		p.erase(who.ada)
		p.flush() // it was refused before, and is written after
		for _, e := range p.list() {
			require.Nil(t, e.Email)
			require.NotNil(t, e.TargetID)
			if e.ActorID != nil && *e.ActorID == who.admin {
				require.Equal(t, ip, *e.IP, "the administrator's own address stays")
				continue
			}
			require.Nil(t, e.IP)
			require.Nil(t, e.UserAgent)
		}
		found, faults := p.verify()
		require.Empty(t, faults)
		require.Equal(t, []int64{10, 2}, []int64{found.Erased, found.Unsealed}, "the refusal never had an address")

		p.inLate(who.ada)
		require.Equal(t, 1, p.count("gatehouse_audit WHERE ip IS NOT NULL AND action = 'note.read' AND actor_kind = 'user'"))
		require.NoError(t, p.Prune(t.Context()))
		require.Zero(t, p.count("gatehouse_audit WHERE ip IS NOT NULL AND action = 'note.read' AND actor_kind = 'user'"))
		p.seal()
		_, faults = p.verify()
		require.Empty(t, faults)
		p.erase(who.admin)
		require.Zero(t, p.count("gatehouse_audit WHERE ip IS NOT NULL OR user_agent IS NOT NULL OR email IS NOT NULL"))
		_, faults = p.verify()
		require.Empty(t, faults)
	})
}

// inLate writes something about an account that was under way when the account was erased.
func (p *process) inLate(id account.ID) {
	p.t.Helper()
	p.write(audit.Act{Action: read, Actor: id})
}

func TestTheExportHasWhatOneDidAndWhatWasDoneToOne(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p, who := open(t, db, newClock()), newPeople()
		none, err := p.Export(t.Context(), who.ada)
		require.NoError(t, err)
		require.Nil(t, none)
		p.sealed(who)
		p.write(audit.Act{Action: write, Actor: who.ada, Target: who.admin, Email: "admin@example.com"})
		all, err := p.Export(t.Context(), who.ada)
		require.NoError(t, err)
		require.Len(t, all, 10)
		require.Nil(t, all[0].Email, "another's address")
		for i, e := range all {
			if i > 0 {
				require.Less(t, e.ID.String(), all[i-1].ID.String(), "the newest first")
			}
			if e.Details["n"] == 2.0 {
				require.Equal(t, []any{(*account.ID)(nil), (*string)(nil)}, []any{e.ActorID, e.IP}, "who else did it, and from where, is not told")
			}
		}
	})
}

func TestSettingsSayWhatTheyMayNotBe(t *testing.T) {
	t.Parallel()
	for d, faults := range map[time.Duration]int{time.Hour: 1, day: 0, 3650 * day: 0, 3651 * day: 1} {
		s, n := audit.Settings{Retention: d}, 0
		s.Check(func(field, _ string) {
			require.Equal(t, "retention", field)
			n++
		})
		require.Equal(t, faults, n, d)
	}
	require.Equal(t, 365*day, audit.DefaultSettings().Retention)
}
