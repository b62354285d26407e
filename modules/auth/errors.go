package auth

import (
	"net/http"

	"github.com/gatehouse/gatehouse/core/errs"
)

// ErrInvalidCredentials is a wrong e-mail address or password, or an account that is unknown, disabled or without a
// password: one answer for all.
var ErrInvalidCredentials = errs.Define(errs.ValidationError{}, http.StatusBadRequest, "INVALID_CREDENTIALS", "Invalid credentials", "the e-mail address or the password is wrong")
