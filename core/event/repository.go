package event

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// repository holds the only SQL of this package.
type repository struct{ q database.Querier }

// row is an event before it has a place.
type row struct {
	id       uuid.UUID
	name     string
	source   string
	subject  account.ID
	at       time.Time
	data     json.RawMessage
	personal json.RawMessage
	trace    string
}

func (r repository) insert(ctx context.Context, rows []row) error {
	return database.InChunks(rows, func(chunk []row) error { return r.insertChunk(ctx, chunk) })
}

func (r repository) insertChunk(ctx context.Context, rows []row) error {
	const one = `(?, ?, ?, ?, ?, ?, ?, ?)`
	args := make([]any, 0, 8*len(rows))
	for _, e := range rows {
		var trace *string
		if e.trace != "" {
			trace = &e.trace
		}
		args = append(args, e.id, e.name, e.source, e.subject, e.at, e.data, e.personal, trace)
	}
	return r.q.Queue(ctx, `INSERT INTO gatehouse_events (id, type, source, subject, occurred_at, data, personal, traceparent) VALUES `+
		one+strings.Repeat(`, `+one, len(rows)-1), args...)
}

// lockOrder locks the order until the transaction ends, and gives the last number.
func (r repository) lockOrder(ctx context.Context) (last int64, err error) {
	err = r.q.ExecRow(ctx, `UPDATE gatehouse_event_order SET last = last WHERE singleton = 1 RETURNING last`).Scan(&last)
	return last, err
}

func (r repository) setLast(ctx context.Context, last int64) error {
	return r.q.Queue(ctx, `UPDATE gatehouse_event_order SET last = ? WHERE singleton = 1`, last)
}

// number numbers the first events without a number. It orders as gatehouse_events_unnumbered_idx does.
func (r repository) number(ctx context.Context, last int64, limit int) (int64, error) {
	return r.q.Exec(ctx, `
		UPDATE gatehouse_events SET number = n.number FROM (
			SELECT position, ? + row_number() OVER (ORDER BY position) AS number FROM (
				SELECT position FROM gatehouse_events WHERE number IS NULL ORDER BY number, position LIMIT ?) AS first) AS n
		WHERE gatehouse_events.position = n.position`, last, limit)
}

// stored is an event as it lies in the table.
type stored struct { //nolint:recvcheck // scan fills it; what is read is a value
	Envelope
	number   *int64 // nil before it has one
	position int64
}

const eventColumns = `e.position, e.number, e.id, e.type, e.source, e.subject, e.occurred_at, e.data, e.personal, e.traceparent`

// scan reads eventColumns, and what is before them.
func (s *stored) scan(rows *database.Rows, before ...any) error {
	var personal json.RawMessage
	var trace *string
	err := rows.Scan(append(before, &s.position, &s.number, &s.ID, &s.Type, &s.Source, &s.Subject, &s.Time, &s.Data, &personal, &trace)...)
	if err != nil {
		return err
	}
	if trace != nil {
		s.TraceParent = *trace
	}
	s.Data, err = merge(s.Data, personal)
	return err
}

// after gives the events behind a number, in order.
func (r repository) after(ctx context.Context, number int64, limit int) ([]stored, error) {
	rows, err := r.q.Query(ctx, `SELECT `+eventColumns+` FROM gatehouse_events e WHERE e.number > ? ORDER BY e.number LIMIT ?`, number, limit)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

func collect(rows *database.Rows) ([]stored, error) {
	defer rows.Close()
	var all []stored
	for rows.Next() {
		var s stored
		if err := s.scan(rows); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// list gives the newest events that meet the filter, the newest first.
func (r repository) list(ctx context.Context, f Filter) ([]stored, error) {
	where, args := ` WHERE e.position > 0`, []any{}
	if !f.Subject.IsZero() {
		where, args = where+` AND e.subject = ?`, append(args, f.Subject)
	}
	if f.Type != "" {
		where, args = where+` AND e.type = ?`, append(args, f.Type)
	}
	rows, err := r.q.Query(ctx, `SELECT `+eventColumns+` FROM gatehouse_events e`+where+` ORDER BY e.position DESC LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, err
	}
	return collect(rows)
}

// byID gives ErrNotFound where there is no such event.
func (r repository) byID(ctx context.Context, id uuid.UUID) (stored, error) {
	rows, err := r.q.Query(ctx, `SELECT `+eventColumns+` FROM gatehouse_events e WHERE e.id = ?`, id)
	if err != nil {
		return stored{}, err
	}
	all, err := collect(rows)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return stored{}, err
	}
	return all[0], nil
}

func (r repository) erasePersonal(ctx context.Context, id account.ID) error {
	return r.q.Queue(ctx, `UPDATE gatehouse_events SET personal = NULL WHERE subject = ? AND personal IS NOT NULL`, id)
}

// eraseErrors takes out what handlers said of an account's events, which may quote them.
func (r repository) eraseErrors(ctx context.Context, id account.ID) error {
	return r.q.Queue(ctx, `
		UPDATE gatehouse_event_deliveries SET error = NULL WHERE number IN (SELECT number FROM gatehouse_events WHERE subject = ?)`, id)
}

// sight is what a relay sees when it looks.
type sight struct {
	last         int64 // number
	unnumbered   bool
	destinations map[string]destination
}

// destination is a row, and when the first of its deliveries is due.
type destination struct {
	readTo     int64
	owner      *string
	leaseUntil *time.Time
	retryAt    *time.Time
	due        *time.Time
}

func (r repository) look(ctx context.Context) (sight, error) {
	rows, err := r.q.Query(ctx, `
		SELECT o.last, EXISTS (SELECT 1 FROM gatehouse_events WHERE number IS NULL), d.name, d.read_to, d.lease_owner, d.lease_until, d.retry_at,
			(SELECT min(x.due_at) FROM gatehouse_event_deliveries x WHERE x.destination = d.name AND x.due_at IS NOT NULL)
		FROM gatehouse_event_order o LEFT JOIN gatehouse_event_destinations d ON 1 = 1 WHERE o.singleton = 1`)
	if err != nil {
		return sight{}, err
	}
	defer rows.Close()
	s := sight{destinations: map[string]destination{}}
	for rows.Next() {
		var d destination
		var name *string
		var readTo *int64
		if err := rows.Scan(&s.last, &s.unnumbered, &name, &readTo, &d.owner, &d.leaseUntil, &d.retryAt, &d.due); err != nil {
			return sight{}, err
		}
		if name != nil {
			d.readTo = *readTo
			s.destinations[*name] = d
		}
	}
	return s, rows.Err()
}

// measure gives for each destination how many events it has not got, how many were set aside, and when the oldest it has not
// got happened.
func (r repository) measure(ctx context.Context, each func(name string, behind, dead int64, oldest *time.Time)) error {
	rows, err := r.q.Query(ctx, `
		SELECT d.name, o.last - d.read_to + (SELECT count(*) FROM gatehouse_event_deliveries x WHERE x.destination = d.name AND x.dead_at IS NULL),
			(SELECT count(*) FROM gatehouse_event_deliveries x WHERE x.destination = d.name AND x.dead_at IS NOT NULL),
			(SELECT e.occurred_at FROM gatehouse_events e WHERE e.number > d.read_to ORDER BY e.number LIMIT 1),
			(SELECT min(e.occurred_at) FROM gatehouse_event_deliveries x JOIN gatehouse_events e ON e.number = x.number WHERE x.destination = d.name AND x.dead_at IS NULL)
		FROM gatehouse_event_destinations d JOIN gatehouse_event_order o ON o.singleton = 1`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var behind, dead int64
		var unread, open *time.Time
		if err := rows.Scan(&name, &behind, &dead, &unread, &open); err != nil {
			return err
		}
		if unread == nil || open != nil && open.Before(*unread) {
			unread = open
		}
		each(name, behind, dead, unread)
	}
	return rows.Err()
}

// exists says whether err is that of a row that is there.
func exists(err error) (bool, error) {
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
