package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse/gatehouse/core/errs"
)

// MaxNameLength is the largest number of code points of a full name.
const MaxNameLength = 100

// What ParseFullName finds wrong.
var (
	errNameEmpty   = &InvalidError{errs.TooShort, "must not be empty"}
	errNameTooLong = &InvalidError{errs.TooLong, "must be at most 100 characters"}
	errNameFormat  = &InvalidError{errs.InvalidFormat, "must not hold control or invisible characters"}
)

// ParseFullName gives a person's name without the space around it, and otherwise as it was given: 1 to 100 code points of
// valid UTF-8. It refuses control characters, line and paragraph separators, and characters that are invisible or turn
// the direction of the text, so that no name forges a line of a log or poses as another; the two joiners may stay, since
// some scripts need them, where something visible stands beside them. The error is an *InvalidError.
func ParseFullName(raw string) (string, error) {
	name := strings.TrimSpace(raw)
	switch {
	case name == "":
		return "", errNameEmpty
	case !utf8.ValidString(name):
		return "", errNameFormat
	case utf8.RuneCountInString(name) > MaxNameLength:
		return "", errNameTooLong
	case strings.ContainsFunc(name, isForbiddenInName), !strings.ContainsFunc(name, isVisible):
		return "", errNameFormat
	}
	return name, nil
}

func isForbiddenInName(r rune) bool {
	const zwnj, zwj, blankBraille = '\u200c', '\u200d', '\u2800'
	if r == zwnj || r == zwj {
		return false
	}
	return r == blankBraille || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

func isVisible(r rune) bool { return unicode.In(r, unicode.L, unicode.N, unicode.P, unicode.S) }
