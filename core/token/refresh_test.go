package token

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/account"
)

func TestRefreshTokensComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	tokens := NewRefreshTokens(memoryRoot())
	rapid.Check(t, func(t *rapid.T) {
		session := account.SessionID(rapid.SliceOfN(rapid.Byte(), sessionSize, sessionSize).Draw(t, "session"))
		made := tokens.New(session)
		for generation := range uint64(rapid.IntRange(1, 5).Draw(t, "generations")) {
			text := made.Token()
			require.True(t, strings.HasPrefix(text, "gtr_"))
			require.Len(t, text, 100)
			read, ok := tokens.Parse(text)
			require.True(t, ok)
			require.Equal(t, session, read.Session)
			require.Equal(t, generation, read.Generation)
			require.Equal(t, made.Digest(), read.Digest())
			require.Len(t, read.Digest(), 32)
			require.Equal(t, text, read.Token())
			// The successor is the same, whether made from the token as issued or as read.
			require.Equal(t, tokens.Successor(made).Token(), tokens.Successor(read).Token())
			made = tokens.Successor(read)
		}
	})
}

func TestRefreshTokensDifferBySessionGenerationAndChance(t *testing.T) {
	t.Parallel()
	tokens := NewRefreshTokens(memoryRoot())
	session := account.NewSessionID()
	first, again, other := tokens.New(session), tokens.New(session), tokens.New(account.NewSessionID())
	seen := map[string]bool{}
	for _, r := range []Refresh{first, again, other, tokens.Successor(first), tokens.Successor(again), tokens.Successor(tokens.Successor(first))} {
		seen[r.Token()] = true
		seen[string(r.Digest())] = true
	}
	require.Len(t, seen, 12)
}

func TestRefreshTokensOutliveARestart(t *testing.T) {
	t.Parallel()
	root := memoryRoot()
	text := NewRefreshTokens(root).New(account.NewSessionID())
	read, ok := NewRefreshTokens(root).Parse(text.Token())
	require.True(t, ok)
	require.Equal(t, text.Digest(), read.Digest())
}

func TestForgedRefreshTokensAreUnknown(t *testing.T) {
	t.Parallel()
	tokens := NewRefreshTokens(memoryRoot())
	good := tokens.New(account.NewSessionID())
	text := good.Token()
	stranger := NewRefreshTokens(memoryRoot()).New(good.Session)
	newer := *good.raw() // a generation that was never issued, under the tag of the old one
	binary.BigEndian.PutUint64(newer[sessionSize:], 1)
	forged := good
	forged.raw = hide(&newer)
	for name, text := range map[string]string{
		"empty":                    "",
		"the prefix alone":         RefreshPrefix,
		"without the prefix":       strings.TrimPrefix(text, RefreshPrefix),
		"prefix in capitals":       "GTR_" + strings.TrimPrefix(text, RefreshPrefix),
		"a mailed token":           "gtm_" + strings.TrimPrefix(text, RefreshPrefix),
		"cut short":                text[:len(text)-4],
		"too long":                 text + "AAAA",
		"padded":                   text + "=",
		"a line break":             text + "\n",
		"a line break within":      text[:50] + "\r\n" + text[52:],
		"a space":                  text[:50] + " " + text[51:],
		"standard base64":          text[:50] + "+" + text[51:],
		"of another installation":  stranger.Token(),
		"another generation":       forged.Token(),
		"generation beyond bigint": tokens.assemble(good.Session, math.MaxInt64+1, make([]byte, refreshSecret)).Token(),
	} {
		_, ok := tokens.Parse(text)
		require.False(t, ok, name)
	}
	for i := range text {
		flipped := []byte(text)
		flipped[i] ^= 1
		_, ok := tokens.Parse(string(flipped))
		require.False(t, ok, "character %d", i)
	}
}

func TestNoSecretIsPrinted(t *testing.T) {
	t.Parallel()
	root := memoryRoot()
	tokens := NewRefreshTokens(root)
	r := tokens.New(account.NewSessionID())
	a, _ := memoryAccess(t, EdDSA)
	private := fmt.Sprint(a.firstKey().private())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x"} {
		printed := fmt.Sprintf(verb, []any{root, tokens, r, &r, a.keys.set.Load().ordered, *a.firstKey(), struct{ inner *Root }{root}})
		for _, secret := range [][]byte{root.secret(), r.raw()[sessionSize+generationSize:], tokens.keys().next} {
			for _, as := range []string{fmt.Sprintf("%d", secret), fmt.Sprintf("%x", secret), fmt.Sprintf("%#v", secret), string(secret), encode(secret)} {
				require.NotContains(t, printed, strings.Trim(as, "[]"), verb)
			}
		}
		require.NotContains(t, printed, strings.Trim(private, "[]"), verb)
	}
}
