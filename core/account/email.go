package account

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse/gatehouse/core/errs"
)

// Limits of an address, in octets (RFC 5321, section 4.5.3.1, and its erratum 1690).
const (
	MaxEmailBytes = 254
	maxLocalBytes = 64
)

// What ParseEmail finds wrong.
var (
	errEmailTooLong  = &InvalidError{errs.TooLong, "must be at most 254 characters, of which 64 before the @"}
	errEmailFormat   = &InvalidError{errs.InvalidFormat, "must be an e-mail address such as ada@example.com"}
	errEmailConfuses = &InvalidError{errs.InvalidFormat, "must not hold invisible characters or letters that are made to look like others"}
)

// Email is an address that mail can be sent to. Its zero value is no address. Two addresses are the same account's where
// their canonical forms are equal.
type Email struct{ given, canonical string }

// String is the address as it was given, without the space around it. Mail goes there.
func (e Email) String() string { return e.given }

// Canonical is the form that is unique: the local part in lower case, and the domain in lower case with every
// internationalised label as its A-label. It is ASCII, and an address itself.
func (e Email) Canonical() string { return e.canonical }

// Domain is the domain of the canonical form.
func (e Email) Domain() string { return e.canonical[strings.LastIndexByte(e.canonical, '@')+1:] }

// IsZero says whether e was never parsed.
func (e Email) IsZero() bool { return e.canonical == "" }

// ParseEmail reads an address: a local part that is a dot-atom of ASCII (RFC 5322, section 3.2.3) of up to 64 octets, and
// a domain of two labels or more that IDNA 2008 could register (RFC 5891, section 4); no address literal, no top label
// that is a number; 254 octets in all, as given and in the canonical form. Space around the address is dropped.
//
// Beyond IDNA it refuses domains whose labels hold invisible characters, mix scripts, or pass for ASCII ones, in the
// spirit of the level "highly restrictive" of UTS #39. The error is an *InvalidError.
func ParseEmail(raw string) (Email, error) {
	given := strings.TrimSpace(raw)
	local, domain, ok := strings.Cut(given, "@")
	switch {
	case len(given) > MaxEmailBytes || len(local) > maxLocalBytes && ok:
		return Email{}, errEmailTooLong
	case !ok || !isDotAtom(local):
		return Email{}, errEmailFormat
	}
	ascii, err := canonicalDomain(domain)
	if err != nil {
		return Email{}, err
	}
	canonical := strings.ToLower(local) + "@" + ascii
	if len(canonical) > MaxEmailBytes {
		return Email{}, errEmailTooLong
	}
	return Email{given: given, canonical: canonical}, nil
}

func isDotAtom(local string) bool {
	for atom := range strings.SplitSeq(local, ".") {
		if atom == "" || strings.ContainsFunc(atom, func(r rune) bool { return !isAtext(r) }) {
			return false
		}
	}
	return true
}

func isAtext(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// canonicalDomain gives the domain in lower case and A-labels.
func canonicalDomain(domain string) (string, error) {
	lower, ok := lowerDomain(domain)
	if !ok {
		return "", errEmailFormat
	}
	// Both ways, so that an A-label that is given is decoded, its U-label checked, and the two proven to belong together.
	wide, err := idna.Registration.ToUnicode(lower)
	if err != nil {
		return "", errEmailFormat
	}
	ascii, err := idna.Registration.ToASCII(wide)
	if err != nil {
		if all, _ := idna.Punycode.ToASCII(wide); len(all) > MaxEmailBytes {
			return "", errEmailTooLong
		}
		return "", errEmailFormat
	}
	wideLabels, asciiLabels := strings.Split(wide, "."), strings.Split(ascii, ".")
	given := strings.Split(lower, ".")
	if len(given) < 2 || len(asciiLabels) != len(given) || len(wideLabels) != len(given) || isNumber(asciiLabels[len(given)-1]) {
		return "", errEmailFormat
	}
	for i, label := range given {
		if label != wideLabels[i] && label != asciiLabels[i] {
			return "", errEmailFormat
		}
	}
	if err := checkLabels(wideLabels); err != nil {
		return "", err
	}
	return ascii, nil
}

// lowerDomain lowers the case of a domain. It reports false where that would be more than a change of case: where a letter
// beyond ASCII would become an ASCII one (U+212A, the sign for kelvin; U+0130, the dotted capital I), which another
// program might read as another domain, and where the text is not in normalisation form C.
func lowerDomain(domain string) (string, bool) {
	if !norm.NFC.IsNormalString(domain) {
		return "", false
	}
	ok := true
	lower := strings.Map(func(r rune) rune {
		l := unicode.ToLower(r)
		ok = ok && (r <= unicode.MaxASCII) == (l <= unicode.MaxASCII)
		return l
	}, domain)
	return lower, ok && norm.NFC.IsNormalString(lower)
}

// isNumber says whether a top label would be read as a part of an IPv4 address: decimal digits, or 0x and what follows.
func isNumber(label string) bool {
	return strings.HasPrefix(label, "0x") || strings.Trim(label, "0123456789") == ""
}
