package sessions

import (
	"errors"

	"github.com/gatehouse/gatehouse/core/errs"
)

var (
	// ErrEnded is a session that ended, expired, or never was. The client is told no more than of any other token.
	ErrEnded = errs.ErrInvalidToken.WithCause(errors.New("the session has ended"))
	// ErrRefreshToken is a text that is no refresh token of ours, or one that is worth nothing any more; the client cannot
	// tell which.
	ErrRefreshToken = errs.Authentication("", "the refresh token is unknown, expired, used or revoked")
	// ErrNotFound is a session that does not live, or is another's.
	ErrNotFound = errs.NotFound("there is no such session")
)
