package mail

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// smtpServer speaks enough SMTP to be a server, and can be a bad one.
type smtpServer struct {
	// Set before start.
	host     string            // in its certificate; 127.0.0.1 where empty
	implicit bool              // TLS from the first byte
	offers   []string          // extensions beside STARTTLS
	noTLS    bool              // offers no STARTTLS
	answers  map[string]string // in place of the usual answer: to a verb, "greeting", "DATA" or "." (the end of a letter)
	handle   func(c net.Conn)  // in place of everything

	listener net.Listener
	roots    *x509.CertPool
	config   *tls.Config
	work     sync.WaitGroup

	mu      sync.Mutex
	lines   []string // that clients said, credentials included
	letters []string // that were taken
	open    map[net.Conn]bool
	seen    int
}

// start listens until the test ends.
func (s *smtpServer) start(t *testing.T) *smtpServer {
	t.Helper()
	if s.host == "" {
		s.host = "127.0.0.1"
	}
	s.certify(t)
	var err error
	s.listener, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s.open = map[net.Conn]bool{}
	s.work.Go(s.accept)
	t.Cleanup(func() {
		_ = s.listener.Close()
		s.mu.Lock()
		for c := range s.open {
			_ = c.Close()
		}
		s.mu.Unlock()
		s.work.Wait()
	})
	return s
}

// certify makes a private authority and a certificate of it.
func (s *smtpServer) certify(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if ip := net.ParseIP(s.host); ip != nil {
		cert.IPAddresses = []net.IP{ip}
	} else {
		cert.DNSNames = []string{s.host}
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	s.roots = x509.NewCertPool()
	s.roots.AddCert(parsed)
	s.config = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

func (s *smtpServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[c] = true
		s.seen++
		s.mu.Unlock()
		s.work.Go(func() {
			defer func() {
				_ = c.Close()
				s.mu.Lock()
				delete(s.open, c)
				s.mu.Unlock()
			}()
			if s.handle != nil {
				s.handle(c)
				return
			}
			s.talk(c)
		})
	}
}

// talk is a conversation with one client.
func (s *smtpServer) talk(raw net.Conn) {
	conn := raw
	if s.implicit {
		conn = tls.Server(raw, s.config)
	}
	in := bufio.NewReader(conn)
	say := func(verb, usual string) bool {
		answer, ok := s.answers[verb]
		if !ok {
			answer = usual
		}
		if answer == "" { // dies
			return false
		}
		_, err := io.WriteString(conn, answer+"\r\n")
		return err == nil
	}
	if !say("greeting", "220 test ESMTP") {
		return
	}
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		s.note(line)
		verb, _, _ := strings.Cut(line, " ")
		var ok bool
		switch verb {
		case "EHLO":
			offers := append([]string{"test"}, s.offers...)
			if _, secured := conn.(*tls.Conn); !secured && !s.noTLS {
				offers = append(offers, "STARTTLS")
			}
			ok = say(verb, "250-"+strings.Join(offers[:len(offers)-1], "\r\n250-")+"\r\n250 "+offers[len(offers)-1])
		case "STARTTLS":
			if ok = say(verb, "220 go ahead"); ok {
				conn = tls.Server(raw, s.config)
				in = bufio.NewReader(conn)
			}
		case "AUTH":
			ok = s.auth(in, line, say)
		case "DATA":
			ok = say(verb, "354 go on") && (s.answers["DATA"] != "" || s.letter(in, say))
		case "QUIT":
			say(verb, "221 bye")
			return
		default:
			ok = say(verb, "250 ok")
		}
		if !ok {
			return
		}
	}
}

// auth takes the credentials user and p@ss.
func (s *smtpServer) auth(in *bufio.Reader, line string, say func(verb, usual string) bool) bool {
	given := strings.Fields(line)
	if given[1] == "LOGIN" {
		credentials := ""
		for _, question := range []string{"Username:", "Password:"} {
			if !say("challenge", "334 "+base64.StdEncoding.EncodeToString([]byte(question))) {
				return false
			}
			answer, err := in.ReadString('\n')
			if err != nil {
				return false
			}
			part, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(answer))
			credentials += "\x00" + string(part)
		}
		given = append(given, base64.StdEncoding.EncodeToString([]byte(credentials)))
	}
	if credentials, _ := base64.StdEncoding.DecodeString(given[2]); string(credentials) != "\x00user\x00p@ss" {
		return say("AUTH", "535 5.7.8 wrong: "+string(credentials))
	}
	return say("AUTH", "235 welcome")
}

// letter reads a letter to its end, and takes it where the answer says so.
func (s *smtpServer) letter(in *bufio.Reader, say func(verb, usual string) bool) bool {
	var letter strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		letter.WriteString(strings.TrimPrefix(line, "."))
	}
	if answer, ok := s.answers["."]; !ok || strings.HasPrefix(answer, "2") {
		s.mu.Lock()
		s.letters = append(s.letters, letter.String())
		s.mu.Unlock()
	}
	return say(".", "250 2.0.0 taken")
}

func (s *smtpServer) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

// said gives what clients said so far, in order.
func (s *smtpServer) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

func (s *smtpServer) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.letters...)
}

// url leads to the server.
func (s *smtpServer) url(scheme, user, query string) string {
	return fmt.Sprintf("%s://%s%s%s", scheme, user, s.listener.Addr(), query)
}
