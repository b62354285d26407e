// Package mailtest reads what was sent, as a strict reader of mail does.
package mailtest

import (
	"bytes"
	"context"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// mailWithin bounds the wait for a mail, which a job sends.
const mailWithin = 20 * time.Second

// Mail is a mail that was sent, taken apart.
type Mail struct {
	File              string // its name in the mailbox
	MessageID         string // without the angle brackets
	From, To          string
	Subject, Language string
	Date              time.Time
	Text, HTML        string
	Links             []string // of the text, in order
	Header            netmail.Header
}

// Mailbox is a folder that mail goes to, as the setting mail.url has it by default.
type Mailbox struct{ Folder string }

// All gives every mail, the oldest first.
func (b Mailbox) All(t testing.TB) []Mail {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(b.Folder, "*.eml")) // sorted, and the names begin with the time
	require.NoError(t, err)
	all := make([]Mail, 0, len(names))
	for _, name := range names {
		raw, err := os.ReadFile(name)
		require.NoError(t, err)
		m := Parse(t, raw)
		m.File = filepath.Base(name)
		all = append(all, m)
	}
	return all
}

// To waits until count mails or more went to the address, and gives them, the oldest first.
func (b Mailbox) To(t testing.TB, address string, count int) []Mail {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), mailWithin)
	defer cancel()
	ticker := time.NewTicker(5 * time.Millisecond) // the worker is another goroutine, or another process
	defer ticker.Stop()
	for {
		var found []Mail
		for _, m := range b.All(t) {
			if m.To == address {
				found = append(found, m)
			}
		}
		if len(found) >= count {
			return found
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			require.Fail(t, "no mail", "%d mails to %s, %d wanted", len(found), address, count)
		}
	}
}

var link = regexp.MustCompile(`https?://[^\s<>"]+`)

// Parse takes a mail apart as a strict reader does: what it cannot read fails the test.
func Parse(t testing.TB, raw []byte) Mail {
	t.Helper()
	msg, err := netmail.ReadMessage(bytes.NewReader(raw))
	require.NoError(t, err)
	m := Mail{Header: msg.Header, Language: msg.Header.Get("Content-Language")}
	m.MessageID = strings.Trim(msg.Header.Get("Message-ID"), "<>")
	m.Subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject"))
	require.NoError(t, err)
	m.Date, err = msg.Header.Date()
	require.NoError(t, err)
	for name, into := range map[string]*string{"From": &m.From, "To": &m.To} {
		list, err := msg.Header.AddressList(name)
		require.NoError(t, err)
		require.Len(t, list, 1, name)
		*into = list[0].Address
	}
	media, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", media)
	parts := multipart.NewReader(msg.Body, params["boundary"])
	m.Text, m.HTML = part(t, parts, "text/plain"), part(t, parts, "text/html")
	_, err = parts.NextPart()
	require.ErrorIs(t, err, io.EOF)
	m.Links = link.FindAllString(m.Text, -1)
	return m
}

// part reads the next part, which is of the media type.
func part(t testing.TB, parts *multipart.Reader, want string) string {
	t.Helper()
	p, err := parts.NextRawPart()
	require.NoError(t, err)
	media, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, want, media)
	require.Equal(t, "utf-8", strings.ToLower(params["charset"]))
	require.Equal(t, "quoted-printable", p.Header.Get("Content-Transfer-Encoding"))
	body, err := io.ReadAll(quotedprintable.NewReader(p))
	require.NoError(t, err)
	return strings.ReplaceAll(string(body), "\r\n", "\n")
}
