// Package account holds the few types that cross module borders: who an account is, which session it acts in, and
// what an authenticated request may rely on. It holds no rules and reaches no store.
package account

import (
	"database/sql/driver"
	"fmt"

	"github.com/google/uuid"
)

// ID identifies an account: a UUID version 7 (RFC 9562), lower-case in text.
type ID uuid.UUID

// NewID makes a fresh, time-ordered ID. It panics only where the system has no randomness left.
func NewID() ID { return ID(uuid.Must(uuid.NewV7())) }

// ParseID reads the lower-case hyphenated form alone, so that one account has one spelling.
func ParseID(s string) (ID, error) {
	u, err := parseUUID(s)
	return ID(u), err
}

// String gives the lower-case hyphenated form.
func (id ID) String() string { return uuid.UUID(id).String() }

// IsZero says whether id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalText implements encoding.TextMarshaler.
func (id ID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *ID) UnmarshalText(b []byte) error { return unmarshalUUID((*uuid.UUID)(id), b) }

// Value implements driver.Valuer.
func (id ID) Value() (driver.Value, error) { return id.String(), nil }

// Scan implements sql.Scanner.
func (id *ID) Scan(src any) error { return (*uuid.UUID)(id).Scan(src) }

// SessionID identifies a session; it is the access token's sid claim.
type SessionID uuid.UUID

// NewSessionID makes a fresh, time-ordered SessionID.
func NewSessionID() SessionID { return SessionID(uuid.Must(uuid.NewV7())) }

// ParseSessionID reads the lower-case hyphenated form alone.
func ParseSessionID(s string) (SessionID, error) {
	u, err := parseUUID(s)
	return SessionID(u), err
}

// String gives the lower-case hyphenated form.
func (id SessionID) String() string { return uuid.UUID(id).String() }

// IsZero says whether id was never set.
func (id SessionID) IsZero() bool { return id == SessionID{} }

// MarshalText implements encoding.TextMarshaler.
func (id SessionID) MarshalText() ([]byte, error) { return uuid.UUID(id).MarshalText() }

// UnmarshalText implements encoding.TextUnmarshaler.
func (id *SessionID) UnmarshalText(b []byte) error { return unmarshalUUID((*uuid.UUID)(id), b) }

// Value implements driver.Valuer.
func (id SessionID) Value() (driver.Value, error) { return id.String(), nil }

// Scan implements sql.Scanner.
func (id *SessionID) Scan(src any) error { return (*uuid.UUID)(id).Scan(src) }

// Role is what an account may do as a whole.
type Role string

// The built-in roles: RoleAdmin holds every permission, RoleUser none.
const (
	RoleUser  Role = "user"
	RoleAdmin Role = "admin"
)

// Principal is who a request acts for, as the stores say at the time of the request and not as its token says.
type Principal struct {
	Account ID
	Session SessionID
	Role    Role
}

func parseUUID(s string) (uuid.UUID, error) {
	u, err := uuid.Parse(s)
	if err != nil || u.String() != s {
		return uuid.UUID{}, fmt.Errorf("not a lower-case UUID")
	}
	return u, nil
}

func unmarshalUUID(u *uuid.UUID, b []byte) error {
	parsed, err := parseUUID(string(b))
	if err == nil {
		*u = parsed
	}
	return err
}
