package users

import (
	"time"

	"github.com/gatehouse/gatehouse/core/account"
)

// User is an account as the module's callers see it. The password hash is never part of it.
type User struct {
	ID            account.ID
	Email         string // as its owner wrote it
	EmailVerified bool
	FullName      string
	Role          account.Role
	IsActive      bool
	Avatar        *string
	Locale        *string
	Timezone      *string
	Version       int64 // grows with every change of the row
	CreatedAt     time.Time
	UpdatedAt     time.Time
	LastLoginAt   *time.Time
}

// administers says whether the account counts as an administrator's.
func (u *User) administers() bool { return u.Role == account.RoleAdmin && u.IsActive }

// NewUser is what an account begins with.
type NewUser struct {
	Email         account.Email
	EmailVerified bool
	FullName      string
	Role          account.Role
	PasswordHash  string // PHC string; empty leaves the account without a password
}

// Credentials are what a password is checked against.
type Credentials struct {
	ID            account.ID
	Email         string // as its owner wrote it
	PasswordHash  string // empty where the account has no password
	Role          account.Role
	IsActive      bool
	EmailVerified bool
}
