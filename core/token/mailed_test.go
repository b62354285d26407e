package token

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMailedTokensComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	root := memoryRoot()
	tokens := NewMailedTokens(root)
	rapid.Check(t, func(t *rapid.T) {
		id := MailedID(rapid.SliceOfN(rapid.Byte(), len(MailedID{}), len(MailedID{})).Draw(t, "id"))
		text := tokens.Token(MailedReset, id).Reveal()
		require.True(t, strings.HasPrefix(text, "gtm_"))
		require.Len(t, text, 68)
		read, ok := tokens.Parse(MailedReset, text)
		require.True(t, ok)
		require.Equal(t, id, read)
		// Another process, or this one after a restart, makes the same token.
		require.Equal(t, text, NewMailedTokens(root).Token(MailedReset, id).Reveal())
	})
}

func TestAMailedTokenOfOnePurposeIsNothingForAnother(t *testing.T) {
	t.Parallel()
	tokens := NewMailedTokens(memoryRoot())
	id := NewMailedID()
	reset, verify := tokens.Token(MailedReset, id).Reveal(), tokens.Token(MailedVerify, id).Reveal()
	require.NotEqual(t, reset, verify)
	_, ok := tokens.Parse(MailedVerify, reset)
	require.False(t, ok)
	_, ok = tokens.Parse(MailedReset, verify)
	require.False(t, ok)
}

func TestForgedMailedTokensAreUnknown(t *testing.T) {
	t.Parallel()
	tokens := NewMailedTokens(memoryRoot())
	id := NewMailedID()
	text := tokens.Token(MailedReset, id).Reveal()
	bare := strings.TrimPrefix(text, MailedPrefix)
	for name, text := range map[string]string{
		"empty":                   "",
		"the prefix alone":        MailedPrefix,
		"without the prefix":      bare,
		"prefix in capitals":      "GTM_" + bare,
		"a refresh token":         "gtr_" + bare,
		"cut short":               text[:len(text)-4],
		"too long":                text + "AAAA",
		"padded":                  text + "=",
		"a line break":            text + "\n",
		"a line break within":     text[:50] + "\r\n" + text[52:],
		"a space":                 text[:50] + " " + text[51:],
		"standard base64":         text[:50] + "+" + text[51:],
		"of another installation": NewMailedTokens(memoryRoot()).Token(MailedReset, id).Reveal(),
		"a tag of nothing":        MailedPrefix + encode(make([]byte, mailedSize)),
	} {
		_, ok := tokens.Parse(MailedReset, text)
		require.False(t, ok, name)
	}
	for i := range text {
		flipped := []byte(text)
		flipped[i] ^= 1
		_, ok := tokens.Parse(MailedReset, string(flipped))
		require.False(t, ok, "character %d", i)
	}
}

func TestAMailedTokenIsNotPrinted(t *testing.T) {
	t.Parallel()
	tokens := NewMailedTokens(memoryRoot())
	token, key := tokens.Token(MailedReset, NewMailedID()), string(tokens.key())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		printed := fmt.Sprintf(verb, []any{tokens, token})
		for _, secret := range []string{token.Reveal(), key, strings.Trim(fmt.Sprint(tokens.key()), "[]")} { //nolint:staticcheck // as %v prints bytes
			require.NotContains(t, printed, secret, verb)
		}
	}
}
