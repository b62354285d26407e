package account

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/errs"
)

// domainOf makes a domain of exactly n octets.
func domainOf(n int) string {
	const label = "abcdefghi."
	return strings.Repeat(label, (n-4)/len(label)) + strings.Repeat("x", (n-4)%len(label)+1) + ".io"
}

func TestParseEmailTakesRealAddresses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, raw, given, canonical string }{
		{"plain", "ada@example.com", "ada@example.com", "ada@example.com"},
		{"mixed case", "Ada.Lovelace@Example.COM", "Ada.Lovelace@Example.COM", "ada.lovelace@example.com"},
		{"space around", " \t\u00a0ada@example.com\r\n", "ada@example.com", "ada@example.com"},
		{"all of atext", "!#$%&'*+-/=?^_`{|}~09azAZ@example.com", "!#$%&'*+-/=?^_`{|}~09azAZ@example.com", "!#$%&'*+-/=?^_`{|}~09azaz@example.com"},
		{"local part of 64", strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com"},
		{"254 in all", strings.Repeat("a", 64) + "@" + domainOf(189), strings.Repeat("a", 64) + "@" + domainOf(189), strings.Repeat("a", 64) + "@" + domainOf(189)},
		{"digits in labels", "a@123.4-5.example6", "a@123.4-5.example6", "a@123.4-5.example6"},
		{"U-label", "ada@Bücher.example", "ada@Bücher.example", "ada@xn--bcher-kva.example"},
		{"upper-case U-label", "ada@BÜCHER.example", "ada@BÜCHER.example", "ada@xn--bcher-kva.example"},
		{"A-label", "ada@XN--Bcher-KVA.example", "ada@XN--Bcher-KVA.example", "ada@xn--bcher-kva.example"},
		{"sharp s is itself", "a@straße.de", "a@straße.de", "a@xn--strae-oqa.de"},
		{"Russian", "a@пример.рф", "a@пример.рф", "a@xn--e1afmkfd.xn--p1ai"},
		{"Russian that looks Latin at home", "a@ухо.рф", "a@ухо.рф", "a@xn--n1ajg.xn--p1ai"},
		{"Russian with one telling letter", "a@кора.com", "a@кора.com", "a@xn--80atmi.com"},
		{"Greek", "a@παράδειγμα.gr", "a@παράδειγμα.gr", "a@xn--hxajbheg2az3al.gr"},
		{"Arabic", "a@مثال.إختبار", "a@مثال.إختبار", "a@xn--mgbh0fb.xn--kgbechtv"},
		{"Hebrew with gershayim", "a@צה״ל.com", "a@צה״ל.com", "a@xn--8dbq2a9c.com"},
		{"Chinese", "a@例子.测试", "a@例子.测试", "a@xn--fsqu00a.xn--0zwm56d"},
		{"Japanese, three scripts and Latin", "a@お茶ティーabc.jp", "a@お茶ティーabc.jp", ""},
		{"Japanese middle dot", "a@コム・ドット.jp", "a@コム・ドット.jp", ""},
		{"Korean with Latin", "a@한국kr.kr", "a@한국kr.kr", ""},
		{"Catalan", "a@col·lega.cat", "a@col·lega.cat", ""},
		{"Hindi", "a@उदाहरण.परीक्षा", "a@उदाहरण.परीक्षा", "a@xn--p1b6ci4b4b3a.xn--11b5bs3a9aj6g"},
		{"Thai", "a@ตัวอย่าง.ไทย", "a@ตัวอย่าง.ไทย", ""},
		{"Vietnamese", "a@tiếngviệt.vn", "a@tiếngviệt.vn", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := ParseEmail(c.raw)
			require.NoError(t, err)
			require.Equal(t, c.given, e.String())
			if c.canonical != "" {
				require.Equal(t, c.canonical, e.Canonical())
			}
			requireIdempotent(t, e)
			require.False(t, e.IsZero())
			require.True(t, strings.HasSuffix(e.Canonical(), "@"+e.Domain()))
		})
	}
	require.True(t, Email{}.IsZero())
	require.Empty(t, Email{}.Domain())
}

func TestParseEmailRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, raw string
		want      errs.Fault
	}{
		{"nothing", "", errs.InvalidFormat},
		{"space alone", "  ", errs.InvalidFormat},
		{"no at", "example.com", errs.InvalidFormat},
		{"no local part", "@example.com", errs.InvalidFormat},
		{"no domain", "ada@", errs.InvalidFormat},
		{"two ats", "ada@b@example.com", errs.InvalidFormat},
		{"dot first", ".ada@example.com", errs.InvalidFormat},
		{"dot last", "ada.@example.com", errs.InvalidFormat},
		{"two dots", "a..b@example.com", errs.InvalidFormat},
		{"quoted", `"ada b"@example.com`, errs.InvalidFormat},
		{"name before", "Ada <ada@example.com>", errs.InvalidFormat},
		{"comment", "ada(x)@example.com", errs.InvalidFormat},
		{"two addresses", "ada@example.com,b@example.com", errs.InvalidFormat},
		{"header", "ada@example.com\r\nBcc: b@example.com", errs.InvalidFormat},
		{"space in the local part", "ada b@example.com", errs.InvalidFormat},
		{"Unicode in the local part", "adä@example.com", errs.InvalidFormat},
		{"NUL", "ada\x00@example.com", errs.InvalidFormat},
		{"NUL behind", "ada@example.com\x00", errs.InvalidFormat},
		{"invalid UTF-8 in the local part", "a\xff@example.com", errs.InvalidFormat},
		{"invalid UTF-8 in the domain", "ada@ex\xffample.com", errs.InvalidFormat},
		{"local part of 65", strings.Repeat("a", 65) + "@example.com", errs.TooLong},
		{"255 in all", strings.Repeat("a", 64) + "@" + domainOf(190), errs.TooLong},
		{"255 without at", strings.Repeat("a", 255), errs.TooLong},
		{"short as given, 255 and more as A-labels", strings.Repeat("a", 64) + "@" + strings.Repeat("ü.", 25) + "com", errs.TooLong},
		{"short as given, longer than any domain as A-labels", "a@" + strings.Repeat("ü.", 50) + "com", errs.TooLong},
		{"label of 64", "a@" + strings.Repeat("a", 64) + ".com", errs.InvalidFormat},
		{"one label", "ada@localhost", errs.InvalidFormat},
		{"one label and a dot", "ada@com.", errs.InvalidFormat},
		{"trailing dot", "ada@example.com.", errs.InvalidFormat},
		{"empty label", "ada@example..com", errs.InvalidFormat},
		{"leading dot", "ada@.example.com", errs.InvalidFormat},
		{"address literal", "ada@[192.0.2.1]", errs.InvalidFormat},
		{"IPv6 literal", "ada@[IPv6:2001:db8::1]", errs.InvalidFormat},
		{"IPv4", "ada@192.0.2.1", errs.InvalidFormat},
		{"number at the top", "ada@example.123", errs.InvalidFormat},
		{"hexadecimal number at the top", "ada@example.0x7f", errs.InvalidFormat},
		{"underscore", "ada@ex_ample.com", errs.InvalidFormat},
		{"hyphen first", "ada@-example.com", errs.InvalidFormat},
		{"hyphen last", "ada@example-.com", errs.InvalidFormat},
		{"hyphens third and fourth", "ada@ex--ample.com", errs.InvalidFormat},
		{"port", "ada@example.com:25", errs.InvalidFormat},
		{"path", "ada@example.com/x", errs.InvalidFormat},
		{"ideographic full stop", "ada@example。com", errs.InvalidFormat},
		{"full width", "ada@ｅｘａｍｐｌｅ.com", errs.InvalidFormat},
		{"not composed", "ada@bu\u0308cher.example", errs.InvalidFormat},
		{"kelvin sign", "ada@\u212aelvin.com", errs.InvalidFormat},
		{"dotted capital I", "ada@\u0130nstagram.com", errs.InvalidFormat},
		{"symbol", "ada@i♥ny.com", errs.InvalidFormat},
		{"emoji", "ada@💩.la", errs.InvalidFormat},
		{"A-label of an emoji", "ada@xn--ls8h.la", errs.InvalidFormat},
		{"A-label that does not decode", "ada@xn--\u00fc.com", errs.InvalidFormat},
		{"A-label of nothing", "ada@xn--.com", errs.InvalidFormat},
		{"A-label of ASCII", "ada@xn--example-.com", errs.InvalidFormat},
		{"A-label of an upper-case letter", "ada@xn--bcher-2pa.example", errs.InvalidFormat},
		{"A-label of what is not composed", "ada@xn--bucher-xyd.example", errs.InvalidFormat},
		{"tatweel", "ada@مثـال.com", errs.InvalidFormat},
		{"middle dot out of place", "ada@a·b.com", errs.InvalidFormat},
		{"middle dot at the end", "ada@al·.com", errs.InvalidFormat},
		{"Japanese middle dot among Latin", "ada@a・b.com", errs.InvalidFormat},
		{"geresh out of place", "ada@a\u05f3.com", errs.InvalidFormat},
		{"two kinds of digits", "ada@ا١۱.com", errs.InvalidFormat},
		{"digits of Hindi and of ASCII", "ada@क१1.com", errs.InvalidFormat},
		{"broken direction", "ada@אa.com", errs.InvalidFormat},
		{"zero-width space", "ada@exam\u200bple.com", errs.InvalidFormat},
		{"zero-width joiner", "ada@exam\u200dple.com", errs.InvalidFormat},
		{"zero-width non-joiner in its context", "ada@نامه\u200cای.com", errs.InvalidFormat},
		{"soft hyphen", "ada@exam\u00adple.com", errs.InvalidFormat},
		{"word joiner", "ada@exam\u2060ple.com", errs.InvalidFormat},
		{"byte order mark", "\ufeffada@example.com", errs.InvalidFormat},
		{"bidirectional override", "ada@\u202eexample.com", errs.InvalidFormat},
		{"variation selector", "ada@exam\ufe0fple.com", errs.InvalidFormat},
		{"grapheme joiner", "ada@exam\u034fple.com", errs.InvalidFormat},
		{"Hangul filler", "ada@한\u3164국.com", errs.InvalidFormat},
		{"Cyrillic among Latin", "ada@exаmple.com", errs.InvalidFormat},
		{"its A-label", "ada@xn--exmple-4nf.com", errs.InvalidFormat},
		{"Greek among Latin", "ada@gοogle.com", errs.InvalidFormat},
		{"Latin among Cyrillic", "ada@пpимер.рф", errs.InvalidFormat},
		{"Han with Cyrillic", "ada@例и.com", errs.InvalidFormat},
		{"Kana with Hangul", "ada@한カ.com", errs.InvalidFormat},
		{"all Cyrillic that looks Latin", "ada@аррӏе.com", errs.InvalidFormat},
		{"its A-label too", "ada@xn--80ak6aa92e.com", errs.InvalidFormat},
		{"with digits", "ada@аррӏе-7.com", errs.InvalidFormat},
		{"a top label that looks Latin", "ada@пример.со", errs.InvalidFormat},
		{"all Greek that looks Latin", "ada@νορυ.com", errs.InvalidFormat},
		{"dot on an i", "ada@i\u0307nstagram.com", errs.InvalidFormat},
		{"mark twice", "ada@a\u0331\u0331b.com", errs.InvalidFormat},
		{"script g", "ada@\u0261oogle.com", errs.InvalidFormat},
		{"small capital", "ada@goo\u0262le\u1d00.com", errs.InvalidFormat},
		{"script of few", "ada@ꭰꭱꭲ.com", errs.InvalidFormat},
		{"ancient script", "ada@𐌀𐌁𐌂.com", errs.InvalidFormat},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := ParseEmail(c.raw)
			var invalid *InvalidError
			require.ErrorAs(t, err, &invalid, "%q passed as %q", e.String(), e.Canonical())
			require.Equal(t, c.want, invalid.Fault)
			require.True(t, e.IsZero())
			require.Equal(t, errs.Field{Pointer: "#/email", Code: c.want, Message: err.Error()}, invalid.Field("#/email"))
		})
	}
}

func requireIdempotent(t require.TestingT, e Email) {
	again, err := ParseEmail(e.Canonical())
	require.NoError(t, err, "%q of %q", e.Canonical(), e.String())
	require.Equal(t, e.Canonical(), again.Canonical())
	require.Equal(t, e.Canonical(), again.String())
	require.True(t, isASCII(e.Canonical()))
	require.Equal(t, strings.ToLower(e.Canonical()), e.Canonical())
}

// Statement 4 and 7 of the security document: however an address is spelled, it counts as one.
func TestEverySpellingInOtherCaseHasOneCanonicalForm(t *testing.T) {
	t.Parallel()
	local := rapid.StringMatching(`[a-zA-Z0-9!#$%&'*+/=?^_{|}~-]{1,12}(\.[a-zA-Z0-9]{1,12}){0,2}`)
	label := rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z]([a-zA-Z0-9]{0,9}[a-zA-Z0-9])?`),
		rapid.SampledFrom([]string{"bücher", "пример", "παράδειγμα", "例子", "مثال", "한국", "xn--bcher-kva", "éłan"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		address := local.Draw(t, "local") + "@" + strings.Join(rapid.SliceOfN(label, 2, 4).Draw(t, "labels"), ".")
		e, err := ParseEmail(address)
		if err != nil {
			t.Skip("a direction or a length that does not fit")
		}
		requireIdempotent(t, e)
		variant := strings.Map(func(r rune) rune {
			switch rapid.IntRange(0, 2).Draw(t, "case") {
			case 0:
				return []rune(strings.ToUpper(string(r)))[0]
			case 1:
				return []rune(strings.ToLower(string(r)))[0]
			default:
				return r
			}
		}, address)
		other, err := ParseEmail(" " + variant + "\n")
		require.NoError(t, err, "%q of %q", variant, address)
		require.Equal(t, e.Canonical(), other.Canonical())
		require.Equal(t, variant, other.String())
	})
}

func FuzzParseEmail(f *testing.F) {
	for _, seed := range []string{
		"ada@example.com", " A@B.co ", "ada@bücher.example", "ada@xn--bcher-kva.example", "a@xn--80ak6aa92e.com", "a@נ.ה",
		"a@ا١۱.com", "a@[::1]", "a@\u0130.com", "a@col·lega.cat", "a@xn--a-ecp.ru", "a@" + strings.Repeat("é.", 80) + "com",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		e, err := ParseEmail(raw)
		if err != nil {
			var invalid *InvalidError
			require.ErrorAs(t, err, &invalid)
			return
		}
		require.LessOrEqual(t, len(e.String()), MaxEmailBytes)
		require.LessOrEqual(t, len(e.Canonical()), MaxEmailBytes)
		require.Equal(t, strings.TrimSpace(raw), e.String())
		requireIdempotent(t, e)
		given, err := ParseEmail(e.String())
		require.NoError(t, err)
		require.Equal(t, e, given)
	})
}

func BenchmarkParseEmail(b *testing.B) {
	for name, raw := range map[string]string{"ascii": "Ada.Lovelace@example.com", "wide": "ada@bücher.example"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseEmail(raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
