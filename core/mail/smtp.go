package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// The bounds of a delivery. A server that answers a byte a second meets the one, one that takes its time with each step
// the other.
const (
	stepTimeout     = 30 * time.Second
	deliveryTimeout = 100 * time.Second
	// maxAnswers is more than any server says in one session, certificates included.
	maxAnswers = 1 << 20
)

// server hands letters to an SMTP server, each over a connection of its own.
type server struct {
	at                      place
	from                    string
	insecure                bool
	roots                   *x509.CertPool // nil is the machine's
	stepTimeout, allTimeout time.Duration
}

func newServer(at place, from string, insecure bool) *server {
	return &server{at: at, from: from, insecure: insecure, stepTimeout: stepTimeout, allTimeout: deliveryTimeout}
}

func (s *server) deliver(ctx context.Context, _ Message, l letter, _ string) error {
	return s.with(ctx, func(c *conversation) error {
		if err := c.step("MAIL", func() error { return c.client.Mail("<" + s.from + ">") }); err != nil {
			return err
		}
		// From here on a lasting refusal is about this recipient or this message.
		if err := final(c.step("RCPT", func() error { return c.client.Rcpt("<" + l.to + ">") })); err != nil {
			return err
		}
		return final(c.data(l.raw))
	})
}

func (s *server) probe(ctx context.Context) error {
	return s.with(ctx, func(*conversation) error { return nil })
}

// with runs f on a connection that is encrypted and signed in as the URL says.
func (s *server) with(ctx context.Context, f func(*conversation) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.allTimeout)
	defer cancel()
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = c.conn.Close() }()                         // after an answer to QUIT, or instead of one
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() }) // ends what is being waited for
	defer stop()
	if err := c.open(); err != nil {
		return err
	}
	if err := f(c); err != nil {
		return err
	}
	_ = c.step("QUIT", c.client.Quit) // what was handed over stays handed over
	return nil
}

func (s *server) dial(ctx context.Context) (*conversation, error) {
	c := &conversation{server: s, ctx: ctx}
	ctx, cancel := context.WithTimeout(ctx, s.stepTimeout)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.at.addr())
	if err != nil {
		return nil, c.fault("connect", err)
	}
	c.conn = &boundedConn{Conn: conn, left: maxAnswers}
	return c, nil
}

// conversation is one connection, step by step.
type conversation struct {
	server *server
	ctx    context.Context
	conn   *boundedConn // below TLS
	client *smtp.Client
}

// step gives f its time and explains its error.
func (c *conversation) step(name string, f func() error) error {
	started := time.Now()
	if err := c.conn.SetDeadline(started.Add(c.server.stepTimeout)); err != nil {
		return c.fault(name, err)
	}
	if err := f(); err != nil {
		return c.fault(name, err)
	}
	return nil
}

// open greets, encrypts and signs in.
func (c *conversation) open() error {
	at := c.server.at
	if err := c.step("greeting", c.greet); err != nil {
		return err
	}
	if err := c.step("EHLO", func() error { return c.client.Hello(helloName(c.conn.LocalAddr())) }); err != nil {
		return err
	}
	if at.tls == tlsStart {
		if ok, _ := c.client.Extension("STARTTLS"); !ok {
			return errNoTLS
		}
		if err := c.step("STARTTLS", func() error { return c.client.StartTLS(c.server.tlsConfig()) }); err != nil {
			return err
		}
	}
	if at.user == "" {
		return nil
	}
	auth, err := c.auth()
	if err != nil {
		return err
	}
	return c.step("AUTH", func() error { return c.client.Auth(auth) })
}

// greet waits for the server's first line, inside TLS where the URL says so.
func (c *conversation) greet() error {
	conn := net.Conn(c.conn)
	if c.server.at.tls == tlsImplicit {
		secured := tls.Client(conn, c.server.tlsConfig())
		if err := secured.HandshakeContext(c.ctx); err != nil {
			return err
		}
		conn = secured
	}
	client, err := smtp.NewClient(conn, c.server.at.host)
	if err != nil {
		return err
	}
	client.SkipSMTPUTF8(true) // every letter and address is ASCII
	c.client = client
	return nil
}

func (s *server) tlsConfig() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.at.host, RootCAs: s.roots}
}

var (
	errNoTLS     = errors.New("mail: the server offers no STARTTLS, and nothing is sent in plain text unless mail.url says ?tls=none")
	errNoSignIn  = errors.New("mail: the server offers no way to sign in that is known here (PLAIN, LOGIN)")
	errPlainAuth = errors.New("mail: the password would go to another machine in plain text; remove ?tls=none from mail.url, or set insecure=true")
)

// auth chooses how to sign in. Within TLS the simple ways are as good as any.
func (c *conversation) auth() (smtp.Auth, error) {
	at := c.server.at
	if at.tls == tlsNone && !at.loopback() && !c.server.insecure {
		return nil, errPlainAuth
	}
	_, offered := c.client.Extension("AUTH")
	for way := range strings.FieldsSeq(offered) {
		switch strings.ToUpper(way) { // the address was judged above
		case "PLAIN":
			return smtp.PlainAuth("", at.user, at.password.Reveal(), at.host, true), nil
		case "LOGIN":
			return smtp.LoginAuth(at.user, at.password.Reveal(), at.host, true), nil
		}
	}
	return nil, errNoSignIn
}

// data sends the letter. A connection that ends before the last answer leaves open whether it was taken: it is sent again
// then, under the same Message-ID.
func (c *conversation) data(raw []byte) error {
	return c.step("DATA", func() error {
		w, err := c.client.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(raw); err != nil {
			return err // closing would end the letter as if it were whole
		}
		return w.Close()
	})
}

// answerError is a server's refusal. Of the answer's text it keeps nothing, since servers repeat addresses there.
type answerError struct {
	step   string
	code   int
	status string // enhanced status code (RFC 3463), or empty
}

func (e *answerError) Error() string {
	text := fmt.Sprintf("mail: at %s the server answered %d", e.step, e.code)
	if e.status != "" {
		text += " " + e.status
	}
	return text
}

// codeSignInFirst (RFC 4954) is about us, at whatever step it comes.
const codeSignInFirst = 530

// final makes a lasting refusal ErrRefused.
func final(err error) error {
	if answer, ok := errors.AsType[*answerError](err); ok && answer.code >= 500 && answer.code != codeSignInFirst {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return err
}

var enhancedStatus = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

var (
	errAnswer  = errors.New("the answer is not SMTP")
	errTooSlow = errors.New("no answer in time")
)

// fault explains an error without a word that the server chose.
func (c *conversation) fault(step string, err error) error {
	if answer, ok := errors.AsType[*textproto.Error](err); ok {
		return &answerError{step: step, code: answer.Code, status: enhancedStatus.FindString(answer.Msg)}
	}
	if _, ok := errors.AsType[textproto.ProtocolError](err); ok {
		err = errAnswer
	}
	switch {
	case errors.Is(c.ctx.Err(), context.Canceled):
		err = context.Canceled
	case c.ctx.Err() != nil, errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		err = errTooSlow
	}
	return fmt.Errorf("mail: %s with %s: %w", step, c.server.at.addr(), err)
}

// helloName is what we call ourselves: the address that we come from (RFC 5321, section 4.1.4).
func helloName(local net.Addr) string {
	tcp, ok := local.(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case tcp.IP.To4() != nil:
		return "[" + tcp.IP.String() + "]"
	default:
		return "[IPv6:" + tcp.IP.String() + "]"
	}
}

// boundedConn ends a conversation in which the server talks without end.
type boundedConn struct {
	net.Conn

	left int
}

var errTalkative = errors.New("the server says too much")

func (c *boundedConn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTalkative
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}
