package cache

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/cache/redistest"
	"github.com/gatehouse/gatehouse/core/errs"
)

func TestInspectSaysWhetherRedisTakesWrites(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, s *redistest.Server) {
		r := connect(t, s.URL(), uniqueNamespace(), silent)
		require.Eventually(t, func() bool { return r.Ping(t.Context()) == nil }, 10*time.Second, 20*time.Millisecond)
		info, err := r.Inspect(t.Context())
		require.NoError(t, err)
		require.Regexp(t, `^\d+\.\d+`, info.Version)
		require.False(t, info.Replica)
		s.Do("REPLICAOF", "127.0.0.1", "1")
		info, err = r.Inspect(t.Context())
		require.NoError(t, err)
		require.True(t, info.Replica)
		s.Stop()
		_, err = r.Inspect(t.Context())
		require.ErrorIs(t, err, errs.ErrUnavailable)
	})
}

func TestInfoReadsItsLines(t *testing.T) {
	t.Parallel()
	var i Info
	i.read("# Server\r\nredis_version:7.4.1\r\nother\r\nrole:slave\r\n")
	require.Equal(t, Info{Version: "7.4.1", Replica: true}, i)
}
