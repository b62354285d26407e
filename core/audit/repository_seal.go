package audit

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

// head is the end of the chain of seals.
type head struct { //nolint:recvcheck // into fills it; what is read is a value
	last      int64 // number of a row
	seals     int64
	dropped   int64  // the last seal whose rows are past their retention
	digest    []byte // of the last seal; nil where there is none
	signature []byte
}

const headColumns = `last_number, seals, dropped, digest, signature`

func (h *head) into() []any { return []any{&h.last, &h.seals, &h.dropped, &h.digest, &h.signature} }

// head gives false where there is none, which only a stranger's hand explains.
func (r repository) head(ctx context.Context) (head, bool, error) {
	var h head
	err := r.q.QueryRow(ctx, `SELECT `+headColumns+` FROM gatehouse_audit_head WHERE singleton = 1`).Scan(h.into()...)
	if errors.Is(err, database.ErrNoRows) {
		return head{}, false, nil
	}
	return h, err == nil, err
}

// lockHead locks the end of the chain until the transaction ends.
func (r repository) lockHead(ctx context.Context) (head, error) {
	var h head
	err := r.q.ExecRow(ctx, `UPDATE gatehouse_audit_head SET last_number = last_number WHERE singleton = 1 RETURNING `+headColumns).Scan(h.into()...)
	return h, err
}

func (r repository) setHead(ctx context.Context, h head) error {
	return r.q.Queue(ctx, `UPDATE gatehouse_audit_head SET last_number = ?, seals = ?, dropped = ?, digest = ?, signature = ? WHERE singleton = 1`, h.last, h.seals, h.dropped, h.digest, h.signature)
}

// number numbers the first rows without a number. It orders as gatehouse_audit_unsealed_idx does.
func (r repository) number(ctx context.Context, last int64, limit int) (int64, error) {
	return r.q.Exec(ctx, `
		UPDATE gatehouse_audit SET number = n.number FROM (
			SELECT id, ? + row_number() OVER (ORDER BY id) AS number FROM (
				SELECT id FROM gatehouse_audit WHERE number IS NULL ORDER BY number, id LIMIT ?) AS first) AS n
		WHERE gatehouse_audit.id = n.id`, last, limit)
}

// between gives the rows of a batch, by number.
func (r repository) between(ctx context.Context, first, last int64) ([]row, error) {
	return collect(r.q.Query(ctx, `SELECT `+columns+` FROM gatehouse_audit WHERE number >= ? AND number <= ? ORDER BY number`, first, last))
}

// numbered gives rows with a number above one and below another.
func (r repository) numbered(ctx context.Context, above, below int64, limit int) ([]row, error) {
	return collect(r.q.Query(ctx, `SELECT `+columns+` FROM gatehouse_audit WHERE number > ? AND number < ? ORDER BY number LIMIT ?`, above, below, limit))
}

// unsealed gives rows without a number, in the order in which they will get one.
func (r repository) unsealed(ctx context.Context, behind row, limit int) ([]row, error) {
	return collect(r.q.Query(ctx, `SELECT `+columns+` FROM gatehouse_audit WHERE number IS NULL AND id > ? ORDER BY number, id LIMIT ?`, behind.id, limit))
}

// seal is a row of gatehouse_audit_seals.
type seal struct { //nolint:recvcheck // as head
	number        int64
	first, last   int64 // numbers of rows
	newest        time.Time
	sealedAt      time.Time
	previous      []byte // digest of the seal before; nil of the first
	entries       []byte // one after the other; nil once they were dropped
	entriesDigest []byte
	signature     []byte
	droppedAt     *time.Time
	dropSignature []byte
}

const sealColumns = `number, first_number, last_number, newest_at, sealed_at, previous, entries, entries_digest, signature, dropped_at, drop_signature`

func (s *seal) into() []any {
	return []any{&s.number, &s.first, &s.last, &s.newest, &s.sealedAt, &s.previous, &s.entries, &s.entriesDigest, &s.signature, &s.droppedAt, &s.dropSignature}
}

func (r repository) insertSeal(ctx context.Context, s seal) error {
	return r.q.Queue(ctx, `INSERT INTO gatehouse_audit_seals (number, first_number, last_number, newest_at, sealed_at, previous, entries, entries_digest, signature) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.number, s.first, s.last, s.newest, s.sealedAt, s.previous, s.entries, s.entriesDigest, s.signature)
}

// seals gives the seals behind a number, in order.
func (r repository) seals(ctx context.Context, behind int64, limit int) ([]seal, error) {
	rows, err := r.q.Query(ctx, `SELECT `+sealColumns+` FROM gatehouse_audit_seals WHERE number > ? ORDER BY number LIMIT ?`, behind, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []seal
	for rows.Next() {
		var s seal
		if err := rows.Scan(s.into()...); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// seal gives false where there is none.
func (r repository) seal(ctx context.Context, number int64) (seal, bool, error) {
	var s seal
	err := r.q.QueryRow(ctx, `SELECT `+sealColumns+` FROM gatehouse_audit_seals WHERE number = ?`, number).Scan(s.into()...)
	if errors.Is(err, database.ErrNoRows) {
		return seal{}, false, nil
	}
	return s, err == nil, err
}

// drop takes the rows and the entries of a seal away.
func (r repository) drop(ctx context.Context, s seal) error {
	if err := r.q.Queue(ctx, `DELETE FROM gatehouse_audit WHERE number >= ? AND number <= ?`, s.first, s.last); err != nil {
		return err
	}
	return r.q.Queue(ctx, `UPDATE gatehouse_audit_seals SET entries = NULL, dropped_at = ?, drop_signature = ? WHERE number = ?`, s.droppedAt, s.dropSignature, s.number)
}
