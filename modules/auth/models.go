package auth

import (
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/token"
)

// mailedToken is a row: what was mailed last to an account for a purpose. The token follows from id and purpose.
type mailedToken struct {
	id        token.MailedID
	account   account.ID
	purpose   token.MailedPurpose
	address   string  // that it went to, as stored with the account: it dies when that differs
	from      *string // that the account has in its place, of one that changes the address: it dies when that differs
	createdAt time.Time
	expiresAt time.Time
	usedAt    *time.Time
}

// previous is the address that a token which changes it was asked for from.
func (t mailedToken) previous() string {
	if t.from == nil {
		return ""
	}
	return *t.from
}

// good says whether the token may still be used, as far as its row can tell.
func (t mailedToken) good(now time.Time) bool { return t.usedAt == nil && now.Before(t.expiresAt) }
