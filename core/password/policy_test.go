package password

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
	commonpasswords "github.com/gatehouse/gatehouse/third_party/common-passwords"
)

func codes(faults []errs.Field) []errs.Fault {
	var found []errs.Fault
	for _, f := range faults {
		found = append(found, f.Code)
	}
	return found
}

func faultsOf(codes ...errs.Fault) []errs.Fault { return codes }

func TestCheckTellsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	const long = "Aa1" // then padded with what is measured
	for _, c := range []struct {
		name     string
		policy   Policy
		password string
		want     []errs.Fault
	}{
		{"the zero policy is the blueprint", "", "abc", faultsOf(errs.TooShort, errs.MissingUpper, errs.MissingDigit)},
		{"good", Blueprint, "Correct7horse", nil},
		{"exactly eight", Blueprint, "Abcdefg7", nil},
		{"seven", Blueprint, "Abcdef7", faultsOf(errs.TooShort)},
		{"eight bytes of fewer characters", Blueprint, "Ää7ää", faultsOf(errs.TooShort)},
		{"128 of two bytes", Blueprint, long + strings.Repeat("я", 125), nil},
		{"128 of four bytes", Blueprint, long + strings.Repeat("😀", 125), nil},
		{"129", Blueprint, long + strings.Repeat("я", 126), faultsOf(errs.TooLong)},
		{"128 once composed", Blueprint, long + strings.Repeat("a\u0308", 125), nil},
		{"beyond the raw limit nothing else is looked at", Blueprint, strings.Repeat("a", MaxRawBytes+1), faultsOf(errs.TooLong)},
		{"at the raw limit all is", Blueprint, strings.Repeat("a", MaxRawBytes), faultsOf(errs.TooLong, errs.MissingUpper, errs.MissingDigit)},
		{"upper, lower and digit of other scripts", Blueprint, "Жжжжжжж٣", nil},
		{"no letters with case", Blueprint, "密碼密碼密碼密碼1", faultsOf(errs.MissingUpper, errs.MissingLower)},
		{"superscripts are no digits", Blueprint, "Abcdefgh²", faultsOf(errs.MissingDigit)},
		{"empty", Blueprint, "", faultsOf(errs.InvalidFormat, errs.TooShort, errs.MissingUpper, errs.MissingLower, errs.MissingDigit)},
		{"control character", Blueprint, "Abcdefg7\x00", faultsOf(errs.InvalidFormat)},
		{"newline", Blueprint, "abcdefg\n", faultsOf(errs.InvalidFormat, errs.MissingUpper, errs.MissingDigit)},
		{"zero-width space", Blueprint, "Abcdefg7\u200b", faultsOf(errs.InvalidFormat)},
		{"bidirectional override", Blueprint, "Abcdefg7\u202e", faultsOf(errs.InvalidFormat)},
		{"unassigned", Blueprint, "Abcdefg7\U000e0fff", faultsOf(errs.InvalidFormat)},
		{"invalid UTF-8", Blueprint, "Abcdefg7\xff", faultsOf(errs.InvalidFormat)},
		{"common and short of kinds", Blueprint, "12345678", faultsOf(errs.MissingUpper, errs.MissingLower, errs.CommonPassword)},
		{"common in other case", Blueprint, "PassWord1", faultsOf(errs.CommonPassword)},
		{"product name", Blueprint, "myGATEhouse7", faultsOf(errs.ContainsContext)},
		{"nist asks for no kinds", NIST, "correct horse battery", nil},
		{"nist exactly fifteen", NIST, strings.Repeat("ab ", 5), nil},
		{"nist fourteen", NIST, "correct horses", faultsOf(errs.TooShort)},
		{"nist 129", NIST, strings.Repeat("ab ", 43), faultsOf(errs.TooLong)},
		{"nist common", NIST, "QwertyUIOP12345", faultsOf(errs.CommonPassword)},
		{"nist product name", NIST, "the Gatehouse door", faultsOf(errs.ContainsContext)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			prepared, faults := c.policy.Check(secret.New(c.password))
			require.Equal(t, c.want, codes(faults))
			require.Equal(t, len(faults) > 0, prepared.IsZero())
			for _, f := range faults {
				require.NotEmpty(t, f.Message)
				require.Empty(t, f.Pointer+f.Parameter+f.Header)
				if utf8.RuneCountInString(c.password) >= 3 {
					require.NotContains(t, f.Message, c.password)
				}
			}
		})
	}
}

func TestCheckSaysTheLengthInWords(t *testing.T) {
	t.Parallel()
	for policy, want := range map[Policy]string{Blueprint: "must be at least 8 characters", NIST: "must be at least 15 characters"} {
		_, faults := policy.Check(secret.New("Short7"))
		require.Equal(t, []errs.Field{{Code: errs.TooShort, Message: want}}, faults)
	}
	require.Equal(t, 128, NIST.MaxLength())
}

func TestCheckRefusesWordsOfTheContext(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, password string
		context        []string
		refused        bool
	}{
		{"no context", "Ada.Lovelace1", nil, false},
		{"whole address", "xAda.Lovelace@Example.comX1", []string{"ada.lovelace@example.com"}, true},
		{"local part in other case", "ADA.lovelace1", []string{"ada.lovelace@example.com"}, true},
		{"local part of four", "Adam12345", []string{"adam@example.com"}, true},
		{"local part of three", "Ada123456", []string{"ada@example.com"}, false},
		{"whole short address", "Xa@b.co77", []string{"a@b.co"}, true},
		{"any spelling", "Xada@bücher.example7", []string{"ada@xn--bcher-kva.example", "ada@BÜCHER.example"}, true},
		{"composed or not", "XBu\u0308cher77", []string{"bücher"}, true},
		{"folded in full", "xSTRASSE77", []string{"straße"}, true},
		{"empty entry", "Abcdefg77", []string{"", "@example.com"}, false},
		{"domain alone", "Example.com7", []string{"ada@example.com"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, faults := Blueprint.Check(secret.New(c.password), c.context...)
			require.Equal(t, c.refused, len(faults) > 0)
			if c.refused {
				require.Equal(t, faultsOf(errs.ContainsContext), codes(faults))
			}
		})
	}
}

func TestPoliciesHaveNames(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"blueprint", "nist"} {
		var p Policy
		require.NoError(t, p.UnmarshalText([]byte(name)))
		text, err := p.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(text))
	}
	var p Policy
	require.EqualError(t, p.UnmarshalText([]byte("none")), "expected blueprint or nist")
}

func TestPrepareKeepsWhatPeopleType(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"correct horse":          "correct horse",
		" spaces stay ":          " spaces stay ",
		"no-break\u00a0space":    "no-break space",
		"ideographic\u3000space": "ideographic space",
		"A\u030angstrom":         "Ångstrom",
		"Ångstrom":               "Ångstrom",
		"π²=∞ ♥":                 "π²=∞ ♥",
		"UPPER lower":            "UPPER lower",
		"Ｆｕｌｌｗｉｄｔｈ":              "Ｆｕｌｌｗｉｄｔｈ", // width is kept: only the identifier profiles map it
	} {
		prepared, ok := Prepare(secret.New(raw))
		require.True(t, ok, "%q", raw)
		require.Equal(t, want, prepared.Reveal())
	}
	for _, raw := range []string{"", "tab\there", "\x7f", "\ufeff", "\u00ad", "\xff", "\ue000", strings.Repeat("a", MaxRawBytes+1)} {
		prepared, ok := Prepare(secret.New(raw))
		require.False(t, ok, "%q", raw)
		require.True(t, prepared.IsZero())
	}
}

func TestEveryListedPasswordIsFoundAndNothingElse(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for entry := range strings.Lines(commonpasswords.List) {
		listed[strings.TrimSuffix(entry, "\n")] = true
	}
	for entry := range listed {
		require.True(t, isCommon(entry), "%q", entry)
		require.Equal(t, entry, fold(entry))
		require.Equal(t, listed[entry+"0"], isCommon(entry+"0"))
		require.Equal(t, listed[entry[1:]], isCommon(entry[1:]))
		prepared, ok := Prepare(secret.New(entry))
		require.True(t, ok)
		require.Equal(t, entry, prepared.Reveal())
	}
	for _, other := range []string{"", "\n", "!", "~~~~~~~~~~", "password\npassword"} {
		require.False(t, isCommon(other))
	}
}

func TestHasLineAgreesWithASearchOfAllLines(t *testing.T) {
	t.Parallel()
	require.False(t, hasLine("", "a"))
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfDistinct(rapid.StringMatching(`[a-e]{1,3}`), rapid.ID[string]).Draw(t, "words")
		want := rapid.StringMatching(`[a-e]{0,3}`).Draw(t, "want")
		sorted := append([]string(nil), words...)
		slices.Sort(sorted)
		lines := strings.Join(append(sorted, ""), "\n")
		require.Equal(t, strings.Contains("\n"+lines, "\n"+want+"\n") && want != "", hasLine(lines, want))
	})
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{"", "Correct7horse", "a\u0308", "\xff\xfe", "l·l", "ک\u200cی", "٠۰", strings.Repeat("é", 200)} {
		f.Add(seed, "ada@example.com")
	}
	f.Fuzz(func(t *testing.T, raw, context string) {
		for _, policy := range []Policy{Blueprint, NIST} {
			prepared, faults := policy.Check(secret.New(raw), context)
			if len(faults) > 0 {
				require.True(t, prepared.IsZero())
				seen := map[errs.Fault]bool{}
				for _, fault := range faults {
					require.False(t, seen[fault.Code], "each fault once")
					seen[fault.Code] = true
				}
				continue
			}
			again, ok := Prepare(prepared)
			require.True(t, ok)
			require.Equal(t, prepared.Reveal(), again.Reveal(), "preparing twice changes nothing")
			n := utf8.RuneCountInString(prepared.Reveal())
			require.True(t, n >= policy.MinLength() && n <= policy.MaxLength())
			login, ok := Prepare(secret.New(raw))
			require.True(t, ok)
			require.Equal(t, prepared.Reveal(), login.Reveal(), "login prepares as registration did")
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	for _, raw := range []string{"Correct7horse battery", "Жжжжжжж٣ пароль", strings.Repeat("a\u0308", MaxRawBytes/3)} {
		b.Run(fmt.Sprintf("%d_bytes", len(raw)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Blueprint.Check(secret.New(raw), "ada.lovelace@example.com")
			}
		})
	}
}

func BenchmarkIsCommon(b *testing.B) {
	for b.Loop() {
		isCommon("notonthelistatall")
	}
}
