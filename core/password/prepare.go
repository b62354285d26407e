package password

import (
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse/gatehouse/core/secret"
)

// MaxRawBytes bounds a password as it arrives, before it is prepared.
const MaxRawBytes = 4 << 10

// Prepare applies the OpaqueString profile of PRECIS (RFC 8265, section 4.2): every space becomes U+0020, and the text
// is put in normalisation form C, so that two keyboards that produce the same password differently still agree. Upper
// and lower case stay different. Preparing twice changes nothing.
//
// It reports false for what the profile forbids (nothing at all, control characters, invisible characters, unassigned
// code points, invalid UTF-8) and for more than MaxRawBytes. No stored hash can match such a password.
func Prepare(raw secret.String) (secret.String, bool) {
	text := raw.Reveal()
	if len(text) > MaxRawBytes || !utf8.ValidString(text) {
		return secret.String{}, false
	}
	prepared, err := precis.OpaqueString.String(text)
	if err != nil {
		return secret.String{}, false
	}
	return secret.New(prepared), true
}

// fold makes texts that differ in case alone equal (canonical caseless matching of the Unicode standard, section 3.13,
// in the composed form).
func fold(text string) string {
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(text)))
}
