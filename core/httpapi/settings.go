package httpapi

import (
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/config"
)

// Settings are the public listener's, under "http".
type Settings struct {
	Addr           string         `conf:"addr" default:"127.0.0.1:8080" doc:"address of the public listener, host:port"`
	PublicURL      string         `conf:"public_url" default:"" doc:"URL at which people reach this service, without a path; links in mail, issuer and audience come from it; production needs https"`
	BasePath       string         `conf:"base_path" default:"" doc:"path prefix of every endpoint, such as /api; empty for the root"`
	TrustedProxies []netip.Prefix `conf:"trusted_proxies" default:"" doc:"networks whose X-Forwarded-For is believed, such as 10.0.0.0/8"`
	MaxConnections int            `conf:"max_connections" default:"20000" doc:"open connections above which new ones are refused"`
	MaxBody        config.Size    `conf:"max_body" default:"1MiB" doc:"largest JSON body"`
	MaxHeader      config.Size    `conf:"max_header" default:"64KiB" doc:"largest request line and headers together"`
	DrainDelay     time.Duration  `conf:"drain_delay" default:"0s" doc:"time between turning not ready and closing the listener at SIGTERM; 5s in production when unset"`
	TLSCert        string         `conf:"tls_cert" default:"" doc:"PEM file with the certificate chain; empty serves plain HTTP"`
	TLSKey         string         `conf:"tls_key" default:"" doc:"PEM file with the certificate's private key"`
	CORSOrigins    []string       `conf:"cors_origins" default:"" doc:"origins whose pages may call the API, such as https://app.example.com; never *"`
}

// Check reports what does not hold together.
func (s *Settings) Check(report func(field, fault string)) {
	if !IsAddr(s.Addr) {
		report("addr", NoAddr)
	}
	if s.PublicURL != "" && !isOrigin(s.PublicURL) {
		report("public_url", "must be http:// or https:// with a host and without path, query or user")
	}
	if s.BasePath != "" && (!basePath.MatchString(s.BasePath) || path.Clean(s.BasePath) != s.BasePath) {
		report("base_path", "must begin with /, not end with it, and hold nothing but letters, digits and . _ ~ - between, such as /api")
	}
	if s.MaxConnections < 1 {
		report("max_connections", "must be at least 1")
	}
	if s.MaxBody < 1 {
		report("max_body", "must be at least 1 byte")
	}
	if s.MaxHeader < 4<<10 {
		report("max_header", "must be at least 4KiB")
	}
	if s.DrainDelay < 0 || s.DrainDelay > 8*time.Second {
		report("drain_delay", "must be between 0s and 8s, since all must end within 10s of SIGTERM")
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		report("tls_cert", "must be set together with tls_key")
	}
	for _, o := range s.CORSOrigins {
		if !isOrigin(o) || o != strings.ToLower(o) || strings.HasSuffix(o, ":443") && o[:5] == "https" || strings.HasSuffix(o, ":80") && o[:5] == "http:" {
			report("cors_origins", "must be origins as browsers write them, such as https://app.example.com: lower-case, without a default port")
		}
	}
}

// NoAddr is what is wrong with what IsAddr does not take.
const NoAddr = "must be host:port with a number for the port, such as 127.0.0.1:8080; a host that is left out is every interface"

// IsAddr says whether a listener's address is one. net.Listen takes an empty one as well, and listens on every interface.
func IsAddr(addr string) bool {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// LinkTo gives the URL at which people reach a path of this service: below public_url and nothing else, whatever a request
// says about its host. Without one, which development alone accepts, it is the address that is listened on.
func (s *Settings) LinkTo(p string) string {
	if s.PublicURL != "" {
		return s.PublicURL + s.BasePath + p
	}
	scheme, addr := "http://", s.Addr
	if s.TLSCert != "" {
		scheme = "https://"
	}
	if strings.HasPrefix(addr, ":") {
		addr = "localhost" + addr
	}
	return scheme + addr + s.BasePath + p
}

// basePath is of characters that no URL escapes (RFC 3986 section 2.3), so that a path and its escaped form begin alike.
var basePath = regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`)

func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.Scheme+"://"+u.Host == s
}
