// Package secret holds values that must not be seen: they print as [redacted], whatever verb or encoder prints them.
package secret

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// String is a text that prints as [redacted] and marshals to an empty string. Reveal is the one way to its value.
type String struct{ value string }

// New wraps a value.
func New(value string) String { return String{value} }

// Reveal gives the value. Pass it only to what needs it, never to a message.
func (s String) Reveal() string { return s.value }

// IsZero says whether there is no value.
func (s String) IsZero() bool { return s.value == "" }

// Equal compares in constant time for equal lengths.
func (s String) Equal(o String) bool {
	return subtle.ConstantTimeCompare([]byte(s.value), []byte(o.value)) == 1
}

// Format implements fmt.Formatter for every verb, %#v included.
func (String) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String implements fmt.Stringer.
func (String) String() string { return redacted }

// LogValue implements slog.LogValuer.
func (String) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText implements encoding.TextMarshaler and gives nothing away.
func (String) MarshalText() ([]byte, error) { return nil, nil }

// UnmarshalText implements encoding.TextUnmarshaler, so that requests and settings can hold a String.
func (s *String) UnmarshalText(b []byte) error {
	s.value = string(b)
	return nil
}
