package ratelimit

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestHeaders(t *testing.T) {
	t.Parallel()
	login, forgot := Check{Limit: limit("login", 10, time.Minute)}, Check{Limit: limit("forgot_account", 3, 24*time.Hour)}
	require.Equal(t, `"login";q=10;w=60`, PolicyHeader(login))
	require.Equal(t, `"login";q=10;w=60, "forgot_account";q=3;w=86400`, PolicyHeader(login, forgot))
	require.Equal(t, `"login";r=7;t=42`, StateHeader([]Check{login}, []Decision{{Allowed: true, Remaining: 7, Reset: 42 * time.Second}}))
	require.Equal(t, `"login";r=0;t=2, "forgot_account";r=3;t=0`, StateHeader([]Check{login, forgot}, []Decision{{Reset: time.Second + 1}, {Remaining: 3}}))
	require.Empty(t, PolicyHeader()+StateHeader(nil, nil))
}

func TestRetryAfterCoversEveryRefusal(t *testing.T) {
	t.Parallel()
	require.Zero(t, RetryAfter(nil))
	require.Zero(t, RetryAfter([]Decision{{Allowed: true, Reset: time.Minute}}))
	require.Equal(t, time.Second, RetryAfter([]Decision{{RetryAfter: time.Microsecond}}))
	require.Equal(t, time.Second, RetryAfter([]Decision{{}}))
	require.Equal(t, 3*time.Second, RetryAfter([]Decision{{Allowed: true}, {RetryAfter: 2001 * time.Millisecond}, {RetryAfter: time.Second}}))
	require.Equal(t, 2*time.Second, RetryAfter([]Decision{{RetryAfter: 2 * time.Second}}))
}

func TestKeyForAddress(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "2001:db8:1:2::": "2001:db8:1:2::/64",
		"fe80::1%eth0": "fe80::/64", "::1": "::/64",
	} {
		require.Equal(t, want, KeyForAddress(netip.MustParseAddr(addr)), addr)
	}
	require.Equal(t, "invalid IP", KeyForAddress(netip.Addr{}))
}

func FuzzKeyForAddress(f *testing.F) {
	f.Add("192.0.2.1")
	f.Add("fe80::1%eth0")
	f.Fuzz(func(t *testing.T, text string) {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return
		}
		key := KeyForAddress(addr)
		if prefix, err := netip.ParsePrefix(key); err == nil {
			require.True(t, prefix.Contains(addr.WithZone("")))
			return
		}
		again, err := netip.ParseAddr(key)
		require.NoError(t, err)
		require.Equal(t, addr.Unmap(), again)
	})
}
