package egress_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/egress"
)

// names answers as a resolver does.
type names func(host string) ([]netip.Addr, error)

// LookupNetIP implements egress.Resolver.
func (n names) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) { return n(host) }

func addrs(texts ...string) []netip.Addr {
	all := make([]netip.Addr, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParseAddr(t)
	}
	return all
}

// loopback lets requests go to the servers of tests, which listen at one address of loopback alone.
func loopback() egress.Settings {
	return egress.Settings{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
}

// receiver serves TLS at 127.0.0.1 as example.com.
func receiver(t *testing.T, handler http.HandlerFunc) (srv *httptest.Server, roots *x509.CertPool, at string) {
	t.Helper()
	srv = httptest.NewTLSServer(handler)
	t.Cleanup(srv.Close)
	roots = x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)
	return srv, roots, "https://example.com:" + port + "/hook?token=not-for-logs"
}

func toLoopback(string) ([]netip.Addr, error) { return addrs("127.0.0.1"), nil }

func post(at string) egress.Request {
	return egress.Request{Method: http.MethodPost, URL: at, Body: []byte("body"), Header: http.Header{"Content-Type": {"text/plain"}}}
}

// fails wants no answer, and the kind of the error.
func fails(t *testing.T, err error, want egress.Kind) {
	t.Helper()
	fault, ok := errors.AsType[*egress.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, want, fault.Kind, fault.Message)
	for _, private := range []string{"example.com", "127.0.0.1", "token"} {
		require.NotContains(t, fault.Error(), private)
	}
}

func TestARequestArrivesAndItsAnswerComesBack(t *testing.T) {
	t.Parallel()
	_, roots, at := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost || r.Host == "" || r.URL.Query().Get("token") != "not-for-logs" || r.Header.Get("Content-Type") != "text/plain" || r.TLS.ServerName != "example.com" {
			w.WriteHeader(http.StatusTeapot)
		}
		w.Header().Set("X-Test", "yes")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write(body)
	})
	c := egress.New(loopback(), egress.Options{Resolver: names(toLoopback), Roots: roots})
	t.Cleanup(c.Close)
	res, err := c.Do(t.Context(), post(at))
	require.NoError(t, err)
	require.Equal(t, []any{http.StatusAccepted, "body", "yes", false}, []any{res.Status, string(res.Body), res.Header.Get("X-Test"), res.Cut})
}

func TestStatement23NothingIsSentToAnAddressThatTheGuardRefuses(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	_, roots, at := receiver(t, func(http.ResponseWriter, *http.Request) { hits.Add(1) })
	for name, list := range map[string][]netip.Addr{
		"loopback": addrs("127.0.0.1"), "IPv6": addrs("::1"), "mapped": addrs("::ffff:127.0.0.1"), "NAT64": addrs("64:ff9b::127.0.0.1"), "private": addrs("10.0.0.1"),
		"metadata": addrs("169.254.169.254"), "one of several": addrs("93.184.216.34", "127.0.0.1"), "a zone": addrs("fe80::1%1"),
	} {
		c := egress.New(egress.Settings{}, egress.Options{Resolver: names(func(string) ([]netip.Addr, error) { return list, nil }), Roots: roots})
		_, err := c.Do(t.Context(), post(at))
		fails(t, err, egress.Refused)
		require.ErrorContains(t, err, "refused by the guard", name)
	}
	u, err := url.Parse(at)
	require.NoError(t, err)
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
		_, err := egress.New(egress.Settings{}, egress.Options{Roots: roots}).Do(t.Context(), post("https://"+host+":"+u.Port()+"/"))
		fails(t, err, egress.Refused)
	}
	_, err = egress.New(egress.Settings{}, egress.Options{Roots: roots}).Do(t.Context(), post("http://example.com/"))
	fails(t, err, egress.Refused)
	require.Zero(t, hits.Load())
}

// TestStatement23ANameThatChangesItsAddressGetsNoFurther has a resolver that gives a harmless address first, and then
// another: each connection goes to what was checked for it, and a name is looked up once for each.
func TestStatement23ANameThatChangesItsAddressGetsNoFurther(t *testing.T) {
	t.Parallel()
	var hits, looked atomic.Int64
	_, roots, at := receiver(t, func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Connection", "close")
	})
	c := egress.New(loopback(), egress.Options{Roots: roots, Resolver: names(func(string) ([]netip.Addr, error) {
		if looked.Add(1) == 1 {
			return addrs("127.0.0.1"), nil
		}
		return addrs("127.0.0.2"), nil // where the same server could be, and is not allowed
	})})
	res, err := c.Do(t.Context(), post(at))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.Status)
	require.EqualValues(t, 1, looked.Load(), "one look, one connection")
	_, err = c.Do(t.Context(), post(at))
	fails(t, err, egress.Refused)
	require.EqualValues(t, 1, hits.Load())
}

func TestStatement23NoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	var inner atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inner.Add(1) }))
	t.Cleanup(target.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		_, roots, at := receiver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target.URL, status) })
		c := egress.New(loopback(), egress.Options{Resolver: names(toLoopback), Roots: roots})
		res, err := c.Do(t.Context(), post(at))
		require.NoError(t, err)
		require.Equal(t, status, res.Status)
	}
	require.Zero(t, inner.Load())
}

func TestAnAnswerIsReadAsFarAsItIsWanted(t *testing.T) {
	t.Parallel()
	_, roots, at := receiver(t, func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil { // without end
			if _, err := w.Write(make([]byte, 32<<10)); err != nil {
				return
			}
		}
	})
	c := egress.New(loopback(), egress.Options{Resolver: names(toLoopback), Roots: roots})
	r := post(at)
	r.MaxBody = 1000
	res, err := c.Do(t.Context(), r)
	require.NoError(t, err)
	require.Len(t, res.Body, 1000)
	require.True(t, res.Cut)
}

// speak serves TCP: each connection gets to say what it likes, in TLS unless plain.
func speak(t *testing.T, plain bool, say func(c net.Conn)) (roots *x509.CertPool, at string) {
	t.Helper()
	certified, roots, _ := receiver(t, func(http.ResponseWriter, *http.Request) {})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	if !plain {
		l = tls.NewListener(l, &tls.Config{Certificates: certified.TLS.Certificates})
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				say(c)
			}()
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	return roots, "https://example.com:" + port + "/"
}

func TestABadReceiverGetsNoFurtherThanItsKind(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	t.Cleanup(func() { close(gone) })
	read := func(c net.Conn) { _, _ = http.ReadRequest(bufio.NewReader(c)) }
	for name, r := range map[string]struct {
		plain bool
		say   func(c net.Conn)
		want  egress.Kind
	}{
		"hangs":            {say: func(net.Conn) { <-gone }, want: egress.Late},
		"hangs before TLS": {plain: true, say: func(net.Conn) { <-gone }, want: egress.Late},
		"drips":            {say: drip(gone), want: egress.Late},
		"hangs in the body": {say: func(c net.Conn) {
			read(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
			<-gone
		}, want: egress.Late},
		"cuts the body":       {say: func(c net.Conn) { read(c); _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") }, want: egress.Broken},
		"closes":              {say: read, want: egress.Broken},
		"says something else": {say: func(c net.Conn) { read(c); _, _ = io.WriteString(c, "SMTP ready\r\n\r\n") }, want: egress.Broken},
		"has endless headers": {say: func(c net.Conn) {
			read(c)
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 1<<20)+"\r\n\r\n")
		}, want: egress.Broken},
		"speaks plain HTTP": {plain: true, say: func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); _, _ = io.Copy(io.Discard, c) }, want: egress.Untrusted},
		"speaks something odd": {plain: true, say: func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mail.example.com ESMTP\r\n")
			_, _ = io.Copy(io.Discard, c)
		}, want: egress.Untrusted},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			roots, at := speak(t, r.plain, r.say)
			c := egress.New(loopback(), egress.Options{Resolver: names(toLoopback), Roots: roots})
			ask := post(at)
			if r.want == egress.Late {
				ask.Timeout = 200 * time.Millisecond
			}
			_, err := c.Do(t.Context(), ask)
			fails(t, err, r.want)
		})
	}
}

// drip answers one byte at a time, for as long as somebody listens.
func drip(gone <-chan struct{}) func(net.Conn) {
	return func(c net.Conn) {
		_, _ = http.ReadRequest(bufio.NewReader(c))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-gone:
				return
			case <-tick.C:
				if _, err := c.Write([]byte("a")); err != nil {
					return
				}
			}
		}
	}
}

func TestAReceiverMustShowThatItIsTheHost(t *testing.T) {
	t.Parallel()
	srv, roots, at := receiver(t, func(http.ResponseWriter, *http.Request) {})
	_, err := egress.New(loopback(), egress.Options{Resolver: names(toLoopback)}).Do(t.Context(), post(at))
	fails(t, err, egress.Untrusted)
	c := egress.New(loopback(), egress.Options{Resolver: names(toLoopback), Roots: roots})
	_, err = c.Do(t.Context(), post(strings.Replace(at, "example.com", "example.net", 1)))
	fails(t, err, egress.Untrusted)

	old := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	old.TLS = &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11, Certificates: srv.TLS.Certificates}
	old.StartTLS()
	t.Cleanup(old.Close)
	_, err = c.Do(t.Context(), post(old.URL))
	fails(t, err, egress.Untrusted)
}

func TestANameThatLeadsNowhereIsSaidSo(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed := "https://example.com:" + l.Addr().String()[strings.LastIndexByte(l.Addr().String(), ':')+1:] + "/"
	require.NoError(t, l.Close())
	for name, r := range map[string]struct {
		answer names
		want   egress.Kind
	}{
		"unknown":        {func(string) ([]netip.Addr, error) { return nil, &net.DNSError{IsNotFound: true, Name: "example.com"} }, egress.Unresolved},
		"empty":          {func(string) ([]netip.Addr, error) { return nil, nil }, egress.Unresolved},
		"resolver away":  {func(string) ([]netip.Addr, error) { return nil, &net.DNSError{IsTimeout: true, Name: "example.com"} }, egress.Unresolved},
		"nobody listens": {toLoopback, egress.Unreachable},
	} {
		_, err := egress.New(loopback(), egress.Options{Resolver: r.answer}).Do(t.Context(), post(closed))
		fails(t, err, r.want)
		require.NotEmpty(t, name)
	}
}

func TestWhoeverGivesUpIsToldSo(t *testing.T) {
	t.Parallel()
	came, gone := make(chan struct{}), make(chan struct{})
	_, roots, at := receiver(t, func(http.ResponseWriter, *http.Request) { close(came); <-gone })
	t.Cleanup(func() { close(gone) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-came; cancel() }()
	_, err := egress.New(loopback(), egress.Options{Resolver: names(toLoopback), Roots: roots}).Do(ctx, post(at))
	require.ErrorIs(t, err, context.Canceled)
}

func TestAClientThatIsNotOpenSendsNothing(t *testing.T) {
	t.Parallel()
	var c egress.Client
	_, err := c.Do(t.Context(), post("https://example.com/"))
	require.ErrorContains(t, err, "not open")
	c.Close()
}
