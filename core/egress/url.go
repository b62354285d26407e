package egress

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/gatehouse/gatehouse/core/errs"
)

const (
	// MaxURL is the most bytes of a URL.
	MaxURL = 2048
	// firstFreePort is the first port that may be asked beside those of HTTP: below it are the services of systems.
	firstFreePort = 1024

	schemeHTTPS, schemeHTTP = "https", "http"
)

// URLError says why no request goes to a URL. Its text holds nothing of the URL.
type URLError struct {
	Code    errs.Fault
	Message string
}

// Error implements error.
func (e *URLError) Error() string { return e.Message }

// Field places the fault in an input.
func (e *URLError) Field(pointer string) errs.Field {
	return errs.Field{Pointer: pointer, Code: e.Code, Message: e.Message}
}

func malformed(message string) error { return &URLError{errs.InvalidFormat, message} }

func refused(message string) error { return &URLError{errs.NotAllowed, message} }

const notPublic = "must not lead to an address that is not public"

// parseURL reads a URL that a request may go to, as far as it can tell without asking a resolver. The error is a *URLError.
func (c *Client) parseURL(text string) (*url.URL, error) {
	if len(text) > MaxURL {
		return nil, &URLError{errs.TooLong, "must be at most 2048 bytes"}
	}
	u, err := url.Parse(text)
	if err != nil || u.Opaque != "" || u.Host == "" || strings.ContainsFunc(text, isOdd) {
		return nil, malformed("must be an absolute https:// URL")
	}
	switch {
	case u.Scheme != schemeHTTPS && u.Scheme != schemeHTTP:
		return nil, malformed("must be an absolute https:// URL")
	case u.Scheme == schemeHTTP && !c.plainHTTP:
		return nil, refused("must be https://")
	case u.User != nil:
		return nil, refused("must not hold a user or password")
	case u.Fragment != "" || strings.HasSuffix(text, "#"):
		return nil, malformed("must have no fragment")
	}
	host, err := c.parseHost(u.Hostname())
	if err != nil {
		return nil, err
	}
	if err := checkPort(u); err != nil {
		return nil, err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	return u, nil
}

// isOdd is of characters that some readers of URLs drop and others do not.
func isOdd(r rune) bool {
	return r <= ' ' || r == '\\' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0xfffd
}

// parseHost gives the name or address as connections are made to it.
func (c *Client) parseHost(text string) (string, error) {
	if strings.Contains(text, ":") { // in brackets: no name has one
		a, err := netip.ParseAddr(text)
		if err != nil {
			return "", malformed("must have a host name or an address as host")
		}
		return a.String(), c.checkLiteral(a)
	}
	host, err := idna.Lookup.ToASCII(text)
	if err != nil || host == "" || len(host) > 253 || strings.HasSuffix(host, ".") {
		return "", malformed("must have a host name or an address as host")
	}
	host = strings.ToLower(host)
	if a, err := netip.ParseAddr(host); err == nil {
		return host, c.checkLiteral(a)
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	switch {
	case isNumber(last): // an old spelling of an IPv4 address, such as 127.1, 0x7f000001 or 2130706433
		return "", malformed("must have an IPv4 address as four decimal numbers, if any")
	case last == "localhost":
		return host, c.checkLiteral(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	}
	return host, nil
}

func (c *Client) checkLiteral(a netip.Addr) error {
	if !c.guard.permits(a) {
		return refused(notPublic)
	}
	return nil
}

// isNumber says whether the last label of a host makes readers take the whole for an IPv4 address.
func isNumber(label string) bool {
	_, err := strconv.ParseUint(label, 10, 64)
	return err == nil || strings.HasPrefix(label, "0x") || strings.Trim(label, "0123456789") == ""
}

func checkPort(u *url.URL) error {
	port := u.Port()
	if port == "" {
		if strings.HasSuffix(u.Host, ":") {
			return malformed("must have a port behind the colon")
		}
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 || port[0] == '0' {
		return malformed("must have a port between 1 and 65535, if any")
	}
	if n != 80 && n != 443 && n < firstFreePort {
		return refused("must have the port 80 or 443, or one from 1024 on")
	}
	return nil
}
