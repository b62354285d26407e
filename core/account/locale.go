package account

import (
	"regexp"
	"time"
	_ "time/tzdata" // so that every machine knows the same time zones, those without any among them

	"golang.org/x/text/language"

	"github.com/gatehouse/gatehouse/core/errs"
)

// Limits of what names a language or a time zone, in bytes. RFC 5646, section 4.4.1, wants room for 35.
const (
	MaxLocaleLength   = 35
	MaxTimezoneLength = 64
)

// What ParseLocale and ParseTimezone find wrong.
var (
	errLocaleTooLong   = &InvalidError{errs.TooLong, "must be at most 35 characters"}
	errLocaleFormat    = &InvalidError{errs.InvalidFormat, "must be a language tag such as en-GB"}
	errTimezoneTooLong = &InvalidError{errs.TooLong, "must be at most 64 characters"}
	errTimezoneFormat  = &InvalidError{errs.InvalidFormat, "must be an IANA time zone such as Europe/Berlin"}
)

// Both leave out what the libraries take beyond the standards: underscores in tags, and names that mean something on one
// machine alone, such as Local, localtime and posix/Europe/Berlin. Factory is in the database as what stands where no zone
// was set.
var (
	subtags   = regexp.MustCompile(`^[A-Za-z0-9]{1,8}(-[A-Za-z0-9]{1,8})*$`)
	zoneNames = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*)*$`)
)

// ParseLocale reads a language tag (BCP 47) whose subtags are registered, and gives its canonical form: en-gb is en-GB. The
// error is an *InvalidError.
func ParseLocale(raw string) (string, error) {
	switch {
	case len(raw) > MaxLocaleLength:
		return "", errLocaleTooLong
	case !subtags.MatchString(raw):
		return "", errLocaleFormat
	}
	tag, err := language.Parse(raw)
	if err != nil {
		return "", errLocaleFormat
	}
	return tag.String(), nil
}

// ParseTimezone reads the name of a time zone in the IANA database, letter case included. The error is an *InvalidError.
func ParseTimezone(raw string) (string, error) {
	switch {
	case len(raw) > MaxTimezoneLength:
		return "", errTimezoneTooLong
	case !zoneNames.MatchString(raw) || raw == "Local" || raw == "Factory":
		return "", errTimezoneFormat
	}
	if _, err := time.LoadLocation(raw); err != nil {
		return "", errTimezoneFormat
	}
	return raw, nil
}
