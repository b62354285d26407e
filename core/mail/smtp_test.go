package mail

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const signedIn = "user:p%40ss@"

// client gives a sender for a server whose authority it knows.
func client(t *testing.T, s *smtpServer, url string) *Sender {
	t.Helper()
	sender, err := Open(Settings{URL: secret.New(url), From: "Müller <post@müller.example>"}, Options{Clock: clock.System{}})
	require.NoError(t, err)
	sender.transport.(*server).roots = s.roots
	return sender
}

func testMessage() Message {
	return Message{ID: "id-1", To: "ada@bücher.example", Language: "en", Subject: "Grüße", Text: ".\nHällo\n", HTML: "<p>Hällo</p>"}
}

// requireRetry wants an error that is worth a retry, and tells nothing that it should not.
func requireRetry(t *testing.T, err error) {
	t.Helper()
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrRefused)
	requireDiscreet(t, err)
}

func requireDiscreet(t *testing.T, err error) {
	t.Helper()
	for _, told := range []string{"ada", "bücher", "xn--", "p@ss", "p%40ss", "user", "Grüße", "marker"} {
		require.NotContains(t, err.Error(), told)
	}
}

func TestMailIsHandedOverWithVerifiedTLS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		server *smtpServer
		scheme string
		user   string
		query  string
		says   string
	}{
		"STARTTLS":              {&smtpServer{}, "smtp", "", "", "STARTTLS"},
		"TLS":                   {&smtpServer{implicit: true}, "smtps", "", "", "EHLO"},
		"signed in plainly":     {&smtpServer{offers: []string{"AUTH CRAM-MD5 PLAIN LOGIN"}}, "smtp", signedIn, "", "AUTH PLAIN"},
		"signed in by LOGIN":    {&smtpServer{implicit: true, offers: []string{"AUTH LOGIN", "SMTPUTF8", "8BITMIME"}}, "smtps", signedIn, "", "AUTH LOGIN"},
		"plain, as spelled":     {&smtpServer{noTLS: true}, "smtp", "", "?tls=none", "EHLO"},
		"plain, on one machine": {&smtpServer{noTLS: true, offers: []string{"AUTH PLAIN"}}, "smtp", signedIn, "?tls=none", "AUTH PLAIN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := c.server.start(t)
			sender := client(t, s, s.url(c.scheme, c.user, c.query))
			require.NoError(t, sender.Probe(t.Context()))
			require.NotContains(t, s.said(), "MAIL", "looking sends nothing")
			require.NoError(t, sender.Send(t.Context(), testMessage()))
			require.Contains(t, s.said(), c.says)
			require.Regexp(t, `(?m)^EHLO \[127\.0\.0\.1\]$`, s.said())
			require.Regexp(t, `(?m)^MAIL FROM:<post@xn--mller-kva\.example>( BODY=8BITMIME)?$`, s.said())
			require.Regexp(t, `(?m)^RCPT TO:<ada@xn--bcher-kva\.example>$`, s.said())
			require.Len(t, s.taken(), 1)
			require.Contains(t, s.taken()[0], "Message-ID: <id-1@xn--mller-kva.example>\r\n")
			require.Contains(t, s.taken()[0], "\r\n.\r\nH=C3=A4llo", "a line of one dot is no end")
		})
	}
}

func TestNothingGoesOutUnlessTLSIsVerified(t *testing.T) {
	t.Parallel()
	t.Run("the server offers none, or somebody cut the offer out", func(t *testing.T) {
		t.Parallel()
		s := (&smtpServer{noTLS: true, offers: []string{"AUTH PLAIN"}}).start(t)
		err := client(t, s, s.url("smtp", signedIn, "")).Send(t.Context(), testMessage())
		requireRetry(t, err)
		require.ErrorContains(t, err, "offers no STARTTLS")
		require.Regexp(t, `^EHLO [^\n]*$`, s.said())
	})
	t.Run("the server takes it back", func(t *testing.T) {
		t.Parallel()
		s := (&smtpServer{answers: map[string]string{"STARTTLS": "454 4.7.0 not now"}}).start(t)
		err := client(t, s, s.url("smtp", signedIn, "")).Send(t.Context(), testMessage())
		requireRetry(t, err)
		require.NotContains(t, s.said(), "AUTH")
	})
	t.Run("another's certificate", func(t *testing.T) {
		t.Parallel()
		s := (&smtpServer{host: "mail.example.net", offers: []string{"AUTH PLAIN"}}).start(t)
		err := client(t, s, s.url("smtp", signedIn, "")).Send(t.Context(), testMessage())
		requireRetry(t, err)
		require.ErrorContains(t, err, "x509")
		require.NotContains(t, s.said(), "AUTH")
	})
	t.Run("an authority that nobody knows", func(t *testing.T) {
		t.Parallel()
		s := (&smtpServer{implicit: true}).start(t)
		sender := client(t, s, s.url("smtps", signedIn, ""))
		sender.transport.(*server).roots = nil
		err := sender.Send(t.Context(), testMessage())
		requireRetry(t, err)
		require.ErrorContains(t, err, "x509")
		require.Empty(t, s.said())
	})
	t.Run("answers that were slipped in before TLS", func(t *testing.T) {
		t.Parallel()
		s := (&smtpServer{answers: map[string]string{"STARTTLS": "220 go\r\n250-slipped\r\n250 AUTH PLAIN"}}).start(t)
		err := client(t, s, s.url("smtp", signedIn, "")).Send(t.Context(), testMessage())
		requireRetry(t, err)
		require.NotContains(t, s.said(), "AUTH", "what came before TLS is forgotten")
	})
}

func TestAnAnswerTellsWhetherARetryHelps(t *testing.T) {
	t.Parallel()
	const echo = " <ada@xn--bcher-kva.example> marker"
	for name, c := range map[string]struct {
		answers map[string]string
		refused bool
		says    string
	}{
		"no such mailbox":          {map[string]string{"RCPT": "550 5.1.1" + echo}, true, "at RCPT the server answered 550 5.1.1"},
		"over several lines":       {map[string]string{"RCPT": "550-5.1.1" + echo + "\r\n550 5.1.1" + echo}, true, "550 5.1.1"},
		"mailbox full":             {map[string]string{"RCPT": "452 4.2.2" + echo}, false, "at RCPT the server answered 452 4.2.2"},
		"greylisted":               {map[string]string{"RCPT": "451" + echo}, false, "451"},
		"sign in first":            {map[string]string{"RCPT": "530 5.7.0" + echo}, false, "530"},
		"our sender is not wanted": {map[string]string{"MAIL": "550 5.7.1" + echo}, false, "at MAIL the server answered 550"},
		"DATA refused":             {map[string]string{"DATA": "554 5.5.1" + echo}, true, "at DATA the server answered 554 5.5.1"},
		"the letter refused":       {map[string]string{".": "554 5.7.1 spam" + echo}, true, "554 5.7.1"},
		"the letter, later":        {map[string]string{".": "451 4.3.0" + echo}, false, "451 4.3.0"},
		"no service":               {map[string]string{"greeting": "554 5.3.2" + echo}, false, "at greeting the server answered 554"},
		"busy":                     {map[string]string{"EHLO": "421 4.3.2" + echo, "HELO": "421 4.3.2" + echo}, false, "421"},
		"no SMTP":                  {map[string]string{"RCPT": "HTTP/1.1 200 OK" + echo}, false, "is not SMTP"},
		"dies in DATA":             {map[string]string{".": ""}, false, "EOF"},
		"dies at RCPT":             {map[string]string{"RCPT": ""}, false, "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := (&smtpServer{answers: c.answers}).start(t)
			err := client(t, s, s.url("smtp", "", "")).Send(t.Context(), testMessage())
			require.Error(t, err)
			require.Equal(t, c.refused, errors.Is(err, ErrRefused), err)
			require.ErrorContains(t, err, c.says)
			requireDiscreet(t, err)
			require.Empty(t, s.taken())
		})
	}
}

func TestAWrongPasswordIsAboutUs(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"PLAIN", "LOGIN"} {
		s := (&smtpServer{offers: []string{"AUTH " + way}}).start(t)
		err := client(t, s, s.url("smtp", "user:marker@", "")).Send(t.Context(), testMessage())
		requireRetry(t, err)
		require.ErrorContains(t, err, "at AUTH the server answered 535 5.7.8")
	}
	s := (&smtpServer{offers: []string{"AUTH CRAM-MD5"}}).start(t)
	requireRetry(t, client(t, s, s.url("smtp", signedIn, "")).Send(t.Context(), testMessage()))
	require.NotContains(t, s.said(), "AUTH")
}

func TestAPasswordNeverLeavesThisMachineInPlainText(t *testing.T) {
	t.Parallel()
	at, err := parseURL(secret.New("smtp://"+signedIn+"mail.example.com?tls=none"), "")
	require.NoError(t, err)
	c := &conversation{server: newServer(at, "post@example.com", false)}
	_, err = c.auth()
	require.ErrorIs(t, err, errPlainAuth)
}

func TestWhatCameAfterTheHandOverIsNoError(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"", "500 what?"} {
		s := (&smtpServer{answers: map[string]string{"QUIT": answer}}).start(t)
		require.NoError(t, client(t, s, s.url("smtp", "", "")).Send(t.Context(), testMessage()))
		require.Len(t, s.taken(), 1)
	}
}

// drip sends a byte at a time, for as long as the client listens.
func drip(every time.Duration) func(net.Conn) {
	return func(c net.Conn) {
		for tick := time.NewTicker(every); ; <-tick.C {
			if _, err := io.WriteString(c, "2"); err != nil {
				tick.Stop()
				return
			}
		}
	}
}

func TestAServerThatAnswersAByteAtATimeIsLeft(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{handle: drip(10 * time.Millisecond)}).start(t)
	for _, url := range []string{s.url("smtp", "", ""), s.url("smtps", "", "")} {
		sender := client(t, s, url)
		sender.transport.(*server).stepTimeout = 100 * time.Millisecond
		started := time.Now()
		err := sender.Send(t.Context(), testMessage())
		requireRetry(t, err)
		require.Less(t, time.Since(started), 5*time.Second)
	}
}

func TestAServerThatTakesItsTimeWithEachStepIsLeft(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{handle: func(c net.Conn) {
		buf := make([]byte, 1024)
		for _, answer := range []string{"220 test\r\n", "250 test\r\n", "250 ok\r\n", "250 ok\r\n", "354 go on\r\n"} {
			if _, err := io.WriteString(c, answer); err != nil {
				return
			}
			if _, err := c.Read(buf); err != nil {
				return
			}
		}
		_, _ = io.Copy(io.Discard, c) // never answers the letter
	}}).start(t)
	sender := client(t, s, s.url("smtp", "", "?tls=none"))
	sender.transport.(*server).allTimeout = 200 * time.Millisecond
	err := sender.Send(t.Context(), testMessage())
	requireRetry(t, err)
	require.ErrorContains(t, err, "no answer in time")
}

func TestAServerThatTalksWithoutEndIsLeft(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{handle: func(c net.Conn) {
		for line := "220-" + strings.Repeat("x", 4000) + "\r\n"; ; {
			if _, err := io.WriteString(c, line); err != nil {
				return
			}
		}
	}}).start(t)
	err := client(t, s, s.url("smtp", "", "")).Send(t.Context(), testMessage())
	requireRetry(t, err)
	require.ErrorIs(t, err, errTalkative)
}

func TestACallerThatLeavesIsNotKept(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{})
	s := (&smtpServer{handle: func(c net.Conn) {
		close(reached)
		_, _ = io.Copy(io.Discard, c)
	}}).start(t)
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	sender := client(t, s, s.url("smtp", "", ""))
	go func() { done <- sender.Send(ctx, testMessage()) }()
	<-reached
	leave()
	err := <-done
	requireRetry(t, err)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAServerThatIsAwayIsWorthARetry(t *testing.T) {
	t.Parallel()
	s := (&smtpServer{}).start(t)
	require.NoError(t, s.listener.Close())
	err := client(t, s, s.url("smtp", signedIn, "")).Send(t.Context(), testMessage())
	requireRetry(t, err)
	require.ErrorContains(t, err, "connect with 127.0.0.1")
}
