package page

import (
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	// KeySize is the bytes of a Codec's key.
	KeySize = chacha20poly1305.KeySize
	// MaxCursor is the most characters of a cursor: a text of 100 characters of any kind, folded, has its place in it.
	MaxCursor = 2048

	version = 1
)

// ErrTooLong is a position whose cursor would be over MaxCursor. It is a fault of the list that sorts by such values, not
// of the client.
var ErrTooLong = errors.New("page: position is too long for a cursor")

// Codec makes cursors and reads them. They are sealed with XChaCha20-Poly1305 (RFC 8439, extended nonce), and not only
// signed, since the values that a list is sorted by may be personal, and cursors travel in URLs. The random nonce of 192
// bits is safe for any number of cursors under one key. A Codec is safe for concurrent use.
type Codec struct{ aead cipher.AEAD }

// NewCodec makes a Codec. It panics when key is not KeySize bytes long, which is a fault of the program.
func NewCodec(key []byte) *Codec {
	aead, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(fmt.Sprintf("page: the key has %d bytes, not %d", len(key), KeySize))
	}
	return &Codec{aead}
}

// Scope names a list together with all that shapes it: the operation, its sort, and each filter as given. Scopes of
// different parts are different however the parts are cut.
func Scope(operation string, parts ...string) string {
	b := appendText(nil, operation)
	for _, p := range parts {
		b = appendText(b, p)
	}
	return string(b)
}

// Encode makes the cursor of a position, for use with the same scope only. Values are string, int, int64, bool, time.Time
// (cut to microseconds), encoding.TextMarshaler, pointers to those, and nil. It fails on other types and with ErrTooLong.
func (c *Codec) Encode(scope string, values ...any) (string, error) {
	nonce := make([]byte, chacha20poly1305.NonceSizeX, 256)
	_, _ = rand.Read(nonce) // it never fails
	var plain []byte
	for _, v := range values {
		var err error
		if plain, err = appendValue(plain, v); err != nil {
			return "", err
		}
	}
	sealed := c.aead.Seal(nonce, nonce, plain, bound(scope))
	if base64.RawURLEncoding.EncodedLen(len(sealed)) > MaxCursor {
		return "", ErrTooLong
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// Decode reads a cursor that Encode made with this scope into pointers to the same types; what may be nil needs a pointer
// to a pointer. It returns ErrCursor for everything else. Nothing is to be used from into then.
func (c *Codec) Decode(scope, cursor string, into ...any) error {
	if len(cursor) > MaxCursor {
		return ErrCursor
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(sealed) < chacha20poly1305.NonceSizeX || base64.RawURLEncoding.EncodedLen(len(sealed)) != len(cursor) {
		return ErrCursor // the length differs where line breaks were skipped
	}
	nonce, box := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	plain, err := c.aead.Open(nil, nonce, box, bound(scope))
	if err != nil {
		return ErrCursor
	}
	for _, target := range into {
		var ok bool
		if plain, ok = readValue(plain, target); !ok {
			return ErrCursor
		}
	}
	if len(plain) > 0 {
		return ErrCursor
	}
	return nil
}

// bound is what a cursor is tied to without holding it.
func bound(scope string) []byte {
	digest := sha256.Sum256([]byte(scope))
	return append([]byte{version}, digest[:]...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
