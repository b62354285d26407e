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
	for _, line := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for more := true; more; {
			text := line
			if i := strings.LastIndexByte(line, ','); i >= 0 {
				line, text = line[:i], line[i+1:]
			} else {
				more = false
			}
			hop := parseHop(strings.Trim(text, " \t"))
			if !hop.IsValid() {
				return peer
			}
			if !contains(trusted, hop) {
				return hop
			}
		}
	}
	return peer
}

// parseHop reads "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]" and "[2001:db8::1]:4711". An IPv4 address
// that is mapped into IPv6 is the IPv4 address, and zones do not count.
func parseHop(s string) netip.Addr {
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil && (bare == s || a.Is6()) {
		return a.WithZone("").Unmap()
	}
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().WithZone("").Unmap()
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
