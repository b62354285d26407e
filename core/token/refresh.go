package token

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"strings"

	"github.com/gatehouse/gatehouse/core/account"
)

// RefreshPrefix begins every refresh token, so that people and secret scanners recognise one.
const RefreshPrefix = "gtr_"

// A refresh token is the prefix and the base64url of: session id, generation (big-endian), secret, tag. The sizes in bytes
// add up to a multiple of three, so one token has one spelling.
const (
	sessionSize    = 16
	generationSize = 8
	refreshSecret  = 32
	tagSize        = 16
	refreshSize    = sessionSize + generationSize + refreshSecret + tagSize
	refreshLen     = len(RefreshPrefix) + refreshSize*4/3
	tagged         = refreshSize - tagSize // the tag is over what stands before it
)

// RefreshTokens makes and reads refresh tokens. A token's tag shows that we made it, whatever its generation, with no look
// at a store: an old one is recognised as such, and a forged one can revoke nothing. It is safe for concurrent use.
type RefreshTokens struct{ keys hidden[*refreshKeys] }

type refreshKeys struct{ tag, next, digest []byte }

// Refresh is a genuine refresh token. It prints without its secret.
type Refresh struct {
	Session    account.SessionID
	Generation uint64 // the first token of a session has 0, each successor one more; at most math.MaxInt64
	keys       hidden[*refreshKeys]
	raw        hidden[*[refreshSize]byte]
}

// NewRefreshTokens derives the keys from the root secret.
func NewRefreshTokens(root *Root) *RefreshTokens {
	return &RefreshTokens{hide(&refreshKeys{
		tag:    root.Derive(PurposeRefreshTag),
		next:   root.Derive(PurposeRefreshNext),
		digest: root.Derive(PurposeRefreshDigest),
	})}
}

// New makes the first refresh token of a session, with a random secret.
func (t *RefreshTokens) New(session account.SessionID) Refresh {
	var secret [refreshSecret]byte
	_, _ = rand.Read(secret[:]) // never fails: crypto/rand ends the program where there is no randomness
	return t.assemble(session, 0, secret[:])
}

// Parse reads a refresh token. It is false for every text that New and Successor did not make, in about a microsecond and
// without a store; nothing else can be told about such a text, and it is an unknown token rather than a malformed one.
func (t *RefreshTokens) Parse(text string) (Refresh, bool) {
	encoded, ok := strings.CutPrefix(text, RefreshPrefix)
	if !ok || len(text) != refreshLen || strings.ContainsAny(encoded, "\r\n") { // the decoder would pass over line breaks
		return Refresh{}, false
	}
	raw := new([refreshSize]byte)
	if n, err := strictBase64.Decode(raw[:], []byte(encoded)); err != nil || n != refreshSize {
		return Refresh{}, false
	}
	if !hmac.Equal(t.keys().tagOf(raw), raw[tagged:]) {
		return Refresh{}, false
	}
	r := Refresh{Session: account.SessionID(raw[:sessionSize]), Generation: binary.BigEndian.Uint64(raw[sessionSize:]), keys: t.keys, raw: hide(raw)}
	return r, r.Generation <= math.MaxInt64
}

// Successor is the token that follows r: always the same one, so that it can be given again while only digests are stored.
func (t *RefreshTokens) Successor(r Refresh) Refresh {
	next := mac(t.keys().next, r.raw()[:tagged])
	return t.assemble(r.Session, r.Generation+1, next)
}

// Token is the text for the client.
func (r Refresh) Token() string { return RefreshPrefix + encode(r.raw()[:]) }

// Digest is what the database keeps: 32 bytes, under a key of the installation, from which the token cannot be found.
func (r Refresh) Digest() []byte { return mac(r.keys().digest, r.raw()[:tagged]) }

func (t *RefreshTokens) assemble(session account.SessionID, generation uint64, secret []byte) Refresh {
	raw := new([refreshSize]byte)
	copy(raw[:], session[:])
	binary.BigEndian.PutUint64(raw[sessionSize:], generation)
	copy(raw[sessionSize+generationSize:], secret)
	copy(raw[tagged:], t.keys().tagOf(raw))
	return Refresh{Session: session, Generation: generation, keys: t.keys, raw: hide(raw)}
}

func (k *refreshKeys) tagOf(raw *[refreshSize]byte) []byte {
	return mac(k.tag, []byte(RefreshPrefix), raw[:tagged])[:tagSize]
}

// mac is HMAC-SHA-256 (RFC 2104) over the parts; all but the last are of fixed length, so no two lists of parts collide.
func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}
