package password

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
)

// Policy is the name of the rules that a new password must meet. The zero value is Blueprint. Login applies none of them:
// it only prepares and compares.
type Policy string

const (
	// Blueprint asks for 8 to 128 code points with an upper-case letter, a lower-case letter and a decimal digit.
	Blueprint Policy = "blueprint"
	// NIST asks for 15 to 128 code points and for no kinds of characters (NIST SP 800-63B-4, section 3.1.1.2).
	NIST Policy = "nist"
)

// Both policies refuse listed passwords and passwords that contain a word of their context.
const (
	minBlueprint = 8
	minNIST      = 15
	maxLength    = 128

	productName    = "gatehouse"
	minContextWord = 4 // code points; shorter words are in too many good passwords
)

// UnmarshalText implements encoding.TextUnmarshaler, so that a setting can be a Policy.
func (p *Policy) UnmarshalText(text []byte) error {
	switch named := Policy(text); named {
	case Blueprint, NIST:
		*p = named
		return nil
	default:
		return fmt.Errorf("expected %s or %s", Blueprint, NIST)
	}
}

// MarshalText implements encoding.TextMarshaler.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p), nil }

// MinLength is the smallest number of code points that the policy takes.
func (p Policy) MinLength() int {
	if p == NIST {
		return minNIST
	}
	return minBlueprint
}

// MaxLength is the largest number of code points that every policy takes.
func (Policy) MaxLength() int { return maxLength }

// Check prepares a new password and returns everything that is wrong with it at once, each fault once and without a
// place, which the caller adds. The prepared password is for Hasher.Hash, and is empty where there are faults.
//
// The context is what an attacker knows: pass the e-mail address in each of its spellings. The part before the last "@"
// of an entry counts as a word too, and so does the name of the product. Words of fewer than four code points do not.
func (p Policy) Check(raw secret.String, context ...string) (prepared secret.String, faults []errs.Field) {
	if len(raw.Reveal()) > MaxRawBytes {
		// More than this many bytes never fit into the longest password; nothing dearer than len has looked at them.
		return secret.String{}, []errs.Field{tooLong()}
	}
	prepared, allowed := Prepare(raw)
	text := prepared.Reveal()
	if !allowed {
		// The other rules still judge what was sent, so that a client hears of all faults in one answer.
		text = norm.NFC.String(strings.ToValidUTF8(raw.Reveal(), string(utf8.RuneError)))
		faults = append(faults, fault(errs.InvalidFormat, "must not be empty or hold control, invisible or unassigned characters"))
	}
	faults = append(faults, p.length(text)...)
	if p != NIST {
		faults = append(faults, composition(text)...)
	}
	folded := fold(text)
	if isCommon(folded) {
		faults = append(faults, fault(errs.CommonPassword, "is on the list of common passwords"))
	}
	if containsWord(folded, context) {
		faults = append(faults, fault(errs.ContainsContext, "must not contain the e-mail address, its first part or the name of the product"))
	}
	if len(faults) > 0 {
		return secret.String{}, faults
	}
	return prepared, nil
}

func (p Policy) length(text string) []errs.Field {
	switch n := utf8.RuneCountInString(text); {
	case n < p.MinLength():
		return []errs.Field{fault(errs.TooShort, fmt.Sprintf("must be at least %d characters", p.MinLength()))}
	case n > maxLength:
		return []errs.Field{tooLong()}
	default:
		return nil
	}
}

// composition asks for one each of the Unicode categories Lu, Ll and Nd.
func composition(text string) (faults []errs.Field) {
	for _, kind := range []struct {
		is      func(rune) bool
		code    errs.Fault
		message string
	}{
		{unicode.IsUpper, errs.MissingUpper, "must contain an upper-case letter"},
		{unicode.IsLower, errs.MissingLower, "must contain a lower-case letter"},
		{unicode.IsDigit, errs.MissingDigit, "must contain a digit"},
	} {
		if !strings.ContainsFunc(text, kind.is) {
			faults = append(faults, fault(kind.code, kind.message))
		}
	}
	return faults
}

// containsWord says whether the folded password holds the product's name, an entry of the context, or its local part.
func containsWord(folded string, context []string) bool {
	holds := func(word string) bool {
		word = fold(word)
		return utf8.RuneCountInString(word) >= minContextWord && strings.Contains(folded, word)
	}
	if holds(productName) {
		return true
	}
	for _, entry := range context {
		if holds(entry) {
			return true
		}
		if at := strings.LastIndexByte(entry, '@'); at >= 0 && holds(entry[:at]) {
			return true
		}
	}
	return false
}

func tooLong() errs.Field {
	return fault(errs.TooLong, fmt.Sprintf("must be at most %d characters", maxLength))
}

func fault(code errs.Fault, message string) errs.Field {
	return errs.Field{Code: code, Message: message}
}
