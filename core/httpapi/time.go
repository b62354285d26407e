package httpapi

import (
	"errors"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Time is an instant as the API writes it: RFC 3339 in UTC with six fractional digits and Z.
type Time time.Time

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return t.AppendText(make([]byte, 0, len("2026-01-31T09:30:00.000000Z")))
}

// AppendText implements encoding.TextAppender. It writes the digits itself: reading a layout for each of the times on a page
// costs as much as everything else on it.
func (t Time) AppendText(b []byte) ([]byte, error) {
	at := time.Time(t).UTC()
	year, month, day := at.Date()
	hour, minute, second := at.Clock()
	b = appendDigits(b, year, 4)
	b = appendDigits(append(b, '-'), int(month), 2)
	b = appendDigits(append(b, '-'), day, 2)
	b = appendDigits(append(b, 'T'), hour, 2)
	b = appendDigits(append(b, ':'), minute, 2)
	b = appendDigits(append(b, ':'), second, 2)
	b = appendDigits(append(b, '.'), at.Nanosecond()/1000, 6)
	return append(b, 'Z'), nil
}

// appendDigits writes the last digits of a number that is not negative.
func appendDigits(b []byte, n, digits int) []byte {
	start := len(b)
	b = append(b, "000000"[:digits]...)
	for i := len(b) - 1; i >= start; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return b
}

// UnmarshalText implements encoding.TextUnmarshaler for the times of RFC 3339 whose year in UTC has four digits. What is
// finer than a microsecond is cut off.
func (t *Time) UnmarshalText(b []byte) error {
	var parsed time.Time
	if err := parsed.UnmarshalText(b); err != nil {
		return err
	}
	parsed = parsed.UTC().Truncate(time.Microsecond)
	if parsed.Year() < 1 || parsed.Year() > 9999 {
		return errYear
	}
	*t = Time(parsed)
	return nil
}

var errYear = errors.New("a year between 1 and 9999 in UTC is needed")

// Schema describes the format in the document.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-01-31T09:30:00.000000Z"}}
}
