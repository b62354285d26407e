package account

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/errs"
)

func TestParseFullNameKeepsNames(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"Ada Lovelace":                  "Ada Lovelace",
		" \t Ada\u00a0 \n":              "Ada",
		"O'Brien-Smith, Jr. 3rd":        "O'Brien-Smith, Jr. 3rd",
		"李小龍":                           "李小龍",
		"ක්\u200dරිස්ටි":                "ක්\u200dරිස්ටි",
		"مهدی\u200cزاده":                "مهدی\u200cزاده",
		"Zoe\u0308":                     "Zoe\u0308",
		"Ada ❤\ufe0f":                   "Ada ❤\ufe0f",
		"!":                             "!",
		strings.Repeat("é", 100):        strings.Repeat("é", 100),
		"  " + strings.Repeat("😀", 100): strings.Repeat("😀", 100),
	} {
		name, err := ParseFullName(raw)
		require.NoError(t, err, "%q", raw)
		require.Equal(t, want, name)
	}
}

func TestParseFullNameRefuses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]errs.Fault{
		"":                          errs.TooShort,
		" \u3000\n":                 errs.TooShort,
		strings.Repeat("é", 101):    errs.TooLong,
		"Ada\nLovelace":             errs.InvalidFormat,
		"Ada\x00":                   errs.InvalidFormat,
		"Ada\x1b[31m":               errs.InvalidFormat,
		"Ada\u0085Lovelace":         errs.InvalidFormat,
		"Ada\u2028Lovelace":         errs.InvalidFormat,
		"Ada\u202eecalevoL":         errs.InvalidFormat,
		"Ada\u2066x\u2069":          errs.InvalidFormat,
		"A\u200bda":                 errs.InvalidFormat,
		"\ufeffAda":                 errs.InvalidFormat,
		"A\u00adda":                 errs.InvalidFormat,
		"A\u034fda":                 errs.InvalidFormat,
		"\u3164":                    errs.InvalidFormat,
		"\u2800":                    errs.InvalidFormat,
		"\u200d":                    errs.InvalidFormat,
		"\u0301":                    errs.InvalidFormat,
		"Ada\U000e0041":             errs.InvalidFormat,
		"Ada\ufffe":                 errs.InvalidFormat,
		"Ada\xff":                   errs.InvalidFormat,
		strings.Repeat("\xff", 500): errs.InvalidFormat,
	} {
		name, err := ParseFullName(raw)
		var invalid *InvalidError
		require.ErrorAs(t, err, &invalid, "%q", raw)
		require.Equal(t, want, invalid.Fault, "%q", raw)
		require.Empty(t, name)
	}
}

func FuzzParseFullName(f *testing.F) {
	for _, seed := range []string{"Ada", " Ada ", "A\u200bda", "\xff", "مهدی\u200cزاده"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		name, err := ParseFullName(raw)
		if err != nil {
			return
		}
		n := utf8.RuneCountInString(name)
		require.True(t, n >= 1 && n <= MaxNameLength && utf8.ValidString(name))
		again, err := ParseFullName(name)
		require.NoError(t, err)
		require.Equal(t, name, again)
	})
}
