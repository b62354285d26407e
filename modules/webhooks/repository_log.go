package webhooks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/page"
)

// newestAttempts is the order of the log.
var newestAttempts, _ = page.NewSorts("id", page.Column{Name: "attempted_at"}).Parse("-attempted_at")

func (r repository) insertAttempts(ctx context.Context, hook ID, rows []attempt) error {
	return database.InChunks(rows, func(chunk []attempt) error { return r.insertChunk(ctx, hook, chunk) })
}

func (r repository) insertChunk(ctx context.Context, hook ID, rows []attempt) error {
	const one = `(?, ?, ?, ?, ?, ?, ?, ?)`
	args := make([]any, 0, 8*len(rows))
	for _, a := range rows {
		l := a.logged()
		args = append(args, l.ID, hook, l.Event, l.Type, l.At, l.Took.Milliseconds(), l.Status, l.Fault)
	}
	_, err := r.q.Exec(ctx, `INSERT INTO webhooks_deliveries (id, webhook_id, event_id, event_type, attempted_at, duration_ms, status, fault) VALUES `+
		one+strings.Repeat(`, `+one, len(rows)-1), args...)
	return err
}

const attemptColumns = `id, event_id, event_type, attempted_at, duration_ms, status, fault`

func scanAttempt(row scanner) (Attempt, error) {
	var a Attempt
	var ms int64
	err := row.Scan(&a.ID, &a.Event, &a.Type, &a.At, &ms, &a.Status, &a.Fault)
	if errors.Is(err, database.ErrNoRows) {
		return Attempt{}, ErrNotFound
	}
	a.Took = time.Duration(ms) * time.Millisecond
	return a, err
}

// attempt gives ErrNotFound where there is no such attempt at a delivery to the webhook.
func (r repository) attempt(ctx context.Context, hook, id ID) (Attempt, error) {
	return scanAttempt(r.q.QueryRow(ctx, `SELECT `+attemptColumns+` FROM webhooks_deliveries WHERE id = ? AND webhook_id = ?`, id, hook))
}

func (r repository) attempts(ctx context.Context, hook ID, s page.Segment, n int) ([]Attempt, error) {
	rows, err := r.q.Query(ctx, `SELECT `+attemptColumns+` FROM webhooks_deliveries WHERE webhook_id = ? AND `+s.Where+` ORDER BY `+s.OrderBy+` LIMIT ?`,
		slices.Concat([]any{hook}, s.Args, []any{n})...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Attempt
	for rows.Next() {
		a, err := scanAttempt(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// removeBefore deletes up to n attempts that were made before a time, and says how many.
func (r repository) removeBefore(ctx context.Context, before time.Time, n int) (int64, error) {
	return r.q.Exec(ctx, `
		DELETE FROM webhooks_deliveries WHERE id IN (SELECT id FROM webhooks_deliveries WHERE attempted_at < ? ORDER BY attempted_at LIMIT ?)`, before, n)
}

// removeBeyond deletes up to n of a webhook's attempts that are not among the newest that are kept, and says how many.
func (r repository) removeBeyond(ctx context.Context, hook ID, kept, n int) (int64, error) {
	return r.q.Exec(ctx, `
		DELETE FROM webhooks_deliveries WHERE id IN (
			SELECT id FROM webhooks_deliveries WHERE webhook_id = ? ORDER BY attempted_at DESC, id DESC LIMIT ? OFFSET ?)`, hook, n, kept)
}
