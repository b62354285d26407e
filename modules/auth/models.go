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
	address   string // that it went to, as stored with the account: it dies when that differs
	createdAt time.Time
	expiresAt time.Time
	usedAt    *time.Time
}

// good says whether the token may still be used, as far as its row can tell.
func (t mailedToken) good(now time.Time) bool { return t.usedAt == nil && now.Before(t.expiresAt) }
