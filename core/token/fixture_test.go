package token

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testIssuer   = "https://id.example.com"
	testAudience = "https://api.example.com"
)

var testStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// remembered is the cache of verified tokens itself.
func remembered(a *Access) *otter.Cache[[sha256.Size]byte, *verification] {
	return a.verified.(*otter.Cache[[sha256.Size]byte, *verification])
}

// store opens the same fresh, migrated database any number of times.
type store struct{ databasetest.Database }

// eachStore runs the case on a fresh database of every engine.
func eachStore(t *testing.T, run func(t *testing.T, s store)) {
	t.Helper()
	databasetest.Each(t, func(t *testing.T, d databasetest.Database) {
		s := store{d}
		_, err := s.open(t, nil).Migrate(t.Context(), []database.Migrations{{Module: "core", FS: Migrations}})
		require.NoError(t, err)
		run(t, s)
	})
}

// open opens the database until the test ends; observe may be nil.
func (s store) open(t testing.TB, observe func(context.Context, database.Statement)) *database.DB {
	t.Helper()
	db := s.openUntilClosed(t, observe)
	t.Cleanup(db.Close)
	return db
}

func (s store) openUntilClosed(t testing.TB, observe func(context.Context, database.Statement)) *database.DB {
	t.Helper()
	settings := s.Settings()
	settings.PoolMin, settings.PoolMax = 0, 4
	db, err := database.Open(t.Context(), settings, database.Options{Observe: observe})
	require.NoError(t, err)
	return db
}

func newMasterKey() string {
	raw := make([]byte, keySize)
	_, _ = rand.Read(raw)
	return base64.StdEncoding.EncodeToString(raw)
}

// memoryRoot is a root secret without a database.
func memoryRoot() *Root {
	return newRoot()
}

// requireSameRoot compares what two roots give.
func requireSameRoot(t *testing.T, want, got *Root) {
	t.Helper()
	require.Equal(t, want.InstallationID(), got.InstallationID())
	require.Equal(t, want.Derive("test"), got.Derive("test"))
}

// policyFor is the default schedule for an algorithm.
func policyFor(algorithm Algorithm) Policy {
	return Policy{Algorithm: algorithm, RotateEvery: 90 * 24 * time.Hour, PublishBefore: 24 * time.Hour}
}

// memoryKeys are keys without a database: a look at the store would panic, so a test that uses them proves there was none.
func memoryKeys(t testing.TB, clk clock.Clock, algorithms ...Algorithm) *Keys {
	t.Helper()
	k := &Keys{root: memoryRoot(), clock: clk, looked: clk.Now()}
	var rows []keyRow
	for i, algorithm := range algorithms {
		from := clk.Now().Add(time.Duration(i) * time.Hour)
		row, err := newKeyRow(k.root, algorithm, clk.Now(), from)
		require.NoError(t, err)
		rows = append(rows, row)
	}
	set, err := newKeySet(k.root, rows)
	require.NoError(t, err)
	k.set.Store(set)
	return k
}

func newTestAccess(t testing.TB, keys *Keys) *Access {
	t.Helper()
	a, err := NewAccess(keys, keys.clock, Options{Issuer: testIssuer, Audience: testAudience, TTL: 15 * time.Minute})
	require.NoError(t, err)
	return a
}

func memoryAccess(t testing.TB, algorithm Algorithm) (*Access, *clock.Fake) {
	t.Helper()
	clk := clock.NewFake(testStart)
	return newTestAccess(t, memoryKeys(t, clk, algorithm)), clk
}

func someClaims() Claims {
	return Claims{Account: account.NewID(), Session: account.NewSessionID(), Roles: []account.Role{account.RoleUser}}
}

func issue(t testing.TB, a *Access) string {
	t.Helper()
	token, err := a.Issue(someClaims())
	require.NoError(t, err)
	return token
}

// firstKey is the key that a fixture signs with.
func (a *Access) firstKey() *signingKey { return a.keys.set.Load().ordered[0] }

// goodHeader and goodPayload are what forgeries change.
func goodHeader(k *signingKey) string {
	return fmt.Sprintf(`{"alg":"%s","typ":"at+jwt","kid":"%s"}`, k.algorithm, k.kid)
}

// signed makes a token over any header and payload, with a genuine signature of the key.
func signed(t testing.TB, k *signingKey, header, payload string) string {
	t.Helper()
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	signature, err := sign(k.private(), []byte(input))
	require.NoError(t, err)
	return input + "." + encode(signature)
}
