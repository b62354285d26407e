package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/page"
)

type repository struct{ q database.Querier }

// newestHooks is the order of the list.
var newestHooks, _ = page.NewSorts("id", page.Column{Name: "created_at"}).Parse("-created_at")

const hookColumns = `id, url, description, event_types, is_active, disabled_at, disabled_reason, failing_since, failed_at, secret, previous_secret, previous_until,
	version, created_at, updated_at`

// scanner is a row, or the current one of several.
type scanner interface{ Scan(into ...any) error }

func scanHook(row scanner) (Hook, error) {
	var h Hook
	var types json.RawMessage
	err := row.Scan(&h.ID, &h.URL, &h.Description, &types, &h.IsActive, &h.DisabledAt, &h.DisabledReason, &h.FailingSince, &h.failedAt, &h.secret, &h.previous, &h.PreviousUntil,
		&h.Version, &h.CreatedAt, &h.UpdatedAt)
	if errors.Is(err, database.ErrNoRows) {
		return Hook{}, ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(types, &h.Types)
	}
	return h, err
}

// listOf writes types as the column has them.
func listOf(types []string) (json.RawMessage, error) {
	if types == nil {
		types = []string{}
	}
	return json.Marshal(types)
}

func (r repository) insert(ctx context.Context, h Hook) error {
	types, err := listOf(h.Types)
	if err != nil {
		return err
	}
	_, err = r.q.Exec(ctx, `
		INSERT INTO webhooks (id, url, description, event_types, is_active, secret, version, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, h.ID, h.URL, h.Description, types, h.IsActive, h.secret, h.Version, h.CreatedAt, h.UpdatedAt)
	return err
}

func (r repository) byID(ctx context.Context, id ID) (Hook, error) {
	return scanHook(r.q.QueryRow(ctx, `SELECT `+hookColumns+` FROM webhooks WHERE id = ?`, id))
}

// lock locks the row by writing what it holds already, which both engines understand.
func (r repository) lock(ctx context.Context, id ID) (Hook, error) {
	return scanHook(r.q.ExecRow(ctx, `UPDATE webhooks SET version = version WHERE id = ? RETURNING `+hookColumns, id))
}

// update writes what administrators may change of a locked row, and what follows.
func (r repository) update(ctx context.Context, h Hook) error {
	types, err := listOf(h.Types)
	if err != nil {
		return err
	}
	_, err = r.q.Exec(ctx, `
		UPDATE webhooks SET url = ?, description = ?, event_types = ?, is_active = ?, disabled_at = ?, disabled_reason = ?, failing_since = ?, failed_at = ?, version = ?, updated_at = ?
		WHERE id = ?`, h.URL, h.Description, types, h.IsActive, h.DisabledAt, h.DisabledReason, h.FailingSince, h.failedAt, h.Version, h.UpdatedAt, h.ID)
	return err
}

func (r repository) rotate(ctx context.Context, id ID, sealed []byte, previousUntil, now time.Time) error {
	n, err := r.q.Exec(ctx, `
		UPDATE webhooks SET previous_secret = secret, previous_until = ?, secret = ?, version = version + 1, updated_at = ? WHERE id = ?`, previousUntil, sealed, now, id)
	return orMissing(n, err)
}

func (r repository) delete(ctx context.Context, id ID) error {
	n, err := r.q.Exec(ctx, `DELETE FROM webhooks WHERE id = ?`, id)
	return orMissing(n, err)
}

// orMissing is ErrNotFound where no row was changed.
func orMissing(n int64, err error) error {
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// hasActive says whether there are n active ones. It reads as many rows of webhooks_active_idx at most.
func (r repository) hasActive(ctx context.Context, n int) (bool, error) {
	var id ID
	err := r.q.QueryRow(ctx, `SELECT id FROM webhooks WHERE is_active ORDER BY id LIMIT 1 OFFSET ?`, n-1).Scan(&id)
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// active gives the first n active ones. It spells the condition as webhooks_active_idx does.
func (r repository) active(ctx context.Context, n int) ([]Hook, error) {
	return r.query(ctx, `WHERE is_active ORDER BY id LIMIT ?`, n)
}

func (r repository) list(ctx context.Context, s page.Segment, n int) ([]Hook, error) {
	return r.query(ctx, `WHERE `+s.Where+` ORDER BY `+s.OrderBy+` LIMIT ?`, append(slices.Clip(s.Args), n)...)
}

func (r repository) query(ctx context.Context, tail string, args ...any) ([]Hook, error) {
	rows, err := r.q.Query(ctx, `SELECT `+hookColumns+` FROM webhooks `+tail, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []Hook
	for rows.Next() {
		h, err := scanHook(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, h)
	}
	return all, rows.Err()
}

// noteSuccess ends a time of failures.
func (r repository) noteSuccess(ctx context.Context, id ID) error {
	_, err := r.q.Exec(ctx, `UPDATE webhooks SET failing_since = NULL, failed_at = NULL WHERE id = ? AND failing_since IS NOT NULL`, id)
	return err
}

// noteFailure gives since when it fails: from now on where the failure of before was earlier than gap. It gives ErrNotFound
// where there is no such webhook.
func (r repository) noteFailure(ctx context.Context, id ID, now, gap time.Time) (since time.Time, err error) {
	err = r.q.ExecRow(ctx, `
		UPDATE webhooks SET failing_since = CASE WHEN failing_since IS NULL OR failed_at < ? THEN ? ELSE failing_since END, failed_at = ?
		WHERE id = ? RETURNING failing_since`, gap, now, now, id).Scan(&since)
	if errors.Is(err, database.ErrNoRows) {
		err = ErrNotFound
	}
	return since, err
}

// disable gives false, and changes nothing, where it is not active or not there.
func (r repository) disable(ctx context.Context, id ID, why Reason, now time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE webhooks SET is_active = ?, disabled_at = ?, disabled_reason = ?, version = version + 1, updated_at = ?
		WHERE id = ? AND is_active`, false, now, why, now, id)
	return n == 1, err
}
