package httpapi

import (
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"
)

// formatOf gives the check of a format, nil for one that only describes. A format that nobody checks does not mount.
func formatOf(name string) func(string) bool {
	switch name {
	case "password": // a secret is looked at by those who take it, who say more than "invalid"
		return nil
	case "":
		return isPlain
	case "uuid":
		return func(s string) bool { return len(s) == uuidLength && uuid.Validate(s) == nil }
	case "date-time":
		return isDateTime
	case "date":
		return func(s string) bool { _, err := time.Parse(time.DateOnly, s); return err == nil }
	case "email", "idn-email":
		return isAddress
	case "uri":
		return func(s string) bool { u, err := url.Parse(s); return err == nil && u.IsAbs() && isPlain(s) }
	default:
		panic("nobody checks the format " + name)
	}
}

const (
	uuidLength = 36   // hyphenated
	maxAddress = 1024 // bytes; a valid one is far shorter, and parsing must not cost more than that
)

// isPlain refuses U+0000, which PostgreSQL cannot keep in a text.
func isPlain(s string) bool { return strings.IndexByte(s, 0) < 0 }

func isDateTime(s string) bool {
	var t time.Time
	return t.UnmarshalText([]byte(s)) == nil
}

// isAddress is no more than the form, and lets space stand around it; what an account's address must be is core/account's to
// say, which drops that space.
func isAddress(s string) bool {
	s = strings.TrimSpace(s)
	if len(s) > maxAddress || !isPlain(s) {
		return false
	}
	_, err := mail.ParseAddress(s)
	return err == nil
}
