package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"math/big"
)

// Algorithm is a JWS signature algorithm (RFC 7518 section 3.1, RFC 8037 section 3.1). Each key has exactly one.
type Algorithm string

// The algorithms that a signing key may have; there is no other, and none is chosen by a token.
const (
	ES256 Algorithm = "ES256" // ECDSA on P-256 with SHA-256
	EdDSA Algorithm = "EdDSA" // Ed25519
)

// signatureSize is the length of a signature in bytes, the same for both algorithms.
const signatureSize = 64

// UnmarshalText implements encoding.TextUnmarshaler for settings.
func (a *Algorithm) UnmarshalText(b []byte) error {
	if !Algorithm(b).valid() {
		return fmt.Errorf("must be ES256 or EdDSA")
	}
	*a = Algorithm(b)
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (a Algorithm) MarshalText() ([]byte, error) { return []byte(a), nil }

func (a Algorithm) valid() bool { return a == ES256 || a == EdDSA }

// generate makes a fresh private key.
func (a Algorithm) generate() (crypto.Signer, error) {
	switch a {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	default:
		return nil, fmt.Errorf("unknown signature algorithm")
	}
}

// algorithmOf says which algorithm a private key is for; a key on another curve is for none.
func algorithmOf(private any) (Algorithm, crypto.Signer, error) {
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		if p.Curve == elliptic.P256() {
			return ES256, p, nil
		}
	case ed25519.PrivateKey:
		return EdDSA, p, nil
	}
	return "", nil, fmt.Errorf("a private key of an unknown kind")
}

// sign gives the JWS signature over the input: for ES256 the two numbers in 32 bytes each (RFC 7518 section 3.4).
func sign(private crypto.Signer, input []byte) ([]byte, error) {
	switch p := private.(type) {
	case *ecdsa.PrivateKey:
		digest := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, p, digest[:])
		if err != nil {
			return nil, err
		}
		signature := make([]byte, signatureSize)
		r.FillBytes(signature[:signatureSize/2])
		s.FillBytes(signature[signatureSize/2:])
		return signature, nil
	case ed25519.PrivateKey:
		return ed25519.Sign(p, input), nil
	default:
		return nil, fmt.Errorf("a private key of an unknown kind")
	}
}

// verifySignature checks a signature with the one algorithm that the public key's type allows.
func verifySignature(public crypto.PublicKey, input, signature []byte) bool {
	if len(signature) != signatureSize {
		return false
	}
	switch p := public.(type) {
	case *ecdsa.PublicKey:
		digest := sha256.Sum256(input)
		r := new(big.Int).SetBytes(signature[:signatureSize/2])
		s := new(big.Int).SetBytes(signature[signatureSize/2:])
		return ecdsa.Verify(p, digest[:], r, s)
	case ed25519.PublicKey:
		return ed25519.Verify(p, input, signature)
	default:
		return false
	}
}
