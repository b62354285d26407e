package auth

import (
	"net/http"

	"github.com/gatehouse/gatehouse/core/errs"
)

var (
	// ErrInvalidCredentials is a wrong e-mail address or password, or an account that is unknown, disabled or without a
	// password: one answer for all.
	ErrInvalidCredentials = errs.Define(errs.ValidationError{}, http.StatusBadRequest, "INVALID_CREDENTIALS", "Invalid credentials", "the e-mail address or the password is wrong")
	// errCurrentPassword is ErrInvalidCredentials of someone who is signed in.
	errCurrentPassword = ErrInvalidCredentials.WithDetail("the current password is wrong").
				WithFields(errs.Field{Pointer: "#/current_password", Code: errs.NotAllowed, Message: "is not the account's password"})
	// ErrInvalidToken is a mailed token that is not ours, of another purpose, used, expired, replaced by a newer one, or of an
	// account that is no longer what it was mailed to; the client cannot tell which.
	ErrInvalidToken = errs.Validation("invalid_token", "the token is unknown, used or expired")
	// ErrInactive is an account that may not sign in, with whatever password.
	ErrInactive = errs.Conflict("user_inactive", "the user is not active; activate them first")
	// ErrRegistrationClosed says that nobody may register.
	ErrRegistrationClosed = errs.Authorization("registration_closed", "this service does not take registrations")
	// ErrEmailNotVerified is a right password of an account whose address still has to be verified.
	ErrEmailNotVerified = errs.Authorization("email_not_verified", "the e-mail address has to be verified before the first login")
)
