package egress

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOnlyPublicAddressesArePermitted(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"93.184.216.34": true, "8.8.8.8": true, "172.32.0.1": true, "172.15.255.255": true, "100.63.255.255": true, "100.128.0.1": true, "192.169.0.1": true, "223.255.255.255": true,
		"2606:2800:220:1:248:1893:25c8:1946": true, "2a00:1450:4001::8a": true, "2001:200::1": true,

		"127.0.0.1": false, "127.255.255.254": false, "::1": false, // loopback
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fc00::1": false, "fdff::1": false, // private
		"169.254.1.1": false, "fe80::1": false, "febf::1": false, "fe80::1%eth0": false, // link-local
		"100.64.0.1": false, "100.127.255.255": false, // carriers
		"224.0.0.1": false, "239.255.255.255": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false, // many, or nobody
		"0.0.0.0": false, "0.1.2.3": false, "::": false, // unspecified
		"192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false, "198.18.0.1": false, "198.19.255.255": false, "2001:db8::1": false, "3fff::1": false, "192.0.0.1": false, // documentation, measurements
		"169.254.169.254": false, "168.63.129.16": false, "100.100.100.200": false, "192.0.0.192": false, "fd00:ec2::254": false, "fd20:ce::254": false, // metadata
		"fec0::1": false, "4000::1": false, "64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:0:53aa:64c:0:fbff:53aa:64c": false, // not given out, Teredo

		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::ffff:8.8.8.8": true, // IPv4 within IPv6
		"::127.0.0.1": false, "::8.8.8.8": false, "::ffff:0:127.0.0.1": false,
		"64:ff9b::127.0.0.1": false, "64:ff9b::10.0.0.1": false, "64:ff9b::169.254.169.254": false, "64:ff9b::a83f:8110": false, "64:ff9b::8.8.8.8": true,
		"2002:7f00:1::": false, "2002:a00:1::1": false, "2002:a9fe:a9fe::1": false, "2002:c0a8:101::": false, "2002:808:808::1": true,
	} {
		require.Equal(t, want, guard{}.permits(netip.MustParseAddr(text)), text)
	}
	require.False(t, guard{}.permits(netip.Addr{}))
}

func TestSettingsOpenNetworksAndNeverMetadata(t *testing.T) {
	t.Parallel()
	some := guard{prefixes("10.20.0.0/16", "fd12::/32", "127.0.0.0/8")}
	for text, want := range map[string]bool{
		"10.20.1.1": true, "10.21.1.1": false, "::ffff:10.20.1.1": true, "64:ff9b::10.20.1.1": true, "2002:a14:101::": true, "64:ff9b::10.21.1.1": false,
		"fd12::1": true, "fd13::1": false, "127.0.0.1": true, "::1": false, "8.8.8.8": true,
	} {
		require.Equal(t, want, some.permits(netip.MustParseAddr(text)), text)
	}
	all := guard{prefixes("0.0.0.0/0", "::/0")}
	for text, want := range map[string]bool{
		"10.0.0.1": true, "::1": true, "fe80::1": true, "169.254.1.1": true,
		"169.254.169.254": false, "::ffff:169.254.169.254": false, "64:ff9b::169.254.169.254": false, "2002:a9fe:a9fe::": false, "fd00:ec2::254": false,
		"168.63.129.16": false, "0.0.0.0": false, "::": false, "224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "fe80::1%1": false,
	} {
		require.Equal(t, want, all.permits(netip.MustParseAddr(text)), text)
	}
}

// FuzzPermits holds that no address gets past the guard that the standard library, which knows nothing of our lists, calls
// local or private, in whatever form it comes.
func FuzzPermits(f *testing.F) {
	for _, text := range []string{"127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:a9fe:a9fe::", "2606:2800::1", "8.8.8.8", "fe80::1", "::"} {
		f.Add(netip.MustParseAddr(text).AsSlice())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		forms := []netip.Addr{a, a.Unmap()}
		if b := a.As16(); a.Unmap().Is6() && b[0] == 0x20 && b[1] == 0x02 {
			forms = append(forms, netip.AddrFrom4([4]byte(b[2:6])))
		} else if a.Unmap().Is6() && [12]byte(b[:12]) == [12]byte{0, 0x64, 0xff, 0x9b} {
			forms = append(forms, netip.AddrFrom4([4]byte(b[12:])))
		}
		permitted := guard{}.permits(a)
		for _, form := range forms {
			local := !form.IsGlobalUnicast() || form.IsPrivate() || form.IsLoopback() || form.IsLinkLocalUnicast() || form.IsMulticast() || form.IsUnspecified()
			if permitted && local {
				t.Fatalf("%s is permitted, and is %s", a, form)
			}
		}
		if permitted != (guard{}).permits(a.Unmap()) {
			t.Fatalf("%s and %s differ", a, a.Unmap())
		}
	})
}

func TestNoProxyIsAsked(t *testing.T) {
	t.Parallel()
	require.Nil(t, transportOf(New(Settings{}, Options{})).Proxy)
}
