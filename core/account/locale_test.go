package account

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/errs"
)

func TestALocaleIsALanguageTagInItsCanonicalForm(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"en": "en", "en-gb": "en-GB", "DE-ch": "de-CH", "zh-hant-TW": "zh-Hant-TW", "sr-Latn": "sr-Latn", "de-1996": "de-1996",
		"es-419": "es-419", "iw": "he", "de-DE-u-co-phonebk": "de-DE-u-co-phonebk", "x-private": "x-private",
	} {
		got, err := ParseLocale(raw)
		require.NoError(t, err, raw)
		require.Equal(t, want, got)
	}
	for _, raw := range []string{"", " ", "en_GB", "english", "en-", "-en", "en--GB", "en-GB ", "e", "zz-ZZ", "en-AB", "en;q=1", "en,de", "*", "ünï", "en\x00", "../en"} {
		_, err := ParseLocale(raw)
		requireInvalid(t, err, errs.InvalidFormat, raw)
	}
	_, err := ParseLocale("en-" + strings.Repeat("x-a", 20))
	requireInvalid(t, err, errs.TooLong, "long")
}

func TestATimezoneIsOneOfTheIANADatabase(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Europe/Berlin", "UTC", "Etc/GMT+12", "America/Argentina/ComodRivadavia", "America/Port-au-Prince", "America/North_Dakota/New_Salem", "GB-Eire", "W-SU",
		"EST5EDT", "Asia/Ust-Nera", "Pacific/Kanton",
	} {
		got, err := ParseTimezone(name)
		require.NoError(t, err, name)
		require.Equal(t, name, got)
	}
	for _, name := range []string{
		"", "Local", "Factory", "localtime", "posix/Europe/Berlin", "right/UTC", "posixrules", "Europe", "Europe/", "/Europe/Berlin", "europe/berlin", "Europe/Atlantis", "Europe/Berlin ",
		"../Europe/Berlin", "Europe/../Europe/Berlin", "Europe//Berlin", "/etc/passwd", "Europe\\Berlin", "UTC+1", "+01:00", "Europe/Berl\x00in", "tzdata.zi",
	} {
		_, err := ParseTimezone(name)
		requireInvalid(t, err, errs.InvalidFormat, name)
	}
	_, err := ParseTimezone("Europe/" + strings.Repeat("B", 100))
	requireInvalid(t, err, errs.TooLong, "long")
}

func requireInvalid(t *testing.T, err error, want errs.Fault, what string) {
	t.Helper()
	invalid := (*InvalidError)(nil)
	require.ErrorAs(t, err, &invalid, what)
	require.Equal(t, want, invalid.Fault, what)
}

// FuzzLocale: whatever is taken is short, plain and taken again.
func FuzzLocale(f *testing.F) {
	for _, seed := range []string{"en-GB", "zh-Hant-TW", "de-DE-u-co-phonebk", "x-private", "i-klingon", "art-lojban", "en_GB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := ParseLocale(raw)
		if err != nil {
			return
		}
		require.Regexp(t, `^[A-Za-z0-9-]{1,64}$`, got)
	})
}

// FuzzTimezone: whatever is taken stays as it is, and names no path outside the database.
func FuzzTimezone(f *testing.F) {
	for _, seed := range []string{"Europe/Berlin", "UTC", "Local", "../UTC", "Etc/GMT-14"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := ParseTimezone(raw)
		if err != nil {
			return
		}
		require.Equal(t, raw, got)
		require.Regexp(t, `^[A-Za-z0-9_+/-]{1,64}$`, got)
		require.NotContains(t, got, "//")
	})
}
