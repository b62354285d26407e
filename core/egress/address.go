package egress

import (
	"net/netip"
	"slices"
)

// guard says which addresses may be connected to.
type guard struct{ allow []netip.Prefix }

// permits says whether an address may be connected to: what the settings allow, and what is public. It looks through the
// forms in which IPv6 carries an IPv4 address.
func (g guard) permits(a netip.Addr) bool {
	if !a.IsValid() || a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	carried, carries := carriedIPv4(a)
	switch {
	case isNever(a) || carries && isNever(carried):
		return false
	case g.allows(a):
		return true
	case carries:
		return g.allows(carried) || isPublic(carried)
	default:
		return isPublic(a)
	}
}

func (g guard) allows(a netip.Addr) bool {
	return slices.ContainsFunc(g.allow, func(p netip.Prefix) bool { return p.Contains(a) })
}

// prefixes reads networks that this file writes.
func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

var (
	// never are addresses that no setting opens: they lead to nobody, to many, or to the credentials of the machine itself.
	never = prefixes(
		"0.0.0.0/8", "::/128", // this host, on many systems
		"224.0.0.0/4", "ff00::/8", "255.255.255.255/32", // many
		"169.254.169.254/32", "169.254.170.2/32", "169.254.170.23/32", "fd00:ec2::254/128", "fd00:ec2::23/128", // metadata of AWS and most others
		"168.63.129.16/32",   // of Azure, in its public space
		"100.100.100.200/32", // of Alibaba
		"192.0.0.192/32",     // of Oracle
		"fd20:ce::254/128",   // of Google
	)
	// reserved4 are what is not public in IPv4, after IANA's registry of special-purpose addresses (RFC 6890).
	reserved4 = prefixes(
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	)
	// global6 is all of IPv6 that was given out to the public; reserved6 is what is not public within it. Teredo, which hides
	// an IPv4 address, lies in 2001::/23.
	global6   = netip.MustParsePrefix("2000::/3")
	reserved6 = prefixes("2001::/23", "2001:db8::/32", "3fff::/20")

	nat64  = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: IPv4 in the last four bytes
	sixTo4 = netip.MustParsePrefix("2002::/16")    // RFC 3056: IPv4 in the four bytes behind it
)

func within(a netip.Addr, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}

func isNever(a netip.Addr) bool { return within(a, never) }

// isPublic is of an address that carries no other.
func isPublic(a netip.Addr) bool {
	if a.Is4() {
		return !within(a, reserved4)
	}
	return global6.Contains(a) && !sixTo4.Contains(a) && !within(a, reserved6)
}

// carriedIPv4 gives the IPv4 address that packets to this IPv6 address end up at.
func carriedIPv4(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case a.Is4():
		return netip.Addr{}, false
	case nat64.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixTo4.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	default:
		return netip.Addr{}, false
	}
}
