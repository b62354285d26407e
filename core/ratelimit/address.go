package ratelimit

import "net/netip"

// KeyForAddress gives the key of a client address: IPv4 whole, also where it is mapped into IPv6; IPv6 by its /64, which one
// customer usually has whole. Zones do not count. An invalid address is a key of its own.
func KeyForAddress(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64) // fails for more than 128 bits only
	return prefix.String()
}
