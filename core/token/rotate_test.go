package token

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
)

// openKeys opens the keys of a store as an instance of its own does.
func openKeys(t *testing.T, s store, root *Root, clk clock.Clock) *Keys {
	t.Helper()
	keys, err := OpenKeys(t.Context(), s.open(t, nil), root, policyFor(EdDSA), clk)
	require.NoError(t, err)
	return keys
}

// signerOf is the id of the key that an instance signs with.
func signerOf(k *Keys) string { return k.set.Load().signer(k.clock.Now()).kid }

func published(k *Keys) string {
	body, _ := k.JWKS()
	return string(body)
}

func TestStatement13AKeyIsPublishedBeforeItSignsAndStaysForItsLastToken(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, root := clock.NewFake(testStart), memoryRoot()
		here, there := openKeys(t, s, root, clk), openKeys(t, s, root, clk)
		first := signerOf(here)
		_, tagBefore := there.JWKS()

		made, err := here.Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, Key{ID: made.ID, Algorithm: EdDSA, State: KeyPublished, CreatedAt: testStart, SignsFrom: new(testStart.Add(publishedBefore))}, made)
		require.Contains(t, published(here), made.ID)
		require.NoError(t, there.Reload(t.Context()))
		require.Contains(t, published(there), made.ID)
		_, tagAfter := there.JWKS()
		require.NotEqual(t, tagBefore, tagAfter)

		clk.Advance(publishedBefore - time.Microsecond)
		require.Equal(t, first, signerOf(here))
		require.Equal(t, first, signerOf(there))
		long, err := NewAccess(here, clk, Options{Issuer: testIssuer, Audience: testAudience, TTL: maxTTL})
		require.NoError(t, err)
		last := issue(t, long)
		clk.Advance(time.Microsecond)
		require.Equal(t, made.ID, signerOf(here))
		require.Equal(t, made.ID, signerOf(there))

		// The last token of the first key, of the longest life that a setting allows, counts until it expires anywhere.
		verifier := newTestAccess(t, there)
		clk.Advance(maxTTL + Leeway - time.Second - time.Microsecond) // exp is in whole seconds
		require.NoError(t, there.Reload(t.Context()))
		_, err = verifier.Verify(t.Context(), last)
		require.NoError(t, err)
		require.Contains(t, published(there), first)

		clk.Advance(2 * JWKSMaxAge)
		require.NoError(t, there.Reload(t.Context()))
		require.Contains(t, published(there), first)
		clk.Advance(2 * time.Second)
		require.NoError(t, there.Reload(t.Context()))
		require.NotContains(t, published(there), first)
	})
}

func TestAnExpiredKeyVerifiesNothingEvenBeforeAnInstanceLooksAgain(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk := clock.NewFake(testStart)
		keys := openKeys(t, s, memoryRoot(), clk)
		a, old := newTestAccess(t, keys), keys.set.Load().ordered[0]
		_, err := keys.Rotate(t.Context())
		require.NoError(t, err)
		clk.Advance(publishedBefore + overlap)
		forged := signed(t, old, goodHeader(old), payloadWith(map[string]string{"iat": fmt.Sprint(clk.Now().Unix()), "exp": fmt.Sprint(clk.Now().Unix() + 900)}))
		_, err = a.Verify(t.Context(), forged)
		require.ErrorIs(t, err, errUnknownKey)
	})
}

func TestTheScheduleMakesOneKeyHoweverManyInstancesAsk(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, root, policy := clock.NewFake(testStart), memoryRoot(), policyFor(EdDSA)
		instances := make([]*Keys, 4)
		for i := range instances {
			instances[i] = openKeys(t, s, root, clk)
		}
		first := signerOf(instances[0])
		everyone := func() (made []*Key) {
			t.Helper()
			var group sync.WaitGroup
			results := make(chan *Key, len(instances))
			for _, k := range instances {
				group.Go(func() {
					key, err := k.RotateIfDue(t.Context())
					if err != nil {
						t.Error(err)
					}
					if key != nil {
						results <- key
					}
				})
			}
			group.Wait()
			close(results)
			for key := range results {
				made = append(made, key)
			}
			return made
		}

		clk.Advance(policy.RotateEvery - policy.PublishBefore - time.Microsecond)
		require.Empty(t, everyone())
		clk.Advance(time.Microsecond)
		made := everyone()
		require.Len(t, made, 1)
		require.Equal(t, testStart.Add(policy.RotateEvery), *made[0].SignsFrom)
		require.Empty(t, everyone())
		for _, k := range instances {
			require.Contains(t, published(k), made[0].ID)
			require.Equal(t, first, signerOf(k))
		}
		clk.Advance(policy.PublishBefore)
		for _, k := range instances {
			require.Equal(t, made[0].ID, signerOf(k))
		}
		clk.Advance(policy.RotateEvery - policy.PublishBefore)
		require.Len(t, everyone(), 1, "and so on")
		require.Equal(t, 2, countRows(t, s, "gatehouse_signing_keys"), "the first key is gone, its sealed half included")
	})
}

func TestAScheduleThatWasMissedIsMadeUpFor(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk := clock.NewFake(testStart)
		keys := openKeys(t, s, memoryRoot(), clk)
		clk.Advance(365 * 24 * time.Hour)
		key, err := keys.RotateIfDue(t.Context())
		require.NoError(t, err)
		require.Equal(t, clk.Now().Add(24*time.Hour), *key.SignsFrom, "it is published before it signs, however late")
	})
}

func TestRotationsAtOnceLeaveNoMomentWithoutASigner(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		root := memoryRoot()
		instances := make([]*Keys, 4)
		for i := range instances { // their clocks differ by a minute
			instances[i] = openKeys(t, s, root, clock.NewFake(testStart.Add(time.Duration(i)*20*time.Second)))
		}
		var group sync.WaitGroup
		for _, k := range instances {
			group.Go(func() {
				if _, err := k.Rotate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		k := instances[0]
		require.NoError(t, k.Reload(t.Context()))
		set := k.set.Load()
		require.Len(t, set.byKid, 5)
		for at := testStart; at.Before(testStart.Add(2 * time.Minute)); at = at.Add(time.Second / 2) {
			var signing []string
			for _, key := range set.ordered {
				if key.maySign(at) {
					signing = append(signing, key.kid)
				}
			}
			require.Len(t, signing, 1, at)
		}
		retired := 0
		for _, row := range set.rows {
			if row.RetiredAt != nil {
				retired++
				require.Equal(t, row.RetiredAt.Add(overlap), *row.ExpiresAt)
			}
		}
		require.Equal(t, 4, retired)
	})
}

// Four instances look at the keys every five seconds, each in its own second, while any of them rotates at any time. What one
// signs the others know, without a look for it.
func TestStatement13EveryInstanceKnowsTheKeyThatAnotherSignsWith(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, root := clock.NewFake(testStart), memoryRoot()
		instances := make([]*Keys, 4)
		for i := range instances {
			instances[i] = openKeys(t, s, root, clk)
		}
		rotations := 0
		for second := 0; rotations < 50; second++ {
			clk.Advance(time.Second)
			if rand.IntN(8) == 0 {
				_, err := instances[rand.IntN(len(instances))].Rotate(t.Context())
				require.NoError(t, err)
				rotations++
			}
			for i, k := range instances {
				if (second+i)%5 == 0 {
					require.NoError(t, k.Reload(t.Context()))
				}
			}
			for _, signer := range instances {
				kid := signerOf(signer)
				for _, verifier := range instances {
					require.Contains(t, verifier.set.Load().byKid, kid)
				}
			}
		}
	})
}

func TestAKeyThatWaitsForItsTimeIsOvertakenByHand(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, policy := clock.NewFake(testStart), policyFor(EdDSA)
		keys := openKeys(t, s, memoryRoot(), clk)
		clk.Advance(policy.RotateEvery - policy.PublishBefore)
		waiting, err := keys.RotateIfDue(t.Context())
		require.NoError(t, err)
		made, err := keys.Rotate(t.Context())
		require.NoError(t, err)
		clk.Advance(publishedBefore)
		require.Equal(t, made.ID, signerOf(keys))
		clk.Advance(policy.PublishBefore)
		require.Equal(t, made.ID, signerOf(keys), "its time never comes")
		listed, err := ListKeys(t.Context(), keys.db, clk.Now())
		require.NoError(t, err)
		require.Equal(t, waiting.ID, listed[2].ID)
		require.Nil(t, listed[2].SignsFrom)
		require.Equal(t, KeyRetired, listed[2].State)
		due, err := keys.RotateIfDue(t.Context())
		require.NoError(t, err)
		require.Nil(t, due, "the schedule counts from the newest")
	})
}

func TestKeysHaveABoundAndExpiredOnesMakeRoom(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk := clock.NewFake(testStart)
		keys := openKeys(t, s, memoryRoot(), clk)
		for range maxKeys - 1 {
			_, err := keys.Rotate(t.Context())
			require.NoError(t, err)
		}
		_, err := keys.Rotate(t.Context())
		require.ErrorIs(t, err, ErrTooManyKeys)
		require.Equal(t, maxKeys, countRows(t, s, "gatehouse_signing_keys"))
		require.Equal(t, maxKeys, strings.Count(published(keys), `"kid"`))
		clk.Advance(publishedBefore + overlap)
		_, err = keys.Rotate(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, countRows(t, s, "gatehouse_signing_keys"))
	})
}

func TestExpiredKeysGoInBoundedStepsOldestFirst(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db, root := s.open(t, nil), memoryRoot()
		for i := range 5 {
			row, err := newKeyRow(root, EdDSA, testStart, testStart)
			require.NoError(t, err)
			row.ExpiresAt = new(testStart.Add(time.Duration(i) * time.Hour))
			require.NoError(t, repository{db}.insertSigningKey(t.Context(), row))
		}
		require.NoError(t, repository{db}.deleteExpiredSigningKeys(t.Context(), testStart.Add(3*time.Hour), 3))
		require.Equal(t, 2, countRows(t, s, "gatehouse_signing_keys"))
		require.NoError(t, repository{db}.deleteExpiredSigningKeys(t.Context(), testStart.Add(3*time.Hour), 3))
		require.Equal(t, 1, countRows(t, s, "gatehouse_signing_keys"))
	})
}

func TestAnAwayDatabaseRotatesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, db := clock.NewFake(testStart), s.openUntilClosed(t, nil)
		keys, err := OpenKeys(t.Context(), db, memoryRoot(), policyFor(EdDSA), clk)
		require.NoError(t, err)
		db.Close()
		key, err := keys.RotateIfDue(t.Context())
		require.NoError(t, err, "what is not due asks nobody")
		require.Nil(t, key)
		clk.Advance(90 * 24 * time.Hour)
		_, err = keys.RotateIfDue(t.Context())
		require.ErrorIs(t, err, errs.ErrUnavailable)
		_, err = keys.Rotate(t.Context())
		require.ErrorIs(t, err, errs.ErrUnavailable)
		_, err = keys.Revoke(t.Context())
		require.ErrorIs(t, err, errs.ErrUnavailable)
		_, err = ListKeys(t.Context(), db, clk.Now())
		require.ErrorIs(t, err, errs.ErrUnavailable)
	})
}

// A step that fails changes nothing: no key is made whose predecessor goes on.
func TestARotationIsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db, clk := s.open(t, nil), clock.NewFake(testStart)
		keys := openKeys(t, s, memoryRoot(), clk)
		refused := func(rotate func(context.Context) (Key, error)) {
			t.Helper()
			before, err := ListKeys(t.Context(), db, testStart)
			require.NoError(t, err)
			_, err = rotate(t.Context())
			require.Error(t, err)
			after, err := ListKeys(t.Context(), db, testStart)
			require.NoError(t, err)
			require.Equal(t, before, after)
		}
		run := func(sql string) {
			t.Helper()
			_, err := db.Exec(t.Context(), sql)
			require.NoError(t, err)
		}
		keys.policy.Algorithm = "none"
		refused(func(ctx context.Context) (Key, error) { return keys.Rotate(ctx) })
		refused(func(ctx context.Context) (Key, error) { return keys.Revoke(ctx) })
		keys.policy.Algorithm = EdDSA

		run("CREATE UNIQUE INDEX refuses ON gatehouse_signing_keys (algorithm)") // the second key
		refused(func(ctx context.Context) (Key, error) { return keys.Rotate(ctx) })
		refused(func(ctx context.Context) (Key, error) { return keys.Revoke(ctx) })
		run("DROP INDEX refuses")
		_, err := keys.Rotate(t.Context())
		require.NoError(t, err)
		run("CREATE UNIQUE INDEX refuses ON gatehouse_signing_keys (algorithm) WHERE retired_at IS NOT NULL") // the second to retire
		refused(func(ctx context.Context) (Key, error) { return keys.Rotate(ctx) })
	})
}

func TestAKeyIsMadeForAnInstallationWhoseKeysHaveAllRetired(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, root, db := clock.NewFake(testStart), memoryRoot(), s.open(t, nil)
		row, err := newKeyRow(root, EdDSA, testStart.Add(-time.Hour), testStart.Add(-time.Hour))
		require.NoError(t, err)
		row.RetiredAt, row.ExpiresAt = new(testStart), new(testStart.Add(time.Hour))
		require.NoError(t, repository{db}.insertSigningKey(t.Context(), row))
		keys := openKeys(t, s, root, clk)
		require.NotEqual(t, row.Kid, signerOf(keys))
		require.Contains(t, published(keys), row.Kid)
		listed, err := ListKeys(t.Context(), database.Querier(db), clk.Now())
		require.NoError(t, err)
		require.Equal(t, []KeyState{KeyRetired, KeySigning}, []KeyState{listed[0].State, listed[1].State})
	})
}
