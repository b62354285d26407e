package sessions

import (
	"net/netip"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/secret"
)

// Client is what is kept of whoever used the session last, so that the owner can recognise it.
type Client struct {
	UserAgent string
	Addr      netip.Addr
}

// Started is a fresh session and the one copy of its refresh token.
type Started struct {
	ID           account.SessionID
	RefreshToken secret.String
}

// Refreshed is a session that goes on, and the refresh token to go on with.
type Refreshed struct {
	ID           account.SessionID
	Account      account.ID
	RefreshToken secret.String
}

// Session is what its owner is shown.
type Session struct {
	ID         account.SessionID
	UserAgent  string
	IP         string
	CreatedAt  time.Time
	LastUsedAt time.Time
	ExpiresAt  time.Time // when it expires unless it is used before
	EndedAt    time.Time // zero while it lives
	Reason     Reason    // of the end
}

// kept is what a row keeps about its owner.
type kept struct {
	id                                              account.SessionID
	userAgent, ip                                   string
	createdAt, lastUsedAt, idleExpiresAt, expiresAt time.Time
	endedAt                                         *time.Time // nil where nobody ended it
	reason                                          *string
}

// Reason is why a session ended.
type Reason string

// The reasons of the API contract. ReasonExpired is never written: a session expires without anyone's doing.
const (
	ReasonLogout         Reason = "logout"
	ReasonOtherDevice    Reason = "other_device"
	ReasonPasswordChange Reason = "password_change"
	ReasonReset          Reason = "reset"
	ReasonReuse          Reason = "reuse_detected"
	ReasonExpired        Reason = "expired"
	ReasonAdministrator  Reason = "administrator"
)

// session is a row. Its idle expiry is never later than its absolute one, so that it alone says when the session expires.
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

// rotation replaces a refresh token by its successor.
type rotation struct {
	session       account.SessionID
	generation    uint64 // of the token that is used
	usedDigest    []byte
	nextDigest    []byte
	now           time.Time
	idleExpiresAt time.Time
	client        Client
}

// lineage is what the row says about refresh tokens that are not its current one.
type lineage struct {
	state
	generation     uint64
	previousDigest []byte // nil before the first rotation
	rotatedAt      time.Time
}

// state is what every request with an access token depends on.
type state struct {
	account       account.ID
	idleExpiresAt time.Time
	expiresAt     time.Time
	ended         bool
	readAt        time.Time
}

// live says whether the session may still be used. It needs no clean-up job to become false.
func (s state) live(now time.Time) bool {
	return !s.ended && now.Before(s.idleExpiresAt) && now.Before(s.expiresAt)
}

// outdated says whether a session that does not seem to live may do so all the same: it was alive when the state was read,
// and somebody may have used it since.
func (s state) outdated(now time.Time) bool {
	return s.live(s.readAt) && now.Before(s.expiresAt)
}
