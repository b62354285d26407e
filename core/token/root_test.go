package token

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestFourInstancesThatStartAtOnceAgree(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		master := secret.New(newMasterKey())
		type result struct {
			id, derived, jwks string
			err               error
		}
		results := make([]result, 4)
		var group sync.WaitGroup
		for i := range results {
			db := s.open(t, nil)
			group.Go(func() {
				root, err := OpenRoot(t.Context(), db, master, clock.System{})
				if err != nil {
					results[i].err = err
					return
				}
				keys, err := OpenKeys(t.Context(), db, root, policyFor(ES256), clock.System{})
				if err != nil {
					results[i].err = err
					return
				}
				body, _ := keys.JWKS()
				results[i] = result{id: root.InstallationID(), derived: string(root.Derive("x")), jwks: string(body)}
			})
		}
		group.Wait()
		require.NoError(t, results[0].err)
		for _, r := range results[1:] {
			require.Equal(t, results[0], r)
		}
		require.Equal(t, 1, countRows(t, s, "gatehouse_installation"))
		require.Equal(t, 1, countRows(t, s, "gatehouse_signing_keys"))
	})
}

func countRows(t *testing.T, s store, table string) int {
	t.Helper()
	var n int
	require.NoError(t, s.open(t, nil).QueryRow(t.Context(), "SELECT count(*) FROM "+table).Scan(&n))
	return n
}

func TestRootIsTheSameAfterARestart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		master := secret.New(newMasterKey())
		clk := clock.NewFake(testStart)
		first, err := OpenRoot(t.Context(), s.open(t, nil), master, clk)
		require.NoError(t, err)
		clk.Advance(time.Hour)
		second, err := OpenRoot(t.Context(), s.open(t, nil), master, clk)
		require.NoError(t, err)
		requireSameRoot(t, first, second)
		row, err := repository{s.open(t, nil)}.installation(t.Context())
		require.NoError(t, err)
		require.Equal(t, first.InstallationID(), row.ID.String())
		require.Equal(t, testStart, row.CreatedAt)
		id, err := account.ParseID(first.InstallationID())
		require.NoError(t, err)
		require.Equal(t, byte(7), id[6]>>4)
		require.NotContains(t, string(row.WrappedRoot), string(first.secret()))
	})
}

func TestAWrongMasterKeyIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.open(t, nil)
		right, clk := newMasterKey(), clock.NewFake(testStart)
		_, err := OpenRoot(t.Context(), db, secret.New(right), clk)
		require.NoError(t, err)
		before, err := repository{db}.installation(t.Context())
		require.NoError(t, err)

		for _, wrong := range []string{newMasterKey(), newMasterKey() + "," + newMasterKey(), DevelopmentMasterKey.Reveal(), ""} {
			_, err = OpenRoot(t.Context(), db, secret.New(wrong), clk)
			require.ErrorIs(t, err, ErrMasterKey)
			require.ErrorContains(t, err, "GATEHOUSE_MASTER_KEY", "the error says what to do")
			require.NotContains(t, err.Error(), right)
		}
		after, err := repository{db}.installation(t.Context())
		require.NoError(t, err)
		require.Equal(t, before, after)
	})
}

func TestTheMasterKeyIsReplacedByNewOld(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db, clk := s.open(t, nil), clock.NewFake(testStart)
		old, fresh := newMasterKey(), newMasterKey()
		open := func(master string) (*Root, error) { return OpenRoot(t.Context(), db, secret.New(master), clk) }
		first, err := open(old)
		require.NoError(t, err)
		for range 2 {
			again, err := open(fresh + "," + old)
			require.NoError(t, err)
			requireSameRoot(t, first, again)
		}
		alone, err := open(fresh)
		require.NoError(t, err)
		requireSameRoot(t, first, alone)
		_, err = open(old)
		require.ErrorIs(t, err, ErrMasterKey)
		behind, err := open(old + "," + fresh) // an instance that was not told yet
		require.NoError(t, err)
		requireSameRoot(t, first, behind)
	})
}

func TestTheDevelopmentKeyIsLeftOnlyByNamingIt(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db, clk, fresh := s.open(t, nil), clock.NewFake(testStart), newMasterKey()
		first, err := OpenRoot(t.Context(), db, DevelopmentMasterKey, clk)
		require.NoError(t, err)
		_, err = OpenRoot(t.Context(), db, secret.New(fresh), clk)
		require.ErrorIs(t, err, ErrMasterKey)
		require.ErrorContains(t, err, ","+DevelopmentMasterKey.Reveal())
		again, err := OpenRoot(t.Context(), db, secret.New(fresh+","+DevelopmentMasterKey.Reveal()), clk)
		require.NoError(t, err)
		requireSameRoot(t, first, again)
	})
}

func TestADamagedRootIsReportedAndKept(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db, clk, master := s.open(t, nil), clock.NewFake(testStart), secret.New(newMasterKey())
		_, err := OpenRoot(t.Context(), db, master, clk)
		require.NoError(t, err)
		_, err = db.Exec(t.Context(), "UPDATE gatehouse_installation SET wrapped_root = ?", []byte("damaged"))
		require.NoError(t, err)
		_, err = OpenRoot(t.Context(), db, master, clk)
		require.ErrorIs(t, err, ErrMasterKey)
		require.ErrorContains(t, err, "damaged")
		row, err := repository{db}.installation(t.Context())
		require.NoError(t, err)
		require.Equal(t, []byte("damaged"), row.WrappedRoot)
	})
}

func TestDerivedKeysAreHKDFAndKeepApart(t *testing.T) {
	t.Parallel()
	root := memoryRoot()
	want, err := hkdf.Key(sha256.New, root.secret(), nil, "gatehouse v1 page cursor", 32)
	require.NoError(t, err)
	require.Equal(t, want, root.Derive(PurposeCursor))
	seen := map[string]bool{}
	purposes := []string{PurposeSigningKeys, PurposeRefreshTag, PurposeRefreshNext, PurposeRefreshDigest, PurposeCursor, PurposeAccountDigest, PurposeMailedToken}
	for _, purpose := range purposes {
		seen[string(root.Derive(purpose))] = true
		seen[string(memoryRoot().Derive(purpose))] = true
	}
	require.Len(t, seen, 2*len(purposes))
}

func TestTokensOutliveARestart(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, master := clock.NewFake(testStart), secret.New(newMasterKey())
		start := func() *Access {
			db := s.open(t, nil)
			root, err := OpenRoot(t.Context(), db, master, clk)
			require.NoError(t, err)
			keys, err := OpenKeys(t.Context(), db, root, policyFor(EdDSA), clk)
			require.NoError(t, err)
			return newTestAccess(t, keys)
		}
		token := issue(t, start())
		_, err := start().Verify(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, 1, countRows(t, s, "gatehouse_signing_keys"))
	})
}

func TestKeysStandInTheDatabaseInTheirShape(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, db := clock.NewFake(testStart), s.open(t, nil)
		root := memoryRoot()
		keys, err := OpenKeys(t.Context(), db, root, policyFor(ES256), clk)
		require.NoError(t, err)
		rows, err := repository{db}.signingKeys(t.Context())
		require.NoError(t, err)
		require.Len(t, rows, 1)
		var public jwk
		require.NoError(t, json.Unmarshal(rows[0].PublicJWK, &public))
		require.Equal(t, keys.set.Load().ordered[0].jwk, public)
		require.Equal(t, testStart, rows[0].CreatedAt)
		require.Equal(t, testStart, rows[0].ActiveFrom)
		require.Nil(t, rows[0].RetiredAt)
		require.Nil(t, rows[0].ExpiresAt)
		_, err = OpenKeys(t.Context(), db, memoryRoot(), policyFor(ES256), clk)
		require.ErrorContains(t, err, "does not open")
	})
}

func TestAnotherAlgorithmGetsAKeyThatIsPublishedBeforeItSigns(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, db, root := clock.NewFake(testStart), s.open(t, nil), memoryRoot()
		_, err := OpenKeys(t.Context(), db, root, policyFor(ES256), clk)
		require.NoError(t, err)
		keys, err := OpenKeys(t.Context(), db, root, policyFor(EdDSA), clk)
		require.NoError(t, err)
		body, _ := keys.JWKS()
		require.Contains(t, string(body), "Ed25519")
		require.Equal(t, ES256, keys.set.Load().signer(clk.Now()).algorithm)
		clk.Advance(publishedBefore)
		require.Equal(t, EdDSA, keys.set.Load().signer(clk.Now()).algorithm)
		_, err = OpenKeys(t.Context(), db, root, policyFor(EdDSA), clk)
		require.NoError(t, err)
		require.Equal(t, 2, countRows(t, s, "gatehouse_signing_keys"))
	})
}

func TestAKeyOfANewerVersionIsLeftAlone(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, db, root := clock.NewFake(testStart), s.open(t, nil), memoryRoot()
		past := testStart.Add(-time.Hour)
		newer := keyRow{Kid: "newer", Algorithm: "ML-DSA-65", PublicJWK: json.RawMessage("{}"), SealedKey: []byte{1}, CreatedAt: past, ActiveFrom: past}
		expired := keyRow{Kid: "expired", Algorithm: "ES256", PublicJWK: json.RawMessage("{}"), SealedKey: []byte{1}, CreatedAt: past, ActiveFrom: past, RetiredAt: &past, ExpiresAt: &past}
		require.NoError(t, repository{db}.insertSigningKey(t.Context(), newer))
		require.NoError(t, repository{db}.insertSigningKey(t.Context(), expired))
		keys, err := OpenKeys(t.Context(), db, root, policyFor(ES256), clk)
		require.NoError(t, err)
		require.Len(t, keys.set.Load().ordered, 1)
		require.NotNil(t, keys.set.Load().signer(clk.Now()))
		_, err = keys.Rotate(t.Context())
		require.NoError(t, err)
		listed, err := ListKeys(t.Context(), db, clk.Now())
		require.NoError(t, err)
		require.Equal(t, "newer", listed[0].ID)
		require.Nil(t, listed[0].RetiresAt)
	})
}

func TestAnotherInstancesKeyBecomesKnownAndCachedTokensStay(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, root := clock.NewFake(testStart), memoryRoot()
		access := func(algorithm Algorithm) *Access {
			keys, err := OpenKeys(t.Context(), s.open(t, nil), root, policyFor(algorithm), clk)
			require.NoError(t, err)
			return newTestAccess(t, keys)
		}
		here := access(ES256)
		old := issue(t, here)
		_, err := here.Verify(t.Context(), old)
		require.NoError(t, err)
		set := here.keys.set.Load()
		require.NoError(t, here.keys.Reload(t.Context()))
		require.Same(t, set, here.keys.set.Load(), "nothing changed, so the cache of verified tokens stays")

		there := access(EdDSA)
		clk.Advance(publishedBefore)
		_, err = here.Verify(t.Context(), issue(t, there))
		require.NoError(t, err)
		_, err = there.Verify(t.Context(), old)
		require.NoError(t, err)
		_, err = here.Verify(t.Context(), old)
		require.NoError(t, err)
	})
}

// Statements 11 and 24: unknown key ids by the thousand cost one look at the database in a while, and no memory.
func TestStatement24UnknownKeyIDsCostOneLookInAWhile(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		var looks atomic.Int64
		clk := clock.NewFake(testStart)
		keys, err := OpenKeys(t.Context(), s.open(t, func(_ context.Context, st database.Statement) {
			if !st.InTx {
				looks.Add(1)
			}
		}), memoryRoot(), policyFor(EdDSA), clk)
		require.NoError(t, err)
		a := newTestAccess(t, keys)
		stranger, _ := memoryAccess(t, EdDSA)
		flood := func() {
			var group sync.WaitGroup
			for range 4 {
				group.Go(func() {
					for range 250 {
						row, err := newKeyRow(stranger.keys.root, EdDSA, testStart, testStart)
						if err != nil {
							t.Error(err)
							return
						}
						token := signed(t, stranger.firstKey(), `{"alg":"EdDSA","typ":"at+jwt","kid":"`+row.Kid+`"}`, payloadWith(nil))
						if _, err := a.Verify(t.Context(), token); err == nil || err.Error() != errUnknownKey.Error() {
							t.Errorf("unexpected answer: %v", err)
							return
						}
					}
				})
			}
			group.Wait()
		}
		flood()
		require.EqualValues(t, 1, looks.Load())
		clk.Advance(ReloadInterval - time.Microsecond)
		flood()
		require.EqualValues(t, 1, looks.Load())
		clk.Advance(time.Microsecond)
		flood()
		require.EqualValues(t, 2, looks.Load())
		require.Len(t, keys.set.Load().byKid, 1)
		require.Zero(t, remembered(a).EstimatedSize())
	})
}

func TestAnAwayDatabaseMakesAnUnknownKeyUnavailableAndNothingElse(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, db := clock.NewFake(testStart), s.openUntilClosed(t, nil)
		keys, err := OpenKeys(t.Context(), db, memoryRoot(), policyFor(EdDSA), clk)
		require.NoError(t, err)
		a := newTestAccess(t, keys)
		token := issue(t, a)
		stranger, _ := memoryAccess(t, EdDSA)
		db.Close()

		for range 2 {
			_, err = a.Verify(t.Context(), issue(t, stranger))
			require.ErrorIs(t, err, errs.ErrUnavailable)
			require.NotErrorIs(t, err, ErrInvalid)
		}
		require.Error(t, keys.Reload(t.Context()))
		_, err = a.Verify(t.Context(), token)
		require.NoError(t, err)
		_, err = OpenKeys(t.Context(), db, memoryRoot(), policyFor(EdDSA), clk)
		require.Error(t, err)
		_, err = OpenRoot(t.Context(), db, DevelopmentMasterKey, clk)
		require.Error(t, err)
	})
}

func TestADamagedKeyLeavesTheKnownOnesInUse(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, db := clock.NewFake(testStart), s.open(t, nil)
		keys, err := OpenKeys(t.Context(), db, memoryRoot(), policyFor(EdDSA), clk)
		require.NoError(t, err)
		other, err := newKeyRow(memoryRoot(), EdDSA, testStart, testStart)
		require.NoError(t, err)
		require.NoError(t, repository{db}.insertSigningKey(t.Context(), other))
		require.ErrorContains(t, keys.Reload(t.Context()), "does not open")
		a := newTestAccess(t, keys)
		_, err = a.Verify(t.Context(), issue(t, a))
		require.NoError(t, err)
	})
}
