package httpapi

import (
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

// UnmarshalText implements encoding.TextUnmarshaler for any RFC 3339 time.
func (t *Time) UnmarshalText(b []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, string(b))
	*t = Time(parsed.UTC().Truncate(time.Microsecond))
	return err
}

// Schema describes the format in the document.
func (Time) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2026-01-31T09:30:00.000000Z"}}
}
