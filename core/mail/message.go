package mail

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	netmail "net/mail"
	"regexp"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"

	"github.com/gatehouse/gatehouse/core/account"
)

// Message is one mail to one person.
type Message struct {
	// ID is unique, and the same whenever the same mail is sent again: the Message-ID comes from it, so that a reader's
	// program can tell a repetition. It is 1 to 128 of A-Z a-z 0-9 _ -.
	ID       string
	To       string // the address as it is stored; its domain goes out as A-labels
	Language string // of Subject, Text and HTML: one of Languages
	Subject  string
	Text     string
	HTML     string
}

var validID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)

// What compose finds wrong. None of them holds an address or a word of the message.
var (
	errID      = errors.New("the message's id is not 1 to 128 of A-Z a-z 0-9 _ -")
	errTo      = errors.New("the recipient is no address that mail can be sent to")
	errSubject = errors.New("the subject is empty or holds control characters")
	errBody    = errors.New("the message lacks its text or its HTML")
)

// letter is a Message as it goes out: RFC 5322, in ASCII throughout, so that it needs no extension of any server.
type letter struct {
	to  string // both for the envelope
	raw []byte
}

// compose makes the letter. Every error is one of the message itself: sending it again does not help.
func (s *Sender) compose(m Message, at time.Time) (letter, error) {
	to, err := account.ParseEmail(m.To)
	switch {
	case err != nil:
		return letter{}, errTo
	case !validID.MatchString(m.ID):
		return letter{}, errID
	case m.Subject == "" || strings.ContainsFunc(m.Subject, isControl):
		return letter{}, errSubject
	case m.Text == "" || m.HTML == "":
		return letter{}, errBody
	}
	local, _, _ := strings.Cut(to.String(), "@")
	l := letter{to: local + "@" + to.Domain()}
	msg := gomail.NewMsg(gomail.WithEncoding(gomail.EncodingQP), gomail.WithNoDefaultUserAgent())
	digest := sha256.Sum256([]byte(m.ID)) // so that a repetition is the same to the byte, but for its date
	msg.SetBoundary(hex.EncodeToString(digest[:16]))
	msg.FromMailAddress(&netmail.Address{Name: s.from.Name, Address: s.from.Address})
	msg.ToMailAddress(&netmail.Address{Address: l.to})
	msg.Subject(m.Subject)
	msg.SetDateWithValue(at)
	_, domain, _ := strings.Cut(s.from.Address, "@")
	msg.SetMessageIDWithValue(m.ID + "@" + domain)
	msg.SetGenHeader(gomail.HeaderContentLang, m.Language)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")    // RFC 3834: nothing answers it by itself
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")     // the same for servers that do not know that header
	msg.SetBodyString(gomail.TypeTextPlain, toCRLF(m.Text)) // the least faithful alternative comes first (RFC 2046)
	msg.AddAlternativeString(gomail.TypeTextHTML, toCRLF(m.HTML))
	var raw bytes.Buffer
	if _, err := msg.WriteTo(&raw); err != nil {
		return letter{}, fmt.Errorf("compose: %w", err)
	}
	l.raw = raw.Bytes()
	return l, nil
}

// toCRLF ends every line as mail wants it; quoted-printable would encode a line feed on its own as if it were data.
func toCRLF(text string) string {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "\n")
	return strings.ReplaceAll(text, "\n", "\r\n")
}

// isControl finds what could end a header's line, or hide in it.
func isControl(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar
}
