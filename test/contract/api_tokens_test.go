package contract_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func TestContractTokens(t *testing.T) {
	t.Parallel()
	proveChapter(t, tokenFormats())
}

func tokenFormats() []proof {
	return []proof{
		{says: `Access: JWT per RFC 9068, typ: at+jwt, ES256 (EdDSA by setting), kid; claims iss sub aud client_id exp iat jti sid roles; 15 minutes.`, prove: func(s *stage) {
			header, claims := s.jwt(s.user.AccessToken, 0), s.claims(s.user.AccessToken)
			require.Equal(s.T, []string{"alg", "kid", "typ"}, names(header))
			require.Equal(s.T, []any{"at+jwt", "ES256"}, []any{header["typ"], header["alg"]})
			require.Contains(s.T, string(s.api.Get("/.well-known/jwks.json").Body), `"kid":"`+header["kid"].(string)+`"`)
			require.Equal(s.T, []string{"aud", "client_id", "exp", "iat", "iss", "jti", "roles", "sid", "sub"}, names(claims))
			require.Equal(s.T, s.user.ID.String(), claims["sub"])
			require.Equal(s.T, []any{"user"}, claims["roles"])
			require.Equal(s.T, sessionOf(s.T, s.asUser()), claims["sid"])
			require.Regexp(s.T, contractID, claims["jti"])
			require.InDelta(s.T, (15 * time.Minute).Seconds(), claims["exp"].(float64)-claims["iat"].(float64), 0)
			edwards := s.another("token.algorithm=EdDSA")
			u := edwards.User()
			require.Equal(s.T, "EdDSA", s.jwt(u.AccessToken, 0)["alg"])
			edwards.As(u).Get("/users/me").Status(http.StatusOK)
			s.clk.Advance(14 * time.Minute)
			s.asUser().Get("/users/me").Status(http.StatusOK)
			s.clk.Advance(2 * time.Minute) // one beyond its end, for clocks that differ
			s.asUser().Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}, elsewhere: []string{"core/token TestIssuedTokensHaveTheClaimsOfRFC9068", "core/token TestStatement11ForgedHeadersAreRefused"}},
		{says: `Issuer and audience default to public_url, else urn:gatehouse:<installation id>, never the listening address.`, prove: func(s *stage) {
			names := func(api *testkit.API) []any {
				got := s.members(api.Post("/auth/login", map[string]string{"email": s.user.Email, "password": s.user.Password}).Status(http.StatusOK))
				claims := s.claims(got["access_token"])
				return []any{claims["iss"], claims["aud"]}
			}
			urn := "urn:gatehouse:" + s.api.App.Stores.Root.InstallationID()
			require.Equal(s.T, []any{urn, urn}, names(s.api))
			require.Equal(s.T, []any{"https://auth.example.com", "https://auth.example.com"}, names(s.with("http.public_url=https://auth.example.com")))
			require.Equal(s.T, []any{"https://issuer.example.com", urn}, names(s.with("token.issuer=https://issuer.example.com")))
		}},
		{says: `Refresh: prefix gtr_; idle life 24 hours, absolute 30 days.`, prove: func(s *stage) {
			require.Regexp(s.T, `^gtr_[A-Za-z0-9_-]+$`, s.user.RefreshToken)
			idle, kept := s.signIn(s.user), s.signIn(s.user)
			s.clk.Advance(24 * time.Hour)
			s.refresh(idle.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.refresh(kept.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			kept = s.signIn(s.user)
			began := s.clk.Now()
			for s.clk.Now().Sub(began) < 29*24*time.Hour {
				s.clk.Advance(24*time.Hour - time.Second)
				kept.RefreshToken = s.members(s.refresh(kept.RefreshToken).Status(http.StatusOK))["refresh_token"].(string)
			}
			s.clk.Advance(30*24*time.Hour - s.clk.Now().Sub(began) - time.Second)
			kept.RefreshToken = s.members(s.refresh(kept.RefreshToken).Status(http.StatusOK))["refresh_token"].(string)
			s.clk.Advance(time.Second)
			s.refresh(kept.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		}},
		{says: `Mailed tokens: prefix gtm_.`, prove: func(s *stage) {
			for page, token := range mailedTokens(s.T, s.api, s.user) {
				require.Regexp(s.T, `^gtm_[A-Za-z0-9_-]+$`, token, page)
			}
		}},
		{says: `Signing keys rotate every 90 days, published 24 h ahead, or by keys rotate: published at once, signing after 10 s; JWKS max-age=300.`, prove: func(s *stage) {
			require.Equal(s.T, "public, max-age=300", s.api.Get("/.well-known/jwks.json").Header.Get("Cache-Control"))
			signs := func() any { return s.jwt(s.signIn(s.user).AccessToken, 0)["kid"] }
			old := signs()
			next, err := s.api.App.RotateKeys(s.Context())
			require.NoError(s.T, err)
			require.Contains(s.T, string(s.api.Get("/.well-known/jwks.json").Body), next.ID)
			s.clk.Advance(10*time.Second - time.Millisecond)
			require.Equal(s.T, old, signs())
			before := s.signIn(s.user)
			s.clk.Advance(time.Millisecond)
			require.Equal(s.T, next.ID, signs())
			s.api.As(before).Get("/users/me").Status(http.StatusOK)
		}, elsewhere: []string{"core/token TestStatement13AKeyIsPublishedBeforeItSignsAndStaysForItsLastToken", "core/token TestTheScheduleMakesOneKeyHoweverManyInstancesAsk"}},
	}
}

// jwt reads a part of a token.
func (s *stage) jwt(token any, part int) (m map[string]any) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.Split(token.(string), ".")[part])
	require.NoError(s.T, err)
	require.NoError(s.T, json.Unmarshal(raw, &m))
	return m
}

func (s *stage) claims(token any) map[string]any { return s.jwt(token, 1) }
