package cache

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/cache/redistest"
)

// storeCase is one implementation under the conformance suite. pass lets time go by; Redis's goes by itself.
type storeCase struct {
	name string
	open func(t *testing.T) (s Store, pass func(time.Duration))
}

func stores() []storeCase {
	all := []storeCase{{"memory", func(*testing.T) (Store, func(time.Duration)) {
		c := newClock()
		return NewMemory(c, 1<<20), c.Advance
	}}}
	if url := redistest.URL(); !url.IsZero() {
		all = append(all, storeCase{"redis", func(t *testing.T) (Store, func(time.Duration)) {
			return NewRedisStore(connect(t, url, uniqueNamespace(), silent), "test"), func(time.Duration) {}
		}})
	}
	return all
}

func eachStore(t *testing.T, run func(t *testing.T, s Store, pass func(time.Duration))) {
	t.Helper()
	for _, c := range stores() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, pass := c.open(t)
			run(t, s, pass)
		})
	}
}

func requireValue(t *testing.T, s Store, key, want string) {
	t.Helper()
	got, found, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.True(t, found, key)
	require.Equal(t, want, string(got))
}

func requireMiss(t *testing.T, s Store, key string) {
	t.Helper()
	got, found, err := s.Get(t.Context(), key)
	require.NoError(t, err)
	require.False(t, found, key)
	require.Nil(t, got)
}

func TestStoreGivesBackWhatWasSet(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store, _ func(time.Duration)) {
		requireMiss(t, s, "a")
		for _, value := range []string{"one", "two", "", "\x00\xff\r\n", strings.Repeat("x", 100_000)} {
			require.NoError(t, s.Set(t.Context(), "a", []byte(value), time.Hour))
			requireValue(t, s, "a", value)
			requireValue(t, s, "a", value)
		}
		requireMiss(t, s, "A")
	})
}

func TestStoreForgetsAfterTheTTL(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store, pass func(time.Duration)) {
		require.NoError(t, s.Set(t.Context(), "brief", []byte("v"), 30*time.Millisecond))
		require.NoError(t, s.Set(t.Context(), "long", []byte("v"), time.Hour))
		pass(30 * time.Millisecond)
		require.Eventually(t, func() bool {
			_, found, err := s.Get(t.Context(), "brief")
			return err == nil && !found
		}, 5*time.Second, time.Millisecond)
		requireValue(t, s, "long", "v")
		require.NoError(t, s.Set(t.Context(), "long", []byte("w"), time.Millisecond-1))
		requireMiss(t, s, "long")
		require.NoError(t, s.Set(t.Context(), "never", []byte("w"), 0))
		requireMiss(t, s, "never")
	})
}

func TestStoreForgetsWhatIsDeleted(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store, _ func(time.Duration)) {
		require.NoError(t, s.Delete(t.Context()))
		for i := range 50 {
			for _, key := range []string{"a", "b", "c"} {
				require.NoError(t, s.Set(t.Context(), key, []byte(fmt.Sprint(i)), time.Hour))
				requireValue(t, s, key, fmt.Sprint(i))
			}
			require.NoError(t, s.Delete(t.Context(), "a", "b", "absent"))
			requireMiss(t, s, "a")
			requireMiss(t, s, "b")
			requireValue(t, s, "c", fmt.Sprint(i))
		}
	})
}

func TestStoreCopiesValues(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s Store, _ func(time.Duration)) {
		mine := []byte("value")
		require.NoError(t, s.Set(t.Context(), "a", mine, time.Hour))
		mine[0] = 'X'
		got, _, err := s.Get(t.Context(), "a")
		require.NoError(t, err)
		require.Equal(t, "value", string(got))
		got[0] = 'Y'
		requireValue(t, s, "a", "value")
	})
}

func TestMemoryStoreIsBounded(t *testing.T) {
	t.Parallel()
	s := NewMemory(newClock(), 1)
	for i := range 2000 {
		require.NoError(t, s.Set(t.Context(), fmt.Sprint(i), bytes.Repeat([]byte("x"), 1000), time.Hour))
	}
	s.entries.CleanUp()
	require.LessOrEqual(t, s.entries.EstimatedSize(), 64)
	require.NoError(t, s.Set(t.Context(), "huge", make([]byte, 1<<20), time.Hour))
	s.entries.CleanUp()
	requireMiss(t, s, "huge")
}

func TestRedisStoreFollowsOtherInstances(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		ns := uniqueNamespace()
		a, b := NewRedisStore(connect(t, server.URL(), ns, silent), "s"), NewRedisStore(connect(t, server.URL(), ns, silent), "s")
		require.NoError(t, a.Set(t.Context(), "k", []byte("1"), time.Hour))
		requireValue(t, b, "k", "1")
		requireValue(t, b, "k", "1") // from b's own copy
		require.NoError(t, a.Delete(t.Context(), "k"))
		require.Eventually(t, func() bool { _, found, err := b.Get(t.Context(), "k"); return err == nil && !found }, time.Second, time.Millisecond)
		require.NoError(t, a.Set(t.Context(), "k", []byte("2"), time.Hour))
		require.Eventually(t, func() bool { v, _, err := b.Get(t.Context(), "k"); return err == nil && string(v) == "2" }, time.Second, time.Millisecond)
		server.Do("FLUSHALL")
		require.Eventually(t, func() bool { _, found, err := b.Get(t.Context(), "k"); return err == nil && !found }, time.Second, time.Millisecond)
	})
}

func TestRedisStoreReadsRepeatedKeysWithoutRedis(t *testing.T) {
	t.Parallel()
	redistest.Each(t, func(t *testing.T, server *redistest.Server) {
		s := NewRedisStore(connect(t, server.URL(), uniqueNamespace(), silent), "s")
		require.NoError(t, s.Set(t.Context(), "k", []byte("1"), time.Hour))
		requireValue(t, s, "k", "1")
		server.Pause()
		requireValue(t, s, "k", "1")
		server.Resume()
	})
}

func BenchmarkRedisStoreGet(b *testing.B) {
	if redistest.URL().IsZero() {
		return
	}
	r, err := OpenRedis(RedisSettings{URL: redistest.URL(), Prefix: "bench", Timeout: time.Second}, uniqueNamespace(), silent)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	s := NewRedisStore(r, "b")
	if err := s.Set(context.Background(), "k", []byte("v"), time.Hour); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, found, err := s.Get(context.Background(), "k"); err != nil || !found {
			b.Fatal(err)
		}
	}
}
