package token

import (
	"crypto/subtle"
	"strings"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/secret"
)

// MailedPrefix begins every token that goes out by mail, so that people and secret scanners recognise one.
const MailedPrefix = "gtm_"

// MailedPurpose is what a mailed token is for. It is under the token's tag, so that a token of one purpose is nothing for
// another.
type MailedPurpose string

// The purposes of the links that are mailed.
const (
	MailedReset  MailedPurpose = "reset"  // sets a new password
	MailedInvite MailedPurpose = "invite" // sets the first one
	MailedVerify MailedPurpose = "verify" // shows that an address is its owner's
	MailedChange MailedPurpose = "change" // gives an account the address that it was mailed to
)

// MailedID names one mailed token: the key of its row, and no secret.
type MailedID = uuid.UUID

// NewMailedID makes a fresh MailedID. It panics only where the system has no randomness left.
func NewMailedID() MailedID { return uuid.Must(uuid.NewV7()) }

// A mailed token is the prefix and the base64url of: id, tag. The sizes in bytes add up to a multiple of three, so one
// token has one spelling.
const (
	mailedTagSize = 32
	mailedSize    = len(MailedID{}) + mailedTagSize
	mailedLen     = len(MailedPrefix) + mailedSize*4/3
)

// MailedTokens makes and reads the tokens in mailed links. A token follows from its id and the root secret, so nothing that
// opens an account is stored or waits in a job: the one who sends the mail makes the token anew from its row. It is safe
// for concurrent use.
type MailedTokens struct{ key hidden[[]byte] }

// NewMailedTokens derives the key from the root secret.
func NewMailedTokens(root *Root) *MailedTokens {
	return &MailedTokens{hide(root.Derive(PurposeMailedToken))}
}

// Token gives the token of an id: always the same one, which nobody without the root secret can find.
func (t *MailedTokens) Token(purpose MailedPurpose, id MailedID) secret.String {
	return secret.New(MailedPrefix + encode(append(id[:], t.tagOf(purpose, id)...)))
}

// Parse reads a token of the purpose. It is false for every text that Token did not make for it, in about a microsecond and
// without a store; nothing else can be told about such a text, and it is an unknown token rather than a malformed one.
// Whether a genuine one is still good only its row can tell.
func (t *MailedTokens) Parse(purpose MailedPurpose, text string) (MailedID, bool) {
	encoded, ok := strings.CutPrefix(text, MailedPrefix)
	if !ok || len(text) != mailedLen || strings.ContainsAny(encoded, "\r\n") { // the decoder would pass over line breaks
		return MailedID{}, false
	}
	var raw [mailedSize]byte
	if n, err := strictBase64.Decode(raw[:], []byte(encoded)); err != nil || n != mailedSize {
		return MailedID{}, false
	}
	id := MailedID(raw[:len(MailedID{})])
	if subtle.ConstantTimeCompare(t.tagOf(purpose, id), raw[len(id):]) != 1 {
		return MailedID{}, false
	}
	return id, true
}

func (t *MailedTokens) tagOf(purpose MailedPurpose, id MailedID) []byte {
	return mac(t.key(), []byte(MailedPrefix), id[:], []byte(purpose))
}
