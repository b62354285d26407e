package mail_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/mail"
)

func TestTheFirstThatAsksForALanguageOfOursDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		candidates []string
		want       string
	}{
		{nil, "en"},
		{[]string{"", ""}, "en"},
		{[]string{"de"}, "de"},
		{[]string{"de-AT", "en"}, "de"},
		{[]string{"de_CH"}, "de"},
		{[]string{"DE"}, "de"},
		{[]string{"en-GB", "de"}, "en"},
		{[]string{"", "de-DE,de;q=0.9,en;q=0.8"}, "de"},
		{[]string{"", "fr-FR, en;q=0.3, de;q=0.7"}, "de"},
		{[]string{"", "de;q=0, en"}, "en"},
		{[]string{"fr", "de"}, "de"},
		{[]string{"fr", "ja"}, "en"},
		{[]string{"", "*"}, "en"},
		{[]string{"not a language!", "de"}, "de"},
		{[]string{"\x00\xff", "de"}, "de"},
		{[]string{"", "de, " + strings.Repeat("en-x-a;q=0.1, ", 1000)}, "de"},
		{[]string{strings.Repeat("a", 1<<20), "de"}, "de"},
		{[]string{strings.Repeat("de-", 1<<20)}, "en"},
	} {
		require.Equal(t, c.want, mail.Language(c.candidates...), "%.80q", c.candidates)
	}
}

func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"de", "de-AT,de;q=0.9,*;q=0.1", "x-a-b", "de;q=1e9", ",;,;", strings.Repeat("de-a-", 99)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		require.True(t, slices.Contains(mail.Languages, mail.Language(a, b)))
	})
}
