package token

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
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

// Seal encrypts a value for the database under the key of a purpose (AES-256-GCM under a random nonce): a back-up alone does
// not show it. bound is authenticated beside it, such as the id of its row, so that none stands in for another. One purpose
// is good for 2^32 values.
func (r *Root) Seal(purpose string, plaintext []byte, bound string) ([]byte, error) {
	return seal(r.Derive(purpose), plaintext, bound)
}

// Open undoes Seal. It returns ErrSealed for what was sealed by another installation, for another purpose or bound to
// another text, and for what has changed since.
func (r *Root) Open(purpose string, sealed []byte, bound string) ([]byte, error) {
	plain, err := open(r.Derive(purpose), sealed, bound)
	if err != nil {
		return nil, ErrSealed // the library's own error says no more
	}
	return plain, nil
}

// ErrSealed is a value that Seal did not make, or not for this.
var ErrSealed = errors.New("token: the sealed value is not ours, or has changed")

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
