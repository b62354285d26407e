package sessions

import (
	"net/netip"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/secret"
)

// Client is what is kept of whoever signed in, so that the owner can recognise the session.
type Client struct {
	UserAgent string
	Addr      netip.Addr
}

// Started is a fresh session and the one copy of its refresh token.
type Started struct {
	ID           account.SessionID
	RefreshToken secret.String
}

// session is a row.
type session struct {
	id            account.SessionID
	account       account.ID
	generation    uint64 // of the refresh token
	currentDigest []byte
	createdAt     time.Time
	idleExpiresAt time.Time
	expiresAt     time.Time
	client        Client
}

// state is what every request with an access token depends on.
type state struct {
	account       account.ID
	idleExpiresAt time.Time
	expiresAt     time.Time
	ended         bool
}

// live says whether the session may still be used. It needs no clean-up job to become false.
func (s state) live(now time.Time) bool {
	return !s.ended && now.Before(s.idleExpiresAt) && now.Before(s.expiresAt)
}
