package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

const (
	connectWithin   = 5 * time.Second // the name's resolution included
	handshakeWithin = 5 * time.Second
	// DefaultTimeout is what a request and its answer have, from the resolution of the name to the last byte.
	DefaultTimeout = 15 * time.Second
	// DefaultMaxBody is how much of an answer's body is read.
	DefaultMaxBody = 64 << 10

	maxHeader    = 64 << 10
	idleWithin   = 30 * time.Second
	idlePerHost  = 2
	idleAll      = 100
	mostPerHost  = 16
	triedPerName = 4 // addresses of one name
)

// Resolver finds the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Options replace what a Client asks, for tests.
type Options struct {
	Resolver Resolver       // nil is the system's
	Roots    *x509.CertPool // nil are the system's
}

// Client sends requests past the guard. Its zero value refuses everything; New gives one that does not. It is safe for
// concurrent use.
type Client struct {
	guard     guard
	plainHTTP bool
	resolver  Resolver
	client    *http.Client
}

// New makes a Client. It connects to nothing.
func New(s Settings, o Options) *Client {
	c := &Client{guard: guard{s.Allow}, plainHTTP: s.PlainHTTP, resolver: o.Resolver}
	if c.resolver == nil {
		c.resolver = net.DefaultResolver
	}
	c.client = &http.Client{
		Transport: &http.Transport{ // no Proxy: one could be sent where the guard would not let us go
			DialContext:         c.dial,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			TLSHandshakeTimeout: handshakeWithin, MaxResponseHeaderBytes: maxHeader, DisableCompression: true,
			IdleConnTimeout: idleWithin, MaxIdleConns: idleAll, MaxIdleConnsPerHost: idlePerHost, MaxConnsPerHost: mostPerHost,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// Close ends the connections that wait for another request.
func (c *Client) Close() {
	if c.client != nil {
		c.client.CloseIdleConnections()
	}
}

// Request is what to send.
type Request struct {
	Method  string
	URL     string
	Header  http.Header // nil is none
	Body    []byte
	Timeout time.Duration // DefaultTimeout unless set
	MaxBody int           // of the answer that is read, bytes; DefaultMaxBody unless set
}

// Response is an answer: any that a server gives, redirects and errors included.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
	Cut    bool          // the body was longer than what was read
	Took   time.Duration // until the answer was read, or until it was clear that there is none
}

// CheckURL says what keeps requests from going to a URL, as far as that can be told without asking a resolver: a
// *URLError, or nil.
func (c *Client) CheckURL(text string) error {
	_, err := c.parseURL(text)
	return err
}

var (
	errNotOpen   = errors.New("egress: the client is not open")
	errNoRequest = errors.New("egress: the request is none") // the library's own words hold the URL
)

// Do sends a request and reads the answer. It returns an *Error where there is none, and the error of ctx where that ended;
// of the Response Took alone is set then. A redirect is an answer, and is not followed.
func (c *Client) Do(ctx context.Context, r Request) (Response, error) {
	started := time.Now()
	out, err := c.do(ctx, r)
	if err != nil {
		out = Response{}
	}
	out.Took = time.Since(started)
	return out, err
}

func (c *Client) do(ctx context.Context, r Request) (out Response, err error) {
	if c.client == nil {
		return out, errNotOpen
	}
	u, err := c.parseURL(r.URL)
	if err != nil {
		return out, &Error{Refused, "refused by the guard: the URL " + err.Error()}
	}
	if r.Timeout <= 0 {
		r.Timeout = DefaultTimeout
	}
	if r.MaxBody <= 0 {
		r.MaxBody = DefaultMaxBody
	}
	limited, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, r.Method, u.String(), bytes.NewReader(r.Body))
	if err != nil {
		return out, errNoRequest
	}
	maps.Copy(req.Header, r.Header)
	res, err := c.client.Do(req)
	if err != nil {
		return out, classify(ctx, err)
	}
	defer func() { _ = res.Body.Close() }() // what is left of it ends with the connection
	out.Status, out.Header = res.StatusCode, res.Header
	if out.Body, err = io.ReadAll(io.LimitReader(res.Body, int64(r.MaxBody)+1)); err != nil {
		return out, classify(ctx, err)
	}
	if out.Cut = len(out.Body) > r.MaxBody; out.Cut {
		out.Body = out.Body[:r.MaxBody]
	}
	return out, nil
}

// dial connects to the first of a host's addresses that answers. All of them are checked first: a name that leads to a
// single forbidden one is refused, so that nobody profits from the order in which they are tried.
func (c *Client) dial(ctx context.Context, _, hostPort string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, errBroken
	}
	addrs, err := c.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	end, _ := ctx.Deadline()
	dialer := net.Dialer{KeepAlive: -1, ControlContext: c.control}
	var failure error
	for i, a := range addrs {
		attempt, cancel := context.WithTimeout(ctx, time.Until(end)/time.Duration(len(addrs)-i))
		var conn net.Conn
		conn, failure = dialer.DialContext(attempt, "tcp", net.JoinHostPort(a.String(), port))
		cancel()
		if failure == nil {
			return conn, nil
		}
	}
	return nil, classifyDial(failure)
}

// resolve gives addresses that were all checked.
func (c *Client) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		if !c.guard.permits(a) {
			return nil, errAddress
		}
		return []netip.Addr{a.Unmap()}, nil
	}
	addrs, err := c.resolver.LookupNetIP(ctx, "ip", host)
	if missing, ok := errors.AsType[*net.DNSError](err); ok && missing.IsNotFound || err == nil && len(addrs) == 0 {
		return nil, errNoName
	}
	if err != nil {
		return nil, errResolver
	}
	for i, a := range addrs {
		if !c.guard.permits(a) {
			return nil, errAddress
		}
		addrs[i] = a.Unmap()
	}
	return addrs[:min(len(addrs), triedPerName)], nil
}

// control looks at the very address that a socket is about to connect to.
func (c *Client) control(_ context.Context, _, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !c.guard.permits(to.Addr()) {
		return errAddress
	}
	return nil
}
