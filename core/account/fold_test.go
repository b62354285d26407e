package account_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/account"
)

func TestFoldLeavesNoLetterCase(t *testing.T) {
	t.Parallel()
	for _, same := range [][]string{
		{"Ada Lovelace", "ADA LOVELACE", "ada lovelace"},
		{"Straße", "STRASSE", "strasse"},
		{"ΟΔΥΣΣΕΥΣ", "οδυσσευς"},
		{"Åsa", "A\u030asa", "åSA"},
		{"Ada@Bücher.example", "ada@BÜCHER.example"},
	} {
		for _, s := range same[1:] {
			require.Equal(t, account.Fold(same[0]), account.Fold(s))
		}
	}
	require.NotEqual(t, account.Fold("Jose"), account.Fold("José"), "an accent is no letter case")
	require.Equal(t, `50%_\'`, account.Fold(`50%_\'`))
}

func TestFoldIsStableAndSeesNoSpelling(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		folded := account.Fold(s)
		require.Equal(t, folded, account.Fold(folded))
		require.Equal(t, folded, account.Fold(norm.NFD.String(s)))
		require.Equal(t, folded, account.Fold(norm.NFC.String(s)))
	})
}

func TestFoldMakesOneOfEveryCase(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if other := unicode.SimpleFold(r); r != other {
			require.Equal(t, account.Fold(string(r)), account.Fold(string(other)), "%U %U", r, other)
		}
	}
}

// The most that a name can grow to, so that a cursor holds it.
func TestFoldGrowsAtMostThreefold(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		s := string(r)
		require.LessOrEqual(t, len(account.Fold(s)), 3*len(s), "%U", r)
	}
	require.LessOrEqual(t, len(account.Fold(strings.Repeat("\U0001D160", account.MaxNameLength))), 3*4*account.MaxNameLength)
}
