package token

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
)

func systemAccess(b *testing.B, algorithm Algorithm) *Access {
	b.Helper()
	return newTestAccess(b, memoryKeys(b, clock.System{}, algorithm))
}

func BenchmarkIssue(b *testing.B) {
	for _, algorithm := range []Algorithm{ES256, EdDSA} {
		b.Run(string(algorithm), func(b *testing.B) {
			a, claims := systemAccess(b, algorithm), someClaims()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Issue(claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyCold(b *testing.B) {
	for _, algorithm := range []Algorithm{ES256, EdDSA} {
		b.Run(string(algorithm), func(b *testing.B) {
			a := systemAccess(b, algorithm)
			token, ctx := issue(b, a), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.verify(ctx, token, a.clock.Now()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyCached(b *testing.B) {
	a := systemAccess(b, ES256)
	token, ctx := issue(b, a), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := a.Verify(ctx, token); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerifyRefused shows what garbage costs.
func BenchmarkVerifyRefused(b *testing.B) {
	a, _ := memoryAccess(b, ES256) // time stands still, so that the unknown key never leads to the database
	key, good := a.firstKey(), issue(b, a)
	for name, token := range map[string]string{
		"NoToken":     "x",
		"FullLength":  strings.Repeat("A", MaxAccessLength),
		"TooLong":     strings.Repeat("A", 1<<20),
		"AlgNone":     signed(b, key, `{"alg":"none","typ":"at+jwt","kid":"`+key.kid+`"}`, payloadWith(nil)),
		"CritHeader":  signed(b, key, strings.TrimSuffix(goodHeader(key), "}")+`,"crit":["x"]}`, payloadWith(nil)),
		"WrongIssuer": signed(b, key, goodHeader(key), payloadWith(map[string]string{"iss": `"x"`})),
		"UnknownKey":  signed(b, key, strings.Replace(goodHeader(key), key.kid, strings.Repeat("A", kidLen), 1), payloadWith(nil)),
		"Signature":   good[:len(good)-4] + "AAAA",
	} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := a.Verify(ctx, token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}

func BenchmarkJWKS(b *testing.B) {
	keys := memoryKeys(b, clock.System{}, ES256, EdDSA)
	b.ReportAllocs()
	for b.Loop() {
		if body, _ := keys.JWKS(); len(body) == 0 {
			b.Fatal("empty")
		}
	}
}

func BenchmarkRefresh(b *testing.B) {
	tokens := NewRefreshTokens(memoryRoot())
	text := tokens.New(account.NewSessionID()).Token()
	b.Run("Parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := tokens.Parse(text); !ok {
				b.Fatal("refused")
			}
		}
	})
	b.Run("SuccessorAndDigest", func(b *testing.B) {
		r, ok := tokens.Parse(text)
		require.True(b, ok)
		b.ReportAllocs()
		for b.Loop() {
			next := tokens.Successor(r)
			_, _ = next.Token(), next.Digest()
		}
	})
}
