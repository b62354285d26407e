package database

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// speakable are the SQLSTATE classes whose messages name objects and SQL text but never a bound value. Class 22, for one,
// quotes the value it could not read.
var speakable = map[string]bool{
	"08": true, "0A": true, "23": true, "25": true, "26": true, "28": true, "3D": true, "3F": true, "40": true, "42": true,
	"53": true, "54": true, "55": true, "57": true, "58": true, "XX": true,
}

// classifyPostgres turns a driver's error into ours; lost says that the connection is gone, and ctx is what the work was given.
func classifyPostgres(ctx context.Context, err error, lost bool) *refusal {
	var server *pgconn.PgError
	var scan pgx.ScanArgError
	var unsent pgx.ErrPreprocessingBatch
	switch {
	case errors.As(err, &server):
		return fromServer(server, lost)
	case contextError(err) != nil:
		return &refusal{engine: PostgreSQL, kind: unavailable, message: gaveUp, cause: contextError(err), lost: lost}
	case lost && ctx.Err() != nil: // giving up costs the connection, and one that was closed does not say why
		return &refusal{engine: PostgreSQL, kind: unavailable, message: gaveUp, cause: ctx.Err(), lost: true}
	case pgconn.Timeout(err): // the socket's deadline was ahead of the context's timer
		return &refusal{engine: PostgreSQL, kind: unavailable, message: gaveUp, cause: context.DeadlineExceeded, lost: lost}
	case errors.As(err, &scan):
		return &refusal{engine: PostgreSQL, message: fmt.Sprintf("column %d (%s) does not fit its destination", scan.ColumnIndex, scan.FieldName)}
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return &refusal{engine: PostgreSQL, message: "the transaction had failed before its commit"}
	case err.Error() == "closed pool":
		return &refusal{engine: PostgreSQL, kind: unavailable, message: "closed"}
	}
	r := mute(PostgreSQL, err)
	network := networkError(err)
	switch {
	case network != nil:
		r.kind, r.message, r.cause, r.lost = unavailable, "no connection", network, true
	case errors.As(err, &unsent): // that pgx drops the connection for it says nothing about the server
		r.message = "a value cannot be sent"
	case err.Error() == "conn busy":
		r.message = "rows of an earlier statement are still open"
	case lost || isConnect(err):
		r.kind, r.message, r.lost = unavailable, "no connection", true
	}
	return r
}

func fromServer(e *pgconn.PgError, lost bool) *refusal {
	r := &refusal{engine: PostgreSQL, code: e.Code, constraint: e.ConstraintName, lost: lost}
	class := ""
	if len(e.Code) == 5 {
		class = e.Code[:2]
	}
	if speakable[class] {
		r.message = e.Message
	}
	switch {
	case e.Code == "23505":
		r.kind = unique
	case e.Code == "23503":
		r.kind = foreignKey
	case e.Code == "22P02" && strings.Contains(e.Message, noRowChanged):
		r.kind = noRow
	case e.Code == "40001" || e.Code == "40P01":
		r.kind = retryable
	case strings.HasPrefix(e.Code, "57P"), class == "08", e.Code == "25006":
		// shut down, lost, or a standby by now: every connection to that server is worth nothing
		r.kind, r.lost = unavailable, true
	case class == "53", class == "57", class == "58", class == "28", e.Code == "55P03", e.Code == "3D000", e.Code == "25P03", e.Code == "25P04":
		r.kind = unavailable
	case lost:
		r.kind = unavailable
	}
	return r
}

// networkError finds the part of the error that speaks of addresses alone.
func networkError(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op
	}
	for _, known := range []error{io.ErrUnexpectedEOF, io.EOF, net.ErrClosed} {
		if errors.Is(err, known) {
			return known
		}
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns
	}
	return nil
}

func isConnect(err error) bool {
	var c *pgconn.ConnectError
	return errors.As(err, &c)
}
