package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
)

// publicFromJWKS reads a public key out of a served JWK Set, as a stranger would.
func publicFromJWKS(body []byte, kid string) (any, error) {
	var set struct {
		Keys []struct {
			Kty string `json:"kty"`
			Crv string `json:"crv"`
			Kid string `json:"kid"`
			X   string `json:"x"`
			Y   string `json:"y"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(body, &set); err != nil {
		return nil, err
	}
	for _, k := range set.Keys {
		if k.Kid != kid {
			continue
		}
		x, err := base64.RawURLEncoding.DecodeString(k.X)
		if err != nil || k.Kty == "OKP" {
			return ed25519.PublicKey(x), err
		}
		y, err := base64.RawURLEncoding.DecodeString(k.Y)
		if err != nil {
			return nil, err
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	}
	return nil, fmt.Errorf("no such key")
}

// verifyIndependently checks a token with golang-jwt and the served JWK Set alone.
func verifyIndependently(a *Access, token string) (jwt.MapClaims, error) {
	body, _ := a.keys.JWKS()
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(
		jwt.WithValidMethods([]string{"ES256", "EdDSA"}), jwt.WithIssuer(testIssuer), jwt.WithAudience(testAudience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(Leeway), jwt.WithTimeFunc(a.clock.Now), jwt.WithStrictDecoding(),
	).ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		return publicFromJWKS(body, kid)
	})
	return claims, err
}

func TestIssuedTokensHaveTheClaimsOfRFC9068(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []Algorithm{ES256, EdDSA} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			a, _ := memoryAccess(t, algorithm)
			in := someClaims()
			in.Roles = []account.Role{account.RoleUser, account.RoleAdmin}
			token, err := a.Issue(in)
			require.NoError(t, err)

			rawHeader, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
			require.NoError(t, err)
			require.JSONEq(t, goodHeader(a.firstKey()), string(rawHeader))

			claims, err := verifyIndependently(a, token)
			require.NoError(t, err)
			require.NoError(t, uuidV7(claims["jti"]))
			delete(claims, "jti")
			require.Equal(t, jwt.MapClaims{
				"iss": testIssuer, "aud": testAudience, "client_id": "gatehouse", "sub": in.Account.String(), "sid": in.Session.String(),
				"iat": float64(testStart.Unix()), "exp": float64(testStart.Unix() + 900), "roles": []any{"user", "admin"},
			}, claims)
			require.Equal(t, 15*time.Minute, a.TTL())
		})
	}
}

func uuidV7(v any) error {
	s, _ := v.(string)
	id, err := account.ParseID(s)
	if err == nil && id[6]>>4 != 7 {
		err = fmt.Errorf("version %d", id[6]>>4)
	}
	return err
}

func TestVerifyGivesWhatWasIssued(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []Algorithm{ES256, EdDSA} {
		t.Run(string(algorithm), func(t *testing.T) {
			t.Parallel()
			a, _ := memoryAccess(t, algorithm)
			in := someClaims()
			token, err := a.Issue(in)
			require.NoError(t, err)
			for range 2 { // the second from the cache
				out, err := a.Verify(t.Context(), token)
				require.NoError(t, err)
				require.NoError(t, uuidV7(out.ID))
				require.Equal(t, Claims{Account: in.Account, Session: in.Session, Roles: in.Roles, ID: out.ID, IssuedAt: testStart, ExpiresAt: testStart.Add(15 * time.Minute)}, out)
				out.Roles[0] = account.RoleAdmin // must not reach the next caller
			}
		})
	}
}

func TestEveryTokenHasItsOwnID(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, EdDSA)
	in := someClaims()
	first, err := a.Issue(in)
	require.NoError(t, err)
	second, err := a.Issue(in)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
}

func TestIssueRefusesClaimsThatVerifyWouldRefuse(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, ES256)
	for name, change := range map[string]func(*Claims){
		"no account":     func(c *Claims) { c.Account = account.ID{} },
		"no session":     func(c *Claims) { c.Session = account.SessionID{} },
		"no role":        func(c *Claims) { c.Roles = nil },
		"an empty role":  func(c *Claims) { c.Roles = []account.Role{""} },
		"a quoted role":  func(c *Claims) { c.Roles = []account.Role{`x","admin`} },
		"a long role":    func(c *Claims) { c.Roles = []account.Role{account.Role(strings.Repeat("x", maxRoleLen+1))} },
		"too many roles": func(c *Claims) { c.Roles = make([]account.Role, maxRoles+1) },
	} {
		c := someClaims()
		change(&c)
		_, err := a.Issue(c)
		require.Error(t, err, name)
	}
}

func TestTheLongestTokenIssuedIsAccepted(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(testStart)
	long := "https://" + strings.Repeat("<", maxNameLen-8)
	a, err := NewAccess(memoryKeys(t, clk, ES256), clk, Options{Issuer: "urn:" + strings.Repeat("x", maxNameLen-4), Audience: long, TTL: maxTTL})
	require.NoError(t, err)
	c := someClaims()
	c.Roles = nil
	for range maxRoles {
		c.Roles = append(c.Roles, account.Role(strings.Repeat("&", maxRoleLen)))
	}
	token, err := a.Issue(c)
	require.NoError(t, err)
	_, err = a.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestNewAccessRefusesWhatCannotBeIssued(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(testStart)
	keys := memoryKeys(t, clk, EdDSA)
	good := Options{Issuer: testIssuer, Audience: testAudience, TTL: time.Minute}
	for name, change := range map[string]func(*Options){
		"empty issuer":      func(o *Options) { o.Issuer = "" },
		"relative issuer":   func(o *Options) { o.Issuer = "/auth" },
		"issuer with query": func(o *Options) { o.Issuer += "?a=b" },
		"quoted audience":   func(o *Options) { o.Audience = `a"b` },
		"no life":           func(o *Options) { o.TTL = 0 },
		"broken seconds":    func(o *Options) { o.TTL = 1500 * time.Millisecond },
		"longer than a day": func(o *Options) { o.TTL = 25 * time.Hour },
	} {
		o := good
		change(&o)
		_, err := NewAccess(keys, clk, o)
		require.Error(t, err, name)
	}
}

func TestClocksAMinuteApartLogNobodyOut(t *testing.T) {
	t.Parallel()
	a, clk := memoryAccess(t, ES256)
	token := issue(t, a)

	clk.Advance(-Leeway) // a verifier whose clock is a minute behind the issuer's
	_, err := a.Verify(t.Context(), token)
	require.NoError(t, err)
	clk.Advance(Leeway + 15*time.Minute + Leeway - time.Microsecond) // and one a minute ahead, at the end of the token's life
	_, err = a.Verify(t.Context(), token)
	require.NoError(t, err)
}

func TestExpiryHoldsAtEveryUseOfACachedToken(t *testing.T) {
	t.Parallel()
	a, clk := memoryAccess(t, ES256)
	token := issue(t, a)
	_, err := a.Verify(t.Context(), token)
	require.NoError(t, err)

	clk.Advance(15*time.Minute + Leeway)
	for range 2 {
		_, err = a.Verify(t.Context(), token)
		require.ErrorIs(t, err, errExpired)
		require.ErrorIs(t, err, ErrInvalid)
	}
	clk.Advance(-15*time.Minute - 2*Leeway - time.Microsecond)
	_, err = a.Verify(t.Context(), token)
	require.ErrorIs(t, err, errNotYet)
}

// TestATokensSessionIsKnownAfterItsTime: a genuine token is told from a forged one whether or not it is still good.
func TestATokensSessionIsKnownAfterItsTime(t *testing.T) {
	t.Parallel()
	for _, cached := range []bool{true, false} {
		a, clk := memoryAccess(t, ES256)
		claims := someClaims()
		token, err := a.Issue(claims)
		require.NoError(t, err)
		if cached {
			_, err = a.Verify(t.Context(), token)
			require.NoError(t, err)
		}
		clk.Advance(24 * time.Hour)
		session, ok := a.SessionOf(t.Context(), token)
		require.True(t, ok)
		require.Equal(t, claims.Session, session)
		_, err = a.Verify(t.Context(), token)
		require.ErrorIs(t, err, ErrInvalid, "and it is no better for it")
		signature := strings.LastIndexByte(token, '.') + 1
		for name, forged := range map[string]string{
			"nothing": "", "garbage": "x", "too long": strings.Repeat("A", MaxAccessLength+1), "no signature": token[:signature],
			"another's signature": token[:signature] + strings.Repeat("A", len(token)-signature),
		} {
			_, ok := a.SessionOf(t.Context(), forged)
			require.False(t, ok, name)
		}
	}
}

func TestACachedTokenDiesWithItsKey(t *testing.T) {
	t.Parallel()
	a, clk := memoryAccess(t, ES256)
	token := issue(t, a)
	_, err := a.Verify(t.Context(), token)
	require.NoError(t, err)

	t.Run("when the key expires", func(t *testing.T) {
		set := a.keys.set.Load()
		rows := append([]keyRow(nil), set.rows...)
		soon := clk.Now().Add(time.Minute)
		rows[0].ExpiresAt = &soon
		changed, err := newKeySet(a.keys.root, rows)
		require.NoError(t, err)
		a.keys.set.Store(changed)
		_, err = a.Verify(t.Context(), token)
		require.NoError(t, err)
		clk.Advance(time.Minute)
		_, err = a.Verify(t.Context(), token)
		require.ErrorIs(t, err, errUnknownKey)
		remembered(a).InvalidateAll()
		_, err = a.Verify(t.Context(), token)
		require.ErrorIs(t, err, errUnknownKey)
	})
	t.Run("when the set no longer has it", func(t *testing.T) {
		a.keys.set.Store(memoryKeys(t, clk, ES256).set.Load())
		a.keys.looked = clk.Now()
		_, err := a.Verify(t.Context(), token)
		require.ErrorIs(t, err, errUnknownKey)
	})
}

func TestGarbageGrowsNoCache(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, EdDSA)
	good := issue(t, a)
	_, err := a.Verify(t.Context(), good)
	require.NoError(t, err)
	for i := range 5_000 {
		_, err := a.Verify(t.Context(), fmt.Sprintf("%s%d", good, i))
		require.ErrorIs(t, err, ErrInvalid)
	}
	require.Equal(t, 1, remembered(a).EstimatedSize())
}

func TestTheCacheOfVerifiedTokensIsBounded(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, EdDSA)
	remembered(a).SetMaximum(64)
	for range 1_000 {
		_, err := a.Verify(t.Context(), issue(t, a))
		require.NoError(t, err)
	}
	remembered(a).CleanUp()
	require.LessOrEqual(t, remembered(a).EstimatedSize(), 64)
}

func TestTheNewestActiveKeySigns(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(testStart)
	keys := memoryKeys(t, clk, ES256, EdDSA) // the second an hour later
	a := newTestAccess(t, keys)
	before := issue(t, a)
	clk.Advance(time.Hour)
	after := issue(t, a)
	require.True(t, strings.HasPrefix(before, keys.set.Load().ordered[0].header))
	require.True(t, strings.HasPrefix(after, keys.set.Load().ordered[1].header))
	_, err := a.Verify(t.Context(), after)
	require.NoError(t, err)
}

func TestTheOnlyKeySignsThoughThisClockIsBehind(t *testing.T) {
	t.Parallel()
	a, clk := memoryAccess(t, ES256)
	clk.Advance(-Leeway)
	_, err := a.Verify(t.Context(), issue(t, a))
	require.NoError(t, err)
}

func TestNothingIsIssuedWithoutAKey(t *testing.T) {
	t.Parallel()
	a, clk := memoryAccess(t, ES256)
	rows := append([]keyRow(nil), a.keys.set.Load().rows...)
	retired := clk.Now()
	rows[0].RetiredAt = &retired
	set, err := newKeySet(a.keys.root, rows)
	require.NoError(t, err)
	a.keys.set.Store(set)
	_, err = a.Issue(someClaims())
	require.Error(t, err)
}

func TestIssueAndVerifyAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	a, _ := memoryAccess(t, EdDSA)
	shared := issue(t, a)
	set := a.keys.set.Load()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 100 {
				token, err := a.Issue(someClaims())
				if err == nil {
					_, err = a.Verify(t.Context(), token)
				}
				if err == nil {
					_, err = a.Verify(t.Context(), shared)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if i == 0 { // keys change meanwhile
					changed := *set
					a.keys.set.Store(&changed)
				}
			}
		})
	}
	group.Wait()
}
