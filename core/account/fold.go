package account

import (
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold gives the form of an address or a name by which people are searched and sorted: without letter case (Unicode full
// case folding, so that "STRASSE" and "Straße" are one), composed (NFC). It is no longer what anyone wrote, and decides
// nothing: whose an address is, Email.Canonical says.
func Fold(s string) string {
	folded := cases.Fold().String(norm.NFD.String(s))
	return norm.NFC.String(strings.ToLower(folded)) // x/text folds small Cherokee letters up, and capital ones down
}
