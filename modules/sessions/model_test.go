package sessions_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/testkit"
)

// chain is what a session should be: its tokens in order, all but the last of them used.
type chain struct {
	started   sessions.Started
	tokens    []secret.String
	rotatedAt time.Time
	idleUntil time.Time
	until     time.Time
	reason    sessions.Reason // why it was ended, or empty
	endedAt   time.Time
}

// model is an account as its owner sees it, moved along beside the real one.
type model struct {
	t      testing.TB
	i      *instance
	clk    *clock.Fake
	leeway time.Duration
	owner  account.ID
	chains []*chain
}

// TestAnyOrderOfUsesLeavesOneLiveTokenPerSession holds random lives against the model: whatever the order of starts, uses,
// replays, ends and pauses, every answer is the one that the contract says, and no session has two live tokens. It takes
// longer than five seconds: a hundred lives of thirty steps each.
func TestAnyOrderOfUsesLeavesOneLiveTokenPerSession(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		for name, allowed := range map[string]time.Duration{"with leeway": leeway, "strict": 0} {
			clk := newClock()
			i := open(t, db, clk, func(s *sessions.Settings) { s.ReuseLeeway = allowed })
			t.Run(name, func(t *testing.T) { // not parallel: both share the database's one schema, and rapid is sequential
				rapid.Check(t, func(rt *rapid.T) {
					m := &model{t: t, i: i, clk: clk, leeway: allowed, owner: account.NewID()}
					rt.Repeat(map[string]func(*rapid.T){
						"start": m.start, "use": m.use, "replay": m.use, "end": m.end, "wait": m.wait, "": m.check,
					})
				})
			})
		}
	})
}

func (m *model) start(*rapid.T) {
	started := m.i.start(m.t, m.owner)
	now := m.clk.Now()
	m.chains = append(m.chains, &chain{started: started, tokens: []secret.String{started.RefreshToken}, idleUntil: now.Add(idle), until: now.Add(absolute)})
}

func (m *model) pick(rt *rapid.T) *chain {
	if len(m.chains) == 0 {
		rt.Skip("no session yet")
	}
	return rapid.SampledFrom(m.chains).Draw(rt, "session")
}

func (m *model) live(c *chain) bool { return c.reason == "" && m.clk.Now().Before(c.idleUntil) }

// use takes any token that the session ever had, the last ones more often.
func (m *model) use(rt *rapid.T) {
	c := m.pick(rt)
	at := max(0, len(c.tokens)-1-rapid.IntRange(0, 3).Draw(rt, "back"))
	last, now := len(c.tokens)-1, m.clk.Now()
	r, err := m.i.Refresh(rt.Context(), c.tokens[at], client)
	switch {
	case !m.live(c):
		require.ErrorIs(rt, err, sessions.ErrRefreshToken)
	case at == last:
		require.NoError(rt, err)
		require.Equal(rt, m.owner, r.Account)
		c.tokens = append(c.tokens, r.RefreshToken)
		c.rotatedAt, c.idleUntil = now, now.Add(idle)
		if c.until.Before(c.idleUntil) {
			c.idleUntil = c.until
		}
	case at == last-1 && m.leeway > 0 && now.Sub(c.rotatedAt) <= m.leeway:
		require.NoError(rt, err)
		require.Equal(rt, c.tokens[last].Reveal(), r.RefreshToken.Reveal())
	default:
		require.ErrorIs(rt, err, sessions.ErrRefreshToken)
		c.reason, c.endedAt = sessions.ReasonReuse, now
	}
}

func (m *model) end(rt *rapid.T) {
	c := m.pick(rt)
	err := m.i.End(rt.Context(), m.owner, c.started.ID, sessions.ReasonLogout)
	if !m.live(c) {
		require.ErrorIs(rt, err, sessions.ErrNotFound)
		return
	}
	require.NoError(rt, err)
	c.reason, c.endedAt = sessions.ReasonLogout, m.clk.Now()
}

func (m *model) wait(rt *rapid.T) {
	m.clk.Advance(rapid.SampledFrom([]time.Duration{time.Second, leeway, leeway + time.Microsecond, idle / 2, idle}).Draw(rt, "pause"))
}

// check compares what the owner is shown, and the tokens that the database would take.
func (m *model) check(rt *rapid.T) {
	live, ended := map[account.SessionID]bool{}, map[account.SessionID]sessions.Reason{}
	for _, c := range m.chains {
		switch {
		case m.live(c):
			live[c.started.ID] = true
		case c.reason != "":
			ended[c.started.ID] = c.reason
		default:
			ended[c.started.ID] = sessions.ReasonExpired
		}
	}
	shown, err := m.i.List(rt.Context(), m.owner)
	require.NoError(rt, err)
	var ids []account.SessionID
	for _, s := range shown {
		ids = append(ids, s.ID)
	}
	require.ElementsMatch(rt, slices.Collect(maps.Keys(live)), ids)
	over, err := m.i.ListEnded(rt.Context(), m.owner)
	require.NoError(rt, err)
	reasons := map[account.SessionID]sessions.Reason{}
	for _, s := range over {
		reasons[s.ID] = s.Reason
	}
	require.Equal(rt, ended, reasons)
	for _, c := range m.chains {
		seen := map[string]bool{}
		for _, text := range c.tokens {
			require.False(rt, seen[text.Reveal()], "a token came twice")
			seen[text.Reveal()] = true
		}
		_, err := m.i.Live(rt.Context(), c.started.ID)
		require.Equal(rt, live[c.started.ID], err == nil)
	}
}
