package sessions_test

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/modules/sessions"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestATokenIsFollowedByOneSuccessorForAsLongAsTheLeeway(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		for name, c := range map[string]struct {
			after time.Duration // the first use
			again bool
		}{
			"at once":           {0, true},
			"after 9 s":         {9 * time.Second, true},
			"after 10 s":        {10 * time.Second, true},
			"after 11 s":        {11 * time.Second, false},
			"a clock is behind": {-time.Minute, true},
		} {
			clk := newClock()
			i, owner := open(t, db, clk), account.NewID()
			first := i.start(t, owner)
			second := i.refresh(t, first.RefreshToken)
			require.NotEqual(t, first.RefreshToken.Reveal(), second.Reveal())
			clk.Advance(c.after)
			if c.again {
				require.Equal(t, second.Reveal(), i.refresh(t, first.RefreshToken).Reveal(), name)
				i.refresh(t, second)
				continue
			}
			i.refuse(t, first.RefreshToken)
			i.refuse(t, second)
			require.False(t, i.isLive(t, first.ID))
			require.Equal(t, []sessions.Reason{sessions.ReasonReuse}, i.reasons(t, owner))
		}
	})
}

// TestAReplayDoesNotExtendTheLeeway counts from the first use.
func TestAReplayDoesNotExtendTheLeeway(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i := open(t, db, clk)
		first := i.start(t, account.NewID())
		i.refresh(t, first.RefreshToken)
		clk.Advance(9 * time.Second)
		i.refresh(t, first.RefreshToken)
		clk.Advance(2 * time.Second)
		i.refuse(t, first.RefreshToken)
		require.False(t, i.isLive(t, first.ID))
	})
}

func TestAnOldTokenEndsTheSessionOnceItsSuccessorIsUsed(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i, owner := open(t, db, newClock()), account.NewID()
		first := i.start(t, owner)
		second := i.refresh(t, first.RefreshToken)
		third := i.refresh(t, second)
		i.refuse(t, first.RefreshToken)
		i.refuse(t, third)
		require.Equal(t, []sessions.Reason{sessions.ReasonReuse}, i.reasons(t, owner))
	})
}

func TestAStrictTokenWorksOnce(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i, owner := open(t, db, newClock(), strict), account.NewID()
		first := i.start(t, owner)
		second := i.refresh(t, first.RefreshToken)
		i.refuse(t, first.RefreshToken) // in the same microsecond
		i.refuse(t, second)
		require.Equal(t, []sessions.Reason{sessions.ReasonReuse}, i.reasons(t, owner))
	})
}

func TestAForgedTokenChangesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i, owner := open(t, db, newClock()), account.NewID()
		first := i.start(t, owner)
		second := i.refresh(t, first.RefreshToken)
		i.statements()
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(first.RefreshToken.Reveal(), "gtr_"))
		require.NoError(t, err)
		for at := range raw { // whatever byte differs: session, generation, secret or tag
			forged := append([]byte(nil), raw...)
			forged[at] ^= 1
			i.refuse(t, secret.New("gtr_"+base64.RawURLEncoding.EncodeToString(forged)))
		}
		for _, text := range []string{"", "gtr_", "x", first.RefreshToken.Reveal() + "=", strings.ToUpper(first.RefreshToken.Reveal()), strings.Repeat("gtr_", 1000)} {
			i.refuse(t, secret.New(text))
		}
		require.Empty(t, i.statements(), "a forged token is known without a look at the database")
		i.refresh(t, second)
	})
}

// TestATokenAheadOfTheRowEndsNothing: a back-up that was restored leaves such tokens with their owners.
func TestATokenAheadOfTheRowEndsNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i, owner := open(t, db, newClock()), account.NewID()
		first := i.start(t, owner)
		used, ok := i.tokens.Parse(first.RefreshToken.Reveal())
		require.True(t, ok)
		ahead := i.tokens.Successor(i.tokens.Successor(used))
		i.refuse(t, secret.New(i.tokens.Successor(used).Token()))
		i.refuse(t, secret.New(ahead.Token()))
		i.refuse(t, secret.New(i.tokens.New(account.NewSessionID()).Token())) // a session that never was
		i.refuse(t, secret.New(i.tokens.New(first.ID).Token()))               // the right generation of another chain
		require.True(t, i.isLive(t, first.ID))
		i.refresh(t, first.RefreshToken)
	})
}

func TestAUseExtendsTheIdleLifeAndNeverTheAbsoluteOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner := open(t, db, clk), account.NewID()
		started := i.start(t, owner)
		text, begun := started.RefreshToken, clk.Now()
		for range 11 { // ten minutes short of the absolute life
			clk.Advance(50 * time.Minute)
			text = i.refresh(t, text)
			require.True(t, i.isLive(t, started.ID))
		}
		live, err := i.List(t.Context(), owner)
		require.NoError(t, err)
		require.Len(t, live, 1)
		require.Equal(t, begun.Add(absolute), live[0].ExpiresAt)
		clk.Advance(50*time.Minute - time.Microsecond)
		require.True(t, i.isLive(t, started.ID))
		clk.Advance(time.Microsecond)
		i.refuse(t, text)
		require.False(t, i.isLive(t, started.ID))
		require.Equal(t, []sessions.Reason{sessions.ReasonExpired}, i.reasons(t, owner))
	})
}

func TestAnIdleSessionExpires(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner := open(t, db, clk), account.NewID()
		first := i.start(t, owner)
		second := i.refresh(t, first.RefreshToken)
		clk.Advance(idle)
		i.refuse(t, first.RefreshToken) // reuse of what is over ends nothing anew
		i.refuse(t, second)
		ended, err := i.ListEnded(t.Context(), owner)
		require.NoError(t, err)
		require.Len(t, ended, 1)
		require.Equal(t, sessions.ReasonExpired, ended[0].Reason)
		require.Equal(t, clk.Now(), ended[0].EndedAt)
	})
}

// TestAUseElsewhereKeepsASessionAlive: an instance that remembers the session without that use asks again, and once only.
func TestAUseElsewhereKeepsASessionAlive(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		here, there := open(t, db, clk), open(t, db, clk)
		started := here.start(t, account.NewID())
		clk.Advance(idle - 100*time.Millisecond)
		require.True(t, here.isLive(t, started.ID))
		there.refresh(t, started.RefreshToken)
		here.statements()
		clk.Advance(200 * time.Millisecond)
		for range 3 {
			require.True(t, here.isLive(t, started.ID))
		}
		require.Len(t, here.statements(), 1)
		clk.Advance(idle)
		for range 3 {
			require.False(t, here.isLive(t, started.ID))
		}
		require.Len(t, here.statements(), 1, "what was read after the end is final")
	})
}

func TestTheLatestUseIsShown(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		i, owner := open(t, db, clk), account.NewID()
		started := i.start(t, owner)
		clk.Advance(time.Minute)
		_, err := i.Refresh(t.Context(), started.RefreshToken, sessions.Client{UserAgent: "phone", Addr: netip.MustParseAddr("2001:db8::1")})
		require.NoError(t, err)
		live, err := i.List(t.Context(), owner)
		require.NoError(t, err)
		require.Equal(t, []sessions.Session{{
			ID: started.ID, UserAgent: "phone", IP: "2001:db8::1", CreatedAt: clk.Now().Add(-time.Minute), LastUsedAt: clk.Now(), ExpiresAt: clk.Now().Add(idle),
		}}, live)
	})
}

func TestARefreshIsOneStatement(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i := open(t, db, newClock())
		started := i.start(t, account.NewID())
		i.statements()
		i.refresh(t, started.RefreshToken)
		ran := i.statements()
		require.Len(t, ran, 1)
		require.False(t, ran[0].InTx)
	})
}

// TestAHundredUsesAtOnceAreOne races over two instances, and then over a chain.
func TestAHundredUsesAtOnceAreOne(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		both, owner := []*instance{open(t, db, clk), open(t, db, clk)}, account.NewID()
		started := both[0].start(t, owner)
		text := started.RefreshToken
		for range 3 {
			successors, refused := race(t, both, text)
			require.Zero(t, refused)
			require.Len(t, successors, 1)
			for next := range successors {
				text = secret.New(next)
			}
		}
		require.True(t, both[1].isLive(t, started.ID))
		require.Empty(t, both[1].reasons(t, owner))
	})
}

func TestAHundredStrictUsesAtOnceAreOneAndEndTheSession(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		both, owner := []*instance{open(t, db, clk, strict), open(t, db, clk, strict)}, account.NewID()
		started := both[0].start(t, owner)
		successors, refused := race(t, both, started.RefreshToken)
		require.Len(t, successors, 1)
		require.Equal(t, 99, refused)
		for next := range successors {
			both[0].refuse(t, secret.New(next))
		}
		require.Equal(t, []sessions.Reason{sessions.ReasonReuse}, both[1].reasons(t, owner))
	})
}

// race uses one token a hundred times at once, and gives the successors and how many uses were refused.
func race(t *testing.T, instances []*instance, text secret.String) (successors map[string]int, refused int) {
	t.Helper()
	successors = map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			r, err := instances[n%len(instances)].Refresh(t.Context(), text, client)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				successors[r.RefreshToken.Reveal()]++
			case errors.Is(err, sessions.ErrRefreshToken):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	return successors, refused
}

// TestARefreshThatRacesALogoutRevivesNothing: whichever comes first, the session has ended, and stays so.
func TestARefreshThatRacesALogoutRevivesNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := newClock()
		one, two := open(t, db, clk), open(t, db, clk)
		for range 20 {
			owner := account.NewID()
			started := one.start(t, owner)
			var last secret.String
			var wg sync.WaitGroup
			wg.Go(func() {
				if r, err := one.Refresh(t.Context(), started.RefreshToken, client); err == nil {
					last = r.RefreshToken
				}
			})
			wg.Go(func() {
				if err := two.End(t.Context(), owner, started.ID, sessions.ReasonLogout); err != nil {
					t.Error(err)
				}
			})
			wg.Wait()
			two.refuse(t, started.RefreshToken)
			two.refuse(t, last)
			require.Equal(t, []sessions.Reason{sessions.ReasonLogout}, two.reasons(t, owner))
		}
	})
}

func TestADatabaseThatIsAwayIsNoBadToken(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		i := open(t, db, newClock())
		started := i.start(t, account.NewID())
		i.db.Close()
		_, err := i.Refresh(t.Context(), started.RefreshToken, client)
		require.ErrorIs(t, err, errs.ErrUnavailable)
	})
}
