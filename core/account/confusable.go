package account

import (
	"slices"
	"strings"
	"unicode"
)

// The scripts that UAX #31 recommends for identifiers (table 5), in which domains are written today. A label in any other
// script is refused, since its letters are known to few and look like those of another to many.
var recommendedScripts = []string{
	"Arabic", "Armenian", "Bengali", "Bopomofo", "Cyrillic", "Devanagari", "Ethiopic", "Georgian", "Greek", "Gujarati",
	"Gurmukhi", "Han", "Hangul", "Hebrew", "Hiragana", "Kannada", "Katakana", "Khmer", "Lao", "Latin", "Malayalam", "Myanmar",
	"Oriya", "Sinhala", "Tamil", "Telugu", "Thaana", "Thai", "Tibetan",
}

// The scripts that may share a label: Japanese, Chinese and Korean, each with Latin (UTS #39, section 5.2).
var mixedScripts = [][]string{
	{"Latin", "Han", "Hiragana", "Katakana"},
	{"Latin", "Han", "Bopomofo"},
	{"Latin", "Han", "Hangul"},
}

// The letters of other scripts that look like ASCII letters. A label whose letters are all of these reads as an ASCII
// label; one other letter gives it away. The selection follows the data of UTS #39 for lower case.
var looksLatin = map[string]string{
	"Cyrillic": "асԁеԍһіјӏорԛѕԝхуүьѵѡ",
	"Greek":    "αγινορσυ",
	"Armenian": "գզհյոսցօ",
}

// Latin letters that pass for ASCII ones beside real ones: script a and g, dotless j, Greek-like iota, tone six, and the
// letters of phonetics and of medieval texts, which no language writes today.
var deceptiveLatin = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x0184, Hi: 0x0185, Stride: 1},
	{Lo: 0x0237, Hi: 0x0237, Stride: 1},
	{Lo: 0x0251, Hi: 0x0251, Stride: 1},
	{Lo: 0x0261, Hi: 0x0261, Stride: 1},
	{Lo: 0x0269, Hi: 0x026A, Stride: 1},
	{Lo: 0x1D00, Hi: 0x1DBF, Stride: 1},
	{Lo: 0xA720, Hi: 0xA7FF, Stride: 1},
	{Lo: 0xAB30, Hi: 0xAB6F, Stride: 1},
}}

// checkLabels refuses labels that deceive the eye. The labels are valid U-labels.
func checkLabels(labels []string) error {
	top := labels[len(labels)-1]
	for i, label := range labels {
		if isASCII(label) {
			continue
		}
		if !isLetterDigit(label) {
			return errEmailFormat
		}
		if hasOddMark(label) || strings.ContainsFunc(label, isDeceptive) {
			return errEmailConfuses
		}
		scripts, ok := scriptsOf(label)
		if !ok || !mayMix(scripts) {
			return errEmailConfuses
		}
		// Under a top label of its own script a label is read in that script: "ухо.рф" is no "yxo".
		atHome := i < len(labels)-1 && len(scripts) == 1 && writtenIn(top, scripts[0])
		if !atHome && len(scripts) == 1 && allLookLatin(label, scripts[0]) {
			return errEmailConfuses
		}
	}
	return nil
}

func isASCII(label string) bool {
	return !strings.ContainsFunc(label, func(r rune) bool { return r > unicode.MaxASCII })
}

// isLetterDigit says whether a label holds letters, decimal digits, marks and hyphens alone, as IDNA 2008 wants (RFC 5892,
// section 2.1) where the tables of UTS #46 would let symbols pass. Joiners are format characters, so they are refused
// even where a script uses them: they are invisible.
func isLetterDigit(label string) bool {
	runes := []rune(label)
	for i := range runes {
		if !isLetterDigitAt(runes, i) {
			return false
		}
	}
	return !mixesDigits(label)
}

// isLetterDigitAt judges one character, with the exceptions of RFC 5892 (section 2.6) and its contexts (appendix A.3 to
// A.8; A.4, the Greek keraia, is left out).
func isLetterDigitAt(runes []rune, i int) bool {
	const allowed, disallowed = "-\u06fd\u06fe\u0f0b\u3007", "\u0640\u07fa\u302e\u302f\u3031\u3032\u3033\u3034\u3035\u303b"
	switch r := runes[i]; {
	case r == '\u00b7': // middle dot: in the Catalan l·l
		return i > 0 && i < len(runes)-1 && runes[i-1] == 'l' && runes[i+1] == 'l'
	case r == '\u05f3', r == '\u05f4': // geresh and gershayim: behind a Hebrew letter
		return i > 0 && unicode.Is(unicode.Hebrew, runes[i-1])
	case r == '\u30fb': // katakana middle dot: beside kana or Han
		return slices.ContainsFunc(runes, isKanaOrHan)
	case strings.ContainsRune(disallowed, r):
		return false
	default:
		return strings.ContainsRune(allowed, r) || unicode.In(r, unicode.Ll, unicode.Lo, unicode.Lm, unicode.Mn, unicode.Mc, unicode.Nd)
	}
}

func isKanaOrHan(r rune) bool { return unicode.In(r, unicode.Hiragana, unicode.Katakana, unicode.Han) }

// mixesDigits says whether a label has decimal digits of two kinds, which look alike and mean different domains.
func mixesDigits(label string) bool {
	zero := rune(-1)
	for _, r := range label {
		if !unicode.Is(unicode.Nd, r) {
			continue
		}
		z := r - rune(digitValue(r))
		if zero >= 0 && z != zero {
			return true
		}
		zero = z
	}
	return false
}

// digitValue counts back to the zero of a run of ten, in which Unicode keeps the decimal digits of each kind.
func digitValue(r rune) int {
	value := 0
	for value < 9 && unicode.Is(unicode.Nd, r-1) {
		value, r = value+1, r-1
	}
	return value
}

// hasOddMark says whether a mark stands where it cannot be seen: at the start, twice in a row, or as a dot on an i.
func hasOddMark(label string) bool {
	previous := rune(-1)
	for _, r := range label {
		if unicode.Is(unicode.Mn, r) && (previous < 0 || previous == r || r == '\u0307' && unicode.Is(unicode.Soft_Dotted, previous)) {
			return true
		}
		previous = r
	}
	return false
}

func isDeceptive(r rune) bool {
	return unicode.Is(deceptiveLatin, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// scriptsOf lists the scripts of a label besides Common and Inherited. It reports false for a script that is not
// recommended.
func scriptsOf(label string) (scripts []string, ok bool) {
	for _, r := range label {
		if unicode.In(r, unicode.Common, unicode.Inherited) {
			continue
		}
		i := slices.IndexFunc(recommendedScripts, func(name string) bool { return unicode.Is(unicode.Scripts[name], r) })
		if i < 0 {
			return nil, false
		}
		if name := recommendedScripts[i]; !slices.Contains(scripts, name) {
			scripts = append(scripts, name)
		}
	}
	return scripts, true
}

func mayMix(scripts []string) bool {
	if len(scripts) <= 1 {
		return true
	}
	return slices.ContainsFunc(mixedScripts, func(set []string) bool {
		return !slices.ContainsFunc(scripts, func(name string) bool { return !slices.Contains(set, name) })
	})
}

func writtenIn(label, script string) bool {
	scripts, ok := scriptsOf(label)
	return ok && slices.Equal(scripts, []string{script})
}

// allLookLatin says whether every letter of a label in the script looks like an ASCII letter.
func allLookLatin(label, script string) bool {
	twins := looksLatin[script]
	return twins != "" && !strings.ContainsFunc(label, func(r rune) bool {
		return unicode.IsLetter(r) && !strings.ContainsRune(twins, r)
	})
}
