package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientAddr gives the address that limits and logs count: the peer's, unless the peer is a trusted proxy; then the
// right-most hop of X-Forwarded-For that is not one. What cannot be read means the peer's.
func clientAddr(r *http.Request, trusted []netip.Prefix) netip.Addr {
	peer := parseHop(r.RemoteAddr)
	if len(trusted) == 0 || !contains(trusted, peer) {
		return peer
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		hop := parseHop(strings.TrimSpace(hop))
		if !hop.IsValid() {
			return peer
		}
		if !contains(trusted, hop) {
			return hop
		}
	}
	return peer
}

// parseHop reads "192.0.2.1", "192.0.2.1:4711", "2001:db8::1" and "[2001:db8::1]:4711".
func parseHop(s string) netip.Addr {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap().WithZone("")
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forwardedByStranger says whether a private peer that nobody trusts sends forwarding headers: most often a proxy that
// the settings forgot, so that every client counts as one.
func forwardedByStranger(r *http.Request, trusted []netip.Prefix) (netip.Addr, bool) {
	if r.Header["X-Forwarded-For"] == nil && r.Header["Forwarded"] == nil {
		return netip.Addr{}, false
	}
	peer := parseHop(r.RemoteAddr)
	return peer, (peer.IsPrivate() || peer.IsLoopback() || peer.IsLinkLocalUnicast()) && !contains(trusted, peer)
}
