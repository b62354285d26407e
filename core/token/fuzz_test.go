package token

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
)

// FuzzVerify feeds texts as they are, and headers and payloads under a genuine signature. Nothing may panic, and whatever is
// accepted must be a good token for an independent implementation that knows the served JWK Set alone.
func FuzzVerify(f *testing.F) {
	a, _ := memoryAccess(f, EdDSA)
	key := a.firstKey()
	f.Add(issue(f, a), goodHeader(key), payloadWith(nil))
	f.Add("a.b.c", `{"alg":"none"}`, `{"iss":"x","iss":"y"}`)
	f.Add("", `{"alg":"EdDSA","typ":"at+jwt","kid":null}`, payloadWith(map[string]string{"extra": `{"a":[1,2,{"b":null}]}`}))
	f.Add("..", goodHeader(key)+" ", payloadWith(map[string]string{"exp": "1e3", "iat": "-0"}))
	f.Fuzz(func(t *testing.T, text, header, payload string) {
		for _, token := range []string{text, signed(t, key, header, payload)} {
			claims, err := a.Verify(t.Context(), token)
			if err != nil {
				require.ErrorIs(t, err, ErrInvalid)
				continue
			}
			independent, err := verifyIndependently(a, token)
			require.NoError(t, err, token)
			require.Equal(t, claims.Account.String(), independent["sub"])
			require.Equal(t, claims.Session.String(), independent["sid"])
			require.Equal(t, claims.ID, independent["jti"])
			require.InDelta(t, claims.ExpiresAt.Unix(), independent["exp"], 0)
		}
	})
}

// FuzzParseRefresh: nothing panics, and a token has one spelling.
func FuzzParseRefresh(f *testing.F) {
	tokens := NewRefreshTokens(memoryRoot())
	f.Add(tokens.New(account.NewSessionID()).Token())
	f.Add("gtr_")
	f.Add("gtr_\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, ok := tokens.Parse(text)
		if !ok {
			require.Nil(t, r.raw)
			return
		}
		require.Equal(t, text, r.Token())
		require.Equal(t, r.Generation+1, tokens.Successor(r).Generation)
	})
}

// FuzzParseMailed: nothing panics, a token has one spelling, and it is good for one purpose.
func FuzzParseMailed(f *testing.F) {
	tokens := NewMailedTokens(memoryRoot())
	f.Add(tokens.Token(MailedReset, NewMailedID()).Reveal())
	f.Add("gtm_")
	f.Add("gtm_\n")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := tokens.Parse(MailedReset, text)
		if !ok {
			require.Zero(t, id)
			return
		}
		require.Equal(t, text, tokens.Token(MailedReset, id).Reveal())
		_, other := tokens.Parse(MailedVerify, text)
		require.False(t, other)
	})
}
