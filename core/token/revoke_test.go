package token

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
)

func TestRevokedKeysVerifyNothingFromTheNextLookOn(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, root := clock.NewFake(testStart), memoryRoot()
		behind := clock.NewFake(testStart.Add(-Leeway))
		here, there := newTestAccess(t, openKeys(t, s, root, clk)), newTestAccess(t, openKeys(t, s, root, behind))
		_, err := here.keys.Rotate(t.Context())
		require.NoError(t, err)
		old := issue(t, here)
		_, err = there.Verify(t.Context(), old)
		require.NoError(t, err)

		made, err := here.keys.Revoke(t.Context())
		require.NoError(t, err)
		require.Equal(t, KeySigning, made.State)
		require.NoError(t, there.keys.Reload(t.Context()))
		for _, a := range []*Access{here, there} {
			_, err = a.Verify(t.Context(), old)
			require.ErrorIs(t, err, errUnknownKey)
			require.Equal(t, made.ID, signerOf(a.keys), "also where the clock is behind")
			fresh := issue(t, a)
			_, err = here.Verify(t.Context(), fresh)
			require.NoError(t, err)
			_, err = there.Verify(t.Context(), fresh)
			require.NoError(t, err)
		}
		require.Equal(t, 1, countRows(t, s, "gatehouse_signing_keys"), "the leaked halves are gone")
	})
}

func TestANewKeyOfAnotherInstanceBringsTheRevocationAlong(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		clk, root := clock.NewFake(testStart), memoryRoot()
		here, there := newTestAccess(t, openKeys(t, s, root, clk)), newTestAccess(t, openKeys(t, s, root, clk))
		old := issue(t, here)
		_, err := here.keys.Revoke(t.Context())
		require.NoError(t, err)
		_, err = there.Verify(t.Context(), issue(t, here))
		require.NoError(t, err)
		_, err = there.Verify(t.Context(), old)
		require.ErrorIs(t, err, errUnknownKey)
	})
}
