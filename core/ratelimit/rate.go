package ratelimit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Bounds of a Rate.
const (
	MaxCount = 1_000_000
	MinPer   = time.Second
	MaxPer   = 30 * 24 * time.Hour
)

// Rate is how often: Count in each Per. Its text is "10/1m": a count from 1 to 1,000,000, a slash and a whole number of
// s, m, h or d, from 1s to 30d.
type Rate struct {
	Count int
	Per   time.Duration
}

// PerMinute is count in a minute.
func PerMinute(count int) Rate { return Rate{Count: count, Per: time.Minute} }

// The faults of a rate's text.
var (
	errRateForm  = errors.New(`must look like "10/1m": a count, a slash and a time in s, m, h or d`)
	errRateCount = fmt.Errorf("must have a count from 1 to %d; ratelimit.enabled switches limits off", MaxCount)
	errRatePer   = errors.New("must have a time from 1s to 30d")
)

var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}

// ParseRate reads a rate's text. The error does not quote it.
func ParseRate(text string) (Rate, error) {
	count, per, ok := strings.Cut(text, "/")
	if !ok || per == "" {
		return Rate{}, errRateForm
	}
	unit, known := units[per[len(per)-1]]
	n, okCount := digits(count)
	times, okPer := digits(per[:len(per)-1])
	if !known || !okCount || !okPer {
		return Rate{}, errRateForm
	}
	if times > int(MaxPer/unit) {
		return Rate{}, errRatePer
	}
	r := Rate{Count: n, Per: time.Duration(times) * unit}
	return r, r.check()
}

// digits reads one to nine decimal digits; more are as good as the largest.
func digits(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 1<<31 - 1, true
	}
	return int(n), true
}

func (r Rate) check() error {
	switch {
	case r.Count < 1 || r.Count > MaxCount:
		return errRateCount
	case r.Per < MinPer || r.Per > MaxPer || r.Per%time.Second != 0:
		return errRatePer
	}
	return nil
}

// String gives the text with the largest unit that divides Per, hours at most.
func (r Rate) String() string {
	count := strconv.Itoa(r.Count) + "/"
	switch {
	case r.Per%time.Hour == 0:
		return count + strconv.FormatInt(int64(r.Per/time.Hour), 10) + "h"
	case r.Per%time.Minute == 0:
		return count + strconv.FormatInt(int64(r.Per/time.Minute), 10) + "m"
	default:
		return count + strconv.FormatInt(int64(r.Per/time.Second), 10) + "s"
	}
}

// MarshalText implements encoding.TextMarshaler.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler by ParseRate; after an error r is as before.
func (r *Rate) UnmarshalText(text []byte) error {
	parsed, err := ParseRate(string(text))
	if err != nil {
		return err
	}
	*r = parsed
	return nil
}
