package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// jwk is the public half of a signing key (RFC 7517; RFC 8037 for Ed25519). It has no private members that could slip out.
type jwk struct {
	Kty string `json:"kty"`
	Use string `json:"use"`
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y,omitempty"`
}

// signingKey is a key of the installation, opened. It is immutable.
type signingKey struct {
	kid       string
	algorithm Algorithm
	jwk       jwk
	public    crypto.PublicKey
	private   hidden[crypto.Signer]
	header    string // the JWS header segment of every token it signs, with its dot

	activeFrom time.Time
	retiredAt  *time.Time
	expiresAt  *time.Time
}

// maySign says whether the key signs at that time.
func (k *signingKey) maySign(now time.Time) bool {
	return !now.Before(k.activeFrom) && !k.retired(now)
}

func (k *signingKey) retired(now time.Time) bool {
	return k.retiredAt != nil && !now.Before(*k.retiredAt)
}

// mayVerify says whether tokens that the key signed count at that time.
func (k *signingKey) mayVerify(now time.Time) bool {
	return k.expiresAt == nil || now.Before(*k.expiresAt)
}

// newKeyRow makes a key and seals its private half for the database.
func newKeyRow(root *Root, algorithm Algorithm, now, activeFrom time.Time) (keyRow, error) {
	private, err := algorithm.generate()
	if err != nil {
		return keyRow{}, fmt.Errorf("make a signing key: %w", err)
	}
	public, err := publicJWK(private.Public())
	if err != nil {
		return keyRow{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return keyRow{}, fmt.Errorf("encode a signing key: %w", err)
	}
	sealed, err := seal(root.Derive(PurposeSigningKeys), der, boundTo(public.Kid))
	if err != nil {
		return keyRow{}, fmt.Errorf("seal a signing key: %w", err)
	}
	text, err := json.Marshal(public)
	if err != nil {
		return keyRow{}, err
	}
	return keyRow{Kid: public.Kid, Algorithm: string(algorithm), PublicJWK: text, SealedKey: sealed, CreatedAt: now, ActiveFrom: activeFrom}, nil
}

// openKey opens a row. The public half is taken from the sealed private one, which nobody without the root secret can make,
// and never from the row's public column, which is there for people: who can write to the table cannot add a key of his own.
func openKey(sealKey []byte, row keyRow) (*signingKey, error) {
	der, err := open(sealKey, row.SealedKey, boundTo(row.Kid))
	if err != nil {
		return nil, fmt.Errorf("signing key %s does not open under the root secret of this database", row.Kid)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("signing key %s is not a private key", row.Kid)
	}
	algorithm, private, err := algorithmOf(parsed)
	if err != nil || string(algorithm) != row.Algorithm {
		return nil, fmt.Errorf("signing key %s is not a key for its algorithm", row.Kid)
	}
	public, err := publicJWK(private.Public())
	if err != nil || public.Kid != row.Kid {
		return nil, fmt.Errorf("signing key %s does not have that thumbprint", row.Kid)
	}
	header := fmt.Sprintf(`{"alg":"%s","typ":"%s","kid":"%s"}`, algorithm, accessType, row.Kid)
	return &signingKey{
		kid: row.Kid, algorithm: algorithm, jwk: public, public: private.Public(), private: hide(private),
		header:     base64.RawURLEncoding.EncodeToString([]byte(header)) + ".",
		activeFrom: row.ActiveFrom, retiredAt: row.RetiredAt, expiresAt: row.ExpiresAt,
	}, nil
}

// boundTo ties a sealed key to its id, so that two rows cannot swap theirs.
func boundTo(kid string) string { return "gatehouse signing key v1 " + kid }

// publicJWK describes a public key. Its kid is the key's thumbprint (RFC 7638), so one key has one id everywhere.
func publicJWK(public crypto.PublicKey) (jwk, error) {
	var k jwk
	var members string // the required ones, in lexicographic order without spaces
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		point, err := p.Bytes() // 4, then x and y in full length
		if err != nil {
			return jwk{}, fmt.Errorf("encode a public key: %w", err)
		}
		half := (len(point) - 1) / 2
		k = jwk{Kty: "EC", Alg: string(ES256), Crv: "P-256", X: encode(point[1 : 1+half]), Y: encode(point[1+half:])}
		members = fmt.Sprintf(`{"crv":"%s","kty":"%s","x":"%s","y":"%s"}`, k.Crv, k.Kty, k.X, k.Y)
	case ed25519.PublicKey:
		k = jwk{Kty: "OKP", Alg: string(EdDSA), Crv: "Ed25519", X: encode(p)}
		members = fmt.Sprintf(`{"crv":"%s","kty":"%s","x":"%s"}`, k.Crv, k.Kty, k.X)
	default:
		return jwk{}, fmt.Errorf("a public key of an unknown kind")
	}
	thumbprint := sha256.Sum256([]byte(members))
	k.Use, k.Kid = "sig", encode(thumbprint[:])
	return k, nil
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
