package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"syscall"
)

// Kind is why there is no answer.
type Kind string

// The kinds.
const (
	Refused     Kind = "refused"     // by the guard: nothing was sent, and nothing will be while name and settings stay as they are
	Unresolved  Kind = "unresolved"  // the name has no address
	Unreachable Kind = "unreachable" // no connection
	Untrusted   Kind = "untrusted"   // the other side could not show that it is the host
	Late        Kind = "late"        // no answer within the time
	Broken      Kind = "broken"      // the connection ended, or what came was no answer
)

// Error says why there is no answer. Its text is for people, and holds neither the URL nor an address.
type Error struct {
	Kind    Kind
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

var (
	errAddress  = &Error{Refused, "refused by the guard: the host leads to an address that is not public"}
	errNoName   = &Error{Unresolved, "the name of the host does not resolve"}
	errResolver = &Error{Unresolved, "the name of the host could not be resolved"}
	errNoListen = &Error{Unreachable, "the host refused the connection"}
	errNoRoute  = &Error{Unreachable, "no connection to the host could be made"}
	errUntrust  = &Error{Untrusted, "the certificate of the host is not trusted"}
	errTLS      = &Error{Untrusted, "the host does not speak TLS as it should"}
	errLate     = &Error{Late, "no answer came in time"}
	errBroken   = &Error{Broken, "the connection broke before the answer was there"}
)

// classify gives the *Error of what went wrong, or the error of ctx where the caller has given up.
func classify(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return errUntrust
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return errLate
	}
	_, isRecord := errors.AsType[tls.RecordHeaderError](err)
	op, isOp := errors.AsType[*net.OpError](err)
	isAlert := isOp && (op.Op == "remote error" || op.Op == "local error") // as crypto/tls names them
	if isRecord || isAlert || errors.Is(err, http.ErrSchemeMismatch) {
		return errTLS
	}
	return errBroken
}

// classifyDial is classify for what keeps a connection from being made.
func classifyDial(err error) error {
	if own, ok := errors.AsType[*Error](err); ok {
		return own
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return errNoListen
	}
	return errNoRoute
}
