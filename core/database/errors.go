package database

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse/gatehouse/core/errs"
)

// gaveUp is the message where a context or a deadline ended first.
const gaveUp = "gave up"

// ErrNoRows comes from QueryRow(…).Scan when nothing matched, and from QueueChange or the end of its transaction.
var ErrNoRows = errors.New("database: no row matched")

// Mistakes of the program, not of the store: they become INTERNAL_ERROR.
var (
	errNested     = errors.New("database: InTx inside a transaction; pass the transaction on instead")
	errPoolInTx   = errors.New("database: the pool was asked under a transaction's context; use the transaction")
	errTxFinished = errors.New("database: the transaction has ended; it must not leave its function")
	errReadOnly   = errors.New("database: a statement that writes was given to Query or QueryRow of a DB; use Exec or a transaction")
)

// retryAfter is what clients are told when the store cannot answer.
const retryAfter = time.Second

// kind is what a refusal means to us.
type kind int

const (
	other       kind = iota
	unavailable      // away, full, overloaded, past its deadline
	retryable        // lost against another transaction; the same may succeed at once
	unique
	foreignKey
	noRow // was found by a statement that had to change one
)

// refusal is what the store said no with. It keeps what a log may hold: a code and, where it cannot contain a bound
// value, the store's sentence. The driver's error itself is dropped, since its details can quote rows.
type refusal struct {
	engine     Engine
	kind       kind
	code       string // SQLSTATE, or SQLite's extended result code
	message    string
	constraint string
	cause      error // a context's or the network's error
	lost       bool  // the connection is gone
}

// Error implements error.
func (r *refusal) Error() string {
	s := string(r.engine)
	if r.code != "" {
		s += " " + r.code
	}
	if r.constraint != "" {
		s += " on " + r.constraint
	}
	if r.message != "" {
		s += ": " + r.message
	}
	if r.cause != nil {
		s += ": " + r.cause.Error()
	}
	return s
}

// Unwrap gives the context's or the network's error.
func (r *refusal) Unwrap() error { return r.cause }

// answer is the error for callers: errs.ErrUnavailable around what the store may recover from, ErrNoRows, else the refusal
// itself.
func (r *refusal) answer() error {
	switch r.kind {
	case unavailable, retryable:
		return errs.ErrUnavailable.WithRetryAfter(retryAfter).WithCause(r)
	case noRow:
		return ErrNoRows
	default:
		return r
	}
}

// UniqueViolation says whether err comes from a unique index, and from which: its name is the same on both engines,
// <table>_<column>[_<column>]_key, or <table>_pkey for the primary key.
func UniqueViolation(err error) (constraint string, ok bool) { return violation(err, unique) }

// ForeignKeyViolation says whether err comes from a foreign key. SQLite does not name the key; constraint is empty there.
func ForeignKeyViolation(err error) (constraint string, ok bool) { return violation(err, foreignKey) }

func violation(err error, k kind) (string, bool) {
	var r *refusal
	if errors.As(err, &r) && r.kind == k {
		return r.constraint, true
	}
	return "", false
}

// gone says that the connection was lost by itself, and not because we gave up on it.
func (r *refusal) gone() bool { return r.lost && contextError(r.cause) == nil }

// mute describes an error without its text, which could hold a bound value.
func mute(engine Engine, err error) *refusal {
	return &refusal{engine: engine, message: fmt.Sprintf("%T from the driver", err)}
}

func contextError(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			return known
		}
	}
	return nil
}
