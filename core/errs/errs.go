// Package errs is the error hierarchy: six families, and under them the finer errors of core and modules. An *Error is
// what a client may see; anything else becomes INTERNAL_ERROR at the border, where core/httpapi turns errors into problem
// details (RFC 9457). No message here may hold input.
package errs

import (
	"errors"
	"time"
)

// Error is an answer for a client. Declare one per reason as a package variable, compare with errors.Is, and add facts of
// the moment with the With methods, which copy. errors.As finds its family.
type Error struct {
	family     Family
	status     int
	code       string
	title      string
	detail     string
	reason     string
	fields     []Field
	retryAfter time.Duration
	origin     *Error // what the With methods copied, so that errors.Is finds it
	cause      error  // for the log alone
}

// New declares an error of the family: reason is finer than its code and may be empty, detail is one sentence for people.
func New(family Family, reason, detail string) *Error {
	return &Error{family: family, status: family.Status(), code: family.Code(), title: family.Title(), detail: detail, reason: reason}
}

// Conflict declares an error under ConflictError.
func Conflict(reason, detail string) *Error { return New(ConflictError{}, reason, detail) }

// NotFound declares an error under NotFoundError.
func NotFound(detail string) *Error { return New(NotFoundError{}, "", detail) }

// Authentication declares an error under AuthenticationError.
func Authentication(reason, detail string) *Error { return New(AuthenticationError{}, reason, detail) }

// Authorization declares an error under AuthorizationError.
func Authorization(reason, detail string) *Error { return New(AuthorizationError{}, reason, detail) }

// Validation declares an error under ValidationError.
func Validation(reason, detail string) *Error { return New(ValidationError{}, reason, detail) }

// Define declares an error with a status and code of its own under a family.
func Define(family Family, status int, code, title, detail string) *Error {
	return &Error{family: family, status: status, code: code, title: title, detail: detail}
}

// Status is the HTTP status.
func (e *Error) Status() int { return e.status }

// Code is the stable upper-case name of the kind of error, for programs.
func (e *Error) Code() string { return e.code }

// Title is the code in words.
func (e *Error) Title() string { return e.title }

// Detail is one sentence for people.
func (e *Error) Detail() string { return e.detail }

// Reason is finer than Code, or empty.
func (e *Error) Reason() string { return e.reason }

// Fields says what is wrong with the input and where.
func (e *Error) Fields() []Field { return e.fields }

// RetryAfter says when to try again; zero says nothing.
func (e *Error) RetryAfter() time.Duration { return e.retryAfter }

// Error implements error. It holds the cause, so it is for the log alone.
func (e *Error) Error() string {
	s := e.code
	if e.reason != "" {
		s += " (" + e.reason + ")"
	}
	if e.cause != nil {
		return s + ": " + e.cause.Error()
	}
	return s + ": " + e.detail
}

// Is makes a copy of a declared error match it.
func (e *Error) Is(target error) bool { return e.origin != nil && error(e.origin) == target }

// Unwrap gives the family and the cause.
func (e *Error) Unwrap() []error {
	if e.cause == nil {
		return []error{e.family}
	}
	return []error{e.family, e.cause}
}

// WithCause keeps what went wrong inside, for the log alone.
func (e *Error) WithCause(cause error) *Error {
	c := e.copy()
	c.cause = cause
	return c
}

// WithFields says which parts of the input are wrong.
func (e *Error) WithFields(fields ...Field) *Error {
	c := e.copy()
	c.fields = fields
	return c
}

// WithRetryAfter says when to try again.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	c := e.copy()
	c.retryAfter = d
	return c
}

// WithDetail replaces the sentence for people.
func (e *Error) WithDetail(detail string) *Error {
	c := e.copy()
	c.detail = detail
	return c
}

func (e *Error) copy() *Error {
	c := *e
	if c.origin == nil {
		c.origin = e
	}
	return &c
}

// From finds the *Error in err's chain; an error without one is ErrInternal with err as its cause.
func From(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return ErrInternal.WithCause(err)
}
