package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
)

func decoded(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	require.NoError(t, err)
	return b
}

// The key of RFC 8037 appendix A: its public half and its thumbprint.
func TestThumbprintOfRFC8037(t *testing.T) {
	t.Parallel()
	private := ed25519.NewKeyFromSeed(decoded(t, "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))
	k, err := publicJWK(private.Public())
	require.NoError(t, err)
	require.Equal(t, jwk{Kty: "OKP", Use: "sig", Alg: "EdDSA", Crv: "Ed25519",
		X: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", Kid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"}, k)
}

// The signature of RFC 7515 appendix A.3.
func TestSignatureOfRFC7515(t *testing.T) {
	t.Parallel()
	point := append([]byte{4}, append(decoded(t, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), decoded(t, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")...)...)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	require.NoError(t, err)
	input := []byte("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ")
	signature := decoded(t, "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q")
	require.True(t, verifySignature(public, input, signature))
	require.False(t, verifySignature(public, input[1:], signature))
	require.False(t, verifySignature(public, input, signature[1:]))
	require.False(t, verifySignature("no key", input, signature))
}

func TestSignaturesAreAlwaysOfFullLength(t *testing.T) {
	t.Parallel()
	private, err := ES256.generate()
	require.NoError(t, err)
	for range 600 { // one in 128 has a number with a leading zero byte
		signature, err := sign(private, []byte("x"))
		require.NoError(t, err)
		require.Len(t, signature, signatureSize)
	}
}

func TestKeysOfOtherKindsAreRefused(t *testing.T) {
	t.Parallel()
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	_, _, err = algorithmOf(weak)
	require.Error(t, err)
	_, err = sign(weak, nil)
	require.Error(t, err)
	_, err = publicJWK(weak.Public())
	require.Error(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, _, err = algorithmOf(curve)
	require.Error(t, err)
	_, err = Algorithm("RS256").generate()
	require.Error(t, err)
	_, err = newKeyRow(memoryRoot(), "RS256", testStart, testStart)
	require.Error(t, err)
}

func TestStatement13JWKSShowsPublicMembersOnly(t *testing.T) {
	t.Parallel()
	keys := memoryKeys(t, clock.NewFake(testStart), ES256, EdDSA, ES256)
	body, etag := keys.JWKS()
	var set map[string][]map[string]string
	require.NoError(t, json.Unmarshal(body, &set))
	require.Len(t, set, 1)
	require.Len(t, set["keys"], 3)
	kids := map[string]bool{}
	for _, k := range set["keys"] {
		kids[k["kid"]] = true
		require.Equal(t, "sig", k["use"])
		members := []string{"kty", "use", "alg", "kid", "crv", "x"}
		if k["kty"] == "EC" {
			members = append(members, "y")
		}
		require.Len(t, k, len(members))
		for _, m := range members {
			require.NotEmpty(t, k[m])
		}
	}
	require.Len(t, kids, 3, "kid is unique")
	require.Regexp(t, `^"[A-Za-z0-9_-]{22}"$`, etag)

	again, sameTag := keys.JWKS()
	require.Same(t, &body[0], &again[0], "marshalled once")
	require.Equal(t, etag, sameTag)
	_, otherTag := memoryKeys(t, clock.NewFake(testStart), ES256).JWKS()
	require.NotEqual(t, etag, otherTag)
}

func TestASealedKeyOpensInItsOwnRowAlone(t *testing.T) {
	t.Parallel()
	root := memoryRoot()
	sealKey := root.Derive(PurposeSigningKeys)
	row, err := newKeyRow(root, ES256, testStart, testStart)
	require.NoError(t, err)
	other, err := newKeyRow(root, EdDSA, testStart, testStart)
	require.NoError(t, err)
	_, err = openKey(sealKey, row)
	require.NoError(t, err)

	resealed := func(plain []byte, kid string) []byte {
		sealed, err := seal(sealKey, plain, boundTo(kid))
		require.NoError(t, err)
		return sealed
	}
	otherPlain, err := open(sealKey, other.SealedKey, boundTo(other.Kid))
	require.NoError(t, err)
	curve, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	curvePlain, err := x509.MarshalPKCS8PrivateKey(curve)
	require.NoError(t, err)
	same, err := ES256.generate()
	require.NoError(t, err)
	samePlain, err := x509.MarshalPKCS8PrivateKey(same)
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(*keyRow)
		fault  string
	}{
		"swapped with another row's": {func(r *keyRow) { r.SealedKey = other.SealedKey }, "does not open"},
		"a changed byte":             {func(r *keyRow) { r.SealedKey = append([]byte{r.SealedKey[0] ^ 1}, r.SealedKey[1:]...) }, "does not open"},
		"cut short":                  {func(r *keyRow) { r.SealedKey = r.SealedKey[:5] }, "does not open"},
		"no key inside":              {func(r *keyRow) { r.SealedKey = resealed([]byte("x"), r.Kid) }, "is not a private key"},
		"a key of another algorithm": {func(r *keyRow) { r.SealedKey = resealed(otherPlain, r.Kid) }, "is not a key for its algorithm"},
		"a key on another curve":     {func(r *keyRow) { r.SealedKey = resealed(curvePlain, r.Kid) }, "is not a key for its algorithm"},
		"another algorithm named":    {func(r *keyRow) { r.Algorithm = "EdDSA" }, "is not a key for its algorithm"},
		"another key of its kind":    {func(r *keyRow) { r.SealedKey = resealed(samePlain, r.Kid) }, "thumbprint"},
	} {
		changed := row
		c.change(&changed)
		_, err := newKeySet(root, []keyRow{changed})
		require.ErrorContains(t, err, c.fault, name)
	}
	_, err = openKey(memoryRoot().Derive(PurposeSigningKeys), row)
	require.ErrorContains(t, err, "does not open", "another root")
	_, err = seal([]byte("short"), nil, "")
	require.Error(t, err)
	_, err = open([]byte("short"), nil, "")
	require.Error(t, err)
}

func TestASetOfKeysIsRecognisedByItsRows(t *testing.T) {
	t.Parallel()
	keys := memoryKeys(t, clock.NewFake(testStart), EdDSA, EdDSA)
	set := keys.set.Load()
	fresh := func() []keyRow { return append([]keyRow(nil), set.rows...) }
	at := testStart.Add(time.Hour)
	require.True(t, set.madeFrom(fresh()))
	require.False(t, set.madeFrom(fresh()[:1]))
	for name, change := range map[string]func(*keyRow){
		"kid":     func(r *keyRow) { r.Kid = "x" },
		"active":  func(r *keyRow) { r.ActiveFrom = at.Add(1) },
		"retired": func(r *keyRow) { r.RetiredAt = &at },
		"expires": func(r *keyRow) { r.ExpiresAt = &at },
	} {
		rows := fresh()
		change(&rows[0])
		require.False(t, set.madeFrom(rows), name)
	}
	other := at.In(time.FixedZone("", 3600))
	require.True(t, sameTime(&at, &other))
}
