package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// keySize is the length in bytes of every symmetric key here.
const keySize = 32

// derive gives 32 bytes for one use of a uniformly random secret (HKDF-SHA-256, RFC 5869). The secret is uniform, so no salt
// is needed; info keeps the uses apart.
func derive(secret []byte, info string) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, info, keySize)
	if err != nil {
		panic(fmt.Sprintf("token: HKDF cannot give %d bytes: %v", keySize, err)) // only a longer output or FIPS-short key fails
	}
	return key
}

// seal encrypts with AES-256-GCM under a random nonce, which stands in front of the result. The few values sealed under
// one key stay far from the 2^32 that random nonces allow.
func seal(key, plaintext []byte, bound string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Seal(nil, nil, plaintext, []byte(bound)), nil //nolint:gosec // this AEAD makes its own random nonce
}

// open undoes seal. It fails for another key, another bound text or a changed byte, without saying which.
func open(key, sealed []byte, bound string) ([]byte, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return aead.Open(nil, nil, sealed, []byte(bound))
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
