package password

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/secret"
)

func TestMemoryGoesBackOnceAllIsQuiet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var freed atomic.Int64
		r := &releaser{free: func() { freed.Add(1) }}
		for range 5 {
			r.used()
			time.Sleep(quietBeforeRelease - time.Second)
		}
		require.Zero(t, freed.Load(), "not while it is used")
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.EqualValues(t, 1, freed.Load())
		time.Sleep(time.Hour)
		require.EqualValues(t, 1, freed.Load(), "once")
		r.used()
		time.Sleep(quietBeforeRelease + time.Second)
		require.EqualValues(t, 2, freed.Load(), "and again after further use")

		r.used()
		r.close()
		r.used()
		time.Sleep(time.Hour)
		require.EqualValues(t, 2, freed.Load(), "not once closed")
	})
}

func TestSmallHashesReleaseNothing(t *testing.T) {
	t.Parallel()
	small := NewHasher(cheap())
	defer small.Close()
	require.NoError(t, small.VerifyNothing(t.Context(), secret.New("Correct7horse")))
	require.Nil(t, small.release.timer)

	s := cheap()
	s.Memory = worthReleasingKiB << 10
	large := NewHasher(s)
	require.NoError(t, large.VerifyNothing(t.Context(), secret.New("Correct7horse")))
	require.NotNil(t, large.release.timer)
	large.Close()
	large.Close()
}
