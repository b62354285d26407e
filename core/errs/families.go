package errs

import "net/http"

// Family is a root of the hierarchy: a Go type that carries the status and code of every error under it that has none
// of its own. errors.As finds an error's family.
type Family interface {
	error
	Status() int
	Code() string
	Title() string
}

type (
	// InternalError is the base: whatever no other family covers, overload and limits included.
	InternalError struct{}
	// ValidationError is input that cannot be accepted as it is.
	ValidationError struct{}
	// AuthenticationError is a missing or worthless token.
	AuthenticationError struct{}
	// AuthorizationError is a valid principal that may not do this.
	AuthorizationError struct{}
	// NotFoundError is a thing, or a way to it, that does not exist for the caller.
	NotFoundError struct{}
	// ConflictError is a state that does not allow the change.
	ConflictError struct{}
)

// Status, Code and Title implement Family, Error implements error.
func (InternalError) Status() int   { return http.StatusInternalServerError }
func (InternalError) Code() string  { return "INTERNAL_ERROR" }
func (InternalError) Title() string { return "Internal error" }
func (InternalError) Error() string { return "internal error" }

func (ValidationError) Status() int   { return http.StatusBadRequest }
func (ValidationError) Code() string  { return "VALIDATION_ERROR" }
func (ValidationError) Title() string { return "Validation error" }
func (ValidationError) Error() string { return "validation error" }

func (AuthenticationError) Status() int   { return http.StatusUnauthorized }
func (AuthenticationError) Code() string  { return "AUTHENTICATION_ERROR" }
func (AuthenticationError) Title() string { return "Authentication error" }
func (AuthenticationError) Error() string { return "authentication error" }

func (AuthorizationError) Status() int   { return http.StatusForbidden }
func (AuthorizationError) Code() string  { return "AUTHORIZATION_ERROR" }
func (AuthorizationError) Title() string { return "Authorization error" }
func (AuthorizationError) Error() string { return "authorization error" }

func (NotFoundError) Status() int   { return http.StatusNotFound }
func (NotFoundError) Code() string  { return "NOT_FOUND" }
func (NotFoundError) Title() string { return "Not found" }
func (NotFoundError) Error() string { return "not found" }

func (ConflictError) Status() int   { return http.StatusConflict }
func (ConflictError) Code() string  { return "CONFLICT" }
func (ConflictError) Title() string { return "Conflict" }
func (ConflictError) Error() string { return "conflict" }
