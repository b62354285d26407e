package egress

import "net/netip"

// Settings are the settings under "egress".
type Settings struct {
	Allow     []netip.Prefix `conf:"allow" default:"" doc:"networks beyond the public Internet that webhooks may go to, such as 10.20.0.0/16; every other private, local or reserved address is refused, and those of clouds' metadata always"`
	PlainHTTP bool           `conf:"plain_http" default:"false" doc:"lets webhooks go to http:// URLs as well, readable and changeable on their way; production refuses it unless insecure is set"`
}

// Check reports networks that are not written as such.
func (s *Settings) Check(report func(field, fault string)) {
	for _, p := range s.Allow {
		if p != p.Masked() || p.Addr().Is4In6() {
			report("allow", "must be networks without host bits, such as 10.20.0.0/16 or fd12:3456::/32")
			return
		}
	}
}
