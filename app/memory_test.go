package app

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

const mib = 1 << 20

func TestMemoryGoesBackOnceAllIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards what follows
		state, freed := memoryState{allocated: 9 * mib, held: 30 * mib}, 0
		k := &memoryKeeper{read: func() memoryState {
			mu.Lock()
			defer mu.Unlock()
			return state
		}, free: func() {
			mu.Lock()
			defer mu.Unlock()
			freed++
			state.held = 30 * mib
		}}
		work := func(allocated, held uint64) {
			mu.Lock()
			defer mu.Unlock()
			state.allocated += allocated
			state.held += held
		}
		frees := func() int {
			mu.Lock()
			defer mu.Unlock()
			return freed
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go k.run(ctx)
		pass := func() {
			time.Sleep(lookEvery)
			synctest.Wait()
		}
		pass()
		require.Zero(t, frees(), "there was work until just now")
		pass()
		require.Equal(t, 1, frees(), "what the start has left")
		for range 5 {
			work(3*mib, 50*mib)
			pass()
			require.Equal(t, 1, frees(), "not while there is work")
		}
		work(mib, 0)
		pass()
		require.Equal(t, 2, frees(), "what jobs and probes ask for is not work")
		work(0, 2*mib)
		for range 100 {
			pass()
		}
		require.Equal(t, 2, frees(), "so little is not worth it")
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
	for k.floor == 0 { // once, unless other tests ask for much just then
		k.allocated = k.read().allocated
		k.look()
	}
	require.Greater(t, k.allocated, uint64(mib))
}
