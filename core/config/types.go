package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, never negative. Its text is a plain number, or one with KiB, MiB, GiB or TiB behind it.
type Size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

var errSize = errors.New("expected a size in bytes such as 65536, 64KiB or 1MiB")

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(b []byte) error {
	digits, unit := string(b), int64(1)
	for _, u := range sizeUnits {
		if d, ok := strings.CutSuffix(digits, u.name); ok {
			digits, unit = d, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || digits[0] == '+' || digits[0] == '-' || n > math.MaxInt64/unit {
		return errSize
	}
	*s = Size(n * unit)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String gives the text in the largest unit that divides it.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(s), 10)
}

const day = 24 * time.Hour

var errDuration = errors.New("expected a duration such as 30s, 10m, 24h or 30d")

// ParseDuration reads Go's duration syntax with days before it: 30d, 1d12h, 10m. A setting's duration is never negative.
// A day is 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	days, rest, found := strings.Cut(text, "d")
	if !found {
		days, rest = "", text
	}
	var total time.Duration
	if found {
		n, err := strconv.ParseUint(days, 10, 32)
		if err != nil || n > uint64(math.MaxInt64/day) {
			return 0, errDuration
		}
		total = time.Duration(n) * day
	}
	if rest == "" && found {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || strings.ContainsAny(rest, "+-") || total+d < 0 {
		return 0, errDuration
	}
	return total + d, nil
}

// FormatDuration is the shortest text that ParseDuration reads back: 30d, 1d12h, 15m.
func FormatDuration(d time.Duration) string {
	if d < day {
		return shorten(d.String())
	}
	text := strconv.FormatInt(int64(d/day), 10) + "d"
	if d %= day; d > 0 {
		text += shorten(d.String())
	}
	return text
}

// shorten cuts the zero minutes and seconds that time.Duration prints: 1h0m0s.
func shorten(s string) string {
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
