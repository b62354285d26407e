package errs

import "net/http"

// The errors that core itself answers with. INVALID_CREDENTIALS and the reasons of modules are declared where they arise.
var (
	ErrInternal             = New(InternalError{}, "", "something went wrong on our side")
	ErrValidation           = New(ValidationError{}, "", "the request is not valid")
	ErrAuthentication       = New(AuthenticationError{}, "", "a valid access token is needed")
	ErrInvalidToken         = New(AuthenticationError{}, "", "the access token is malformed, expired, revoked or not ours") // whichever it is, nobody is told
	ErrAuthorization        = New(AuthorizationError{}, "", "you may not do this")
	ErrNotFound             = New(NotFoundError{}, "", "there is nothing here")
	ErrMethodNotAllowed     = Define(NotFoundError{}, http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED", "Method not allowed", "this path does not take this method")
	ErrConflict             = New(ConflictError{}, "", "the current state does not allow this")
	ErrPreconditionFailed   = Define(ConflictError{}, http.StatusPreconditionFailed, "PRECONDITION_FAILED", "Precondition failed", "the resource has changed since it was read")
	ErrPayloadTooLarge      = Define(ValidationError{}, http.StatusRequestEntityTooLarge, "PAYLOAD_TOO_LARGE", "Payload too large", "the body is larger than this operation takes")
	ErrUnsupportedMediaType = Define(ValidationError{}, http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Unsupported media type", "the body is not of a media type that this operation takes")
	ErrRateLimited          = Define(InternalError{}, http.StatusTooManyRequests, "RATE_LIMITED", "Too many requests", "too many requests; try again later")
	ErrUnavailable          = Define(InternalError{}, http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "Service unavailable", "the service cannot answer just now; try again shortly")
)
