package app

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

func TestMemoryGoesBackOnceAllIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		state, freed := memoryState{cycles: 1, held: 30 * mib}, 0
		k := &memoryKeeper{read: func() memoryState { return state }, free: func() {
			freed++
			state = memoryState{cycles: state.cycles + 1, held: 30 * mib}
		}}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go k.run(ctx)
		pass := func() {
			time.Sleep(lookEvery)
			synctest.Wait()
		}
		pass()
		require.Zero(t, freed, "the collector had work until just now")
		pass()
		require.Equal(t, 1, freed, "what the start has left")
		for range 5 {
			state.cycles++
			state.held += 50 * mib
			pass()
			require.Equal(t, 1, freed, "not while there is work")
		}
		pass()
		require.Equal(t, 2, freed)
		state.held += 2 * mib
		for range 100 {
			pass()
		}
		require.Equal(t, 2, freed, "so little is not worth it")
	})
}

func TestWhatIsInUseIsReleasedForOnce(t *testing.T) {
	t.Parallel()
	freed := 0
	k := &memoryKeeper{read: func() memoryState { return memoryState{held: 500 * mib} }, free: func() { freed++ }}
	for range 10 {
		k.look()
	}
	require.Equal(t, 1, freed)
}

func TestTheRuntimeSaysWhatItHolds(t *testing.T) {
	t.Parallel()
	require.Greater(t, readMemory().held, uint64(mib))
	k := newMemoryKeeper()
	k.cycles = k.read().cycles
	k.look()
	require.NotZero(t, k.cycles)
}
