package httpapi

import (
	"errors"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Time is an instant as the API writes it: RFC 3339 in UTC with six fractional digits and Z.
type Time time.Time

const timeLayout = "2006-01-02T15:04:05.000000Z"

// MarshalText implements encoding.TextMarshaler.
func (t Time) MarshalText() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, timeLayout), nil
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
