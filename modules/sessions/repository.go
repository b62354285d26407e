package sessions

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

type repository struct{ q database.Querier }

func (r repository) insert(ctx context.Context, s session) error {
	return r.q.Queue(ctx, `
		INSERT INTO sessions (id, account_id, generation, current_digest, created_at, last_used_at, idle_expires_at, expires_at, user_agent, ip)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.id, s.account, int64(s.generation), s.currentDigest, s.createdAt, s.createdAt, s.idleExpiresAt, s.expiresAt, s.client.UserAgent, s.client.Addr.String())
}

// state gives false where there is no such session.
func (r repository) state(ctx context.Context, id account.SessionID) (state, bool, error) {
	var s state
	var endedAt *time.Time
	err := r.q.QueryRow(ctx, `SELECT account_id, idle_expires_at, expires_at, ended_at FROM sessions WHERE id = ?`, id).
		Scan(&s.account, &s.idleExpiresAt, &s.expiresAt, &endedAt)
	if errors.Is(err, database.ErrNoRows) {
		return state{}, false, nil
	}
	s.ended = endedAt != nil
	return s, err == nil, err
}

// rotate gives the account of a live session whose current token is the used one, and false for every other.
func (r repository) rotate(ctx context.Context, t rotation) (owner account.ID, rotated bool, err error) {
	err = r.q.ExecRow(ctx, `
		UPDATE sessions SET
			generation = generation + 1, previous_digest = current_digest, current_digest = ?, rotated_at = ?, last_used_at = ?,
			idle_expires_at = CASE WHEN expires_at < ? THEN expires_at ELSE ? END, user_agent = ?, ip = ?
		WHERE id = ? AND generation = ? AND current_digest = ? AND ended_at IS NULL AND idle_expires_at > ? AND expires_at > ?
		RETURNING account_id`,
		t.nextDigest, t.now, t.now, t.idleExpiresAt, t.idleExpiresAt, t.client.UserAgent, t.client.Addr.String(),
		t.session, int64(t.generation), t.usedDigest, t.now, t.now).Scan(&owner)
	if errors.Is(err, database.ErrNoRows) {
		return owner, false, nil
	}
	return owner, err == nil, err
}

// lineage gives false where there is no such session.
func (r repository) lineage(ctx context.Context, id account.SessionID) (lineage, bool, error) {
	var l lineage
	var endedAt, rotatedAt *time.Time
	var generation int64
	err := r.q.QueryRow(ctx, `
		SELECT account_id, generation, previous_digest, rotated_at, idle_expires_at, expires_at, ended_at FROM sessions WHERE id = ?`, id).
		Scan(&l.account, &generation, &l.previousDigest, &rotatedAt, &l.idleExpiresAt, &l.expiresAt, &endedAt)
	if errors.Is(err, database.ErrNoRows) {
		return lineage{}, false, nil
	}
	l.generation, l.ended = uint64(generation), endedAt != nil // a generation is never negative
	if rotatedAt != nil {
		l.rotatedAt = *rotatedAt
	}
	return l, err == nil, err
}

func (r repository) end(ctx context.Context, owner account.ID, id account.SessionID, why Reason, now time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE sessions SET ended_at = ?, ended_reason = ? WHERE id = ? AND account_id = ? AND ended_at IS NULL AND idle_expires_at > ?`,
		now, string(why), id, owner, now)
	return n == 1, err
}

func (r repository) endAll(ctx context.Context, owner account.ID, why Reason, now time.Time, except []account.SessionID) ([]account.SessionID, error) {
	args := []any{now, string(why), owner, now}
	for _, id := range except {
		args = append(args, id)
	}
	rows, err := r.q.Query(ctx, `
		UPDATE sessions SET ended_at = ?, ended_reason = ? WHERE account_id = ? AND ended_at IS NULL AND idle_expires_at > ?`+
		strings.Repeat(` AND id <> ?`, len(except))+` RETURNING id`, args...)
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

// erase gives every session that it deletes.
func (r repository) erase(ctx context.Context, owner account.ID) ([]account.SessionID, error) {
	rows, err := r.q.Query(ctx, `DELETE FROM sessions WHERE account_id = ? RETURNING id`, owner)
	if err != nil {
		return nil, err
	}
	return collectIDs(rows)
}

func collectIDs(rows *database.Rows) ([]account.SessionID, error) {
	defer rows.Close()
	var all []account.SessionID
	for rows.Next() {
		var id account.SessionID
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, rows.Err()
}

// kept gives what is kept of an account's sessions, the newest first.
func (r repository) kept(ctx context.Context, owner account.ID) ([]kept, error) {
	rows, err := r.q.Query(ctx, `
		SELECT id, user_agent, ip, created_at, last_used_at, idle_expires_at, expires_at, ended_at, ended_reason FROM sessions
		WHERE account_id = ? ORDER BY created_at DESC, id DESC LIMIT ?`, owner, mostExported)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []kept
	for rows.Next() {
		var k kept
		if err := rows.Scan(&k.id, &k.userAgent, &k.ip, &k.createdAt, &k.lastUsedAt, &k.idleExpiresAt, &k.expiresAt, &k.endedAt, &k.reason); err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	return all, rows.Err()
}

func (r repository) list(ctx context.Context, owner account.ID, now time.Time) ([]Session, error) {
	rows, err := r.q.Query(ctx, `
		SELECT id, user_agent, ip, created_at, last_used_at, idle_expires_at FROM sessions
		WHERE account_id = ? AND ended_at IS NULL AND idle_expires_at > ?
		ORDER BY created_at DESC, id DESC LIMIT ?`, owner, now, mostListed)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(s *Session) []any {
		return []any{&s.ID, &s.UserAgent, &s.IP, &s.CreatedAt, &s.LastUsedAt, &s.ExpiresAt}
	})
}

// listEnded gives a session that expired the end that nobody wrote down.
func (r repository) listEnded(ctx context.Context, owner account.ID, since, now time.Time) ([]Session, error) {
	rows, err := r.q.Query(ctx, `
		SELECT id, user_agent, ip, created_at, last_used_at, idle_expires_at, COALESCE(ended_at, idle_expires_at), COALESCE(ended_reason, ?) FROM sessions
		WHERE account_id = ? AND COALESCE(ended_at, idle_expires_at) > ? AND (ended_at IS NOT NULL OR idle_expires_at <= ?)
		ORDER BY COALESCE(ended_at, idle_expires_at) DESC, id DESC LIMIT ?`, string(ReasonExpired), owner, since, now, mostListed)
	if err != nil {
		return nil, err
	}
	return collect(rows, func(s *Session) []any {
		return []any{&s.ID, &s.UserAgent, &s.IP, &s.CreatedAt, &s.LastUsedAt, &s.ExpiresAt, &s.EndedAt, (*string)(&s.Reason)}
	})
}

func collect(rows *database.Rows, columns func(*Session) []any) ([]Session, error) {
	defer rows.Close()
	all := []Session{}
	for rows.Next() {
		var s Session
		if err := rows.Scan(columns(&s)...); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

func (r repository) prune(ctx context.Context, before time.Time) (int64, error) {
	return r.q.Exec(ctx, `
		DELETE FROM sessions WHERE id IN (
			SELECT id FROM sessions WHERE COALESCE(ended_at, expires_at) <= ? ORDER BY COALESCE(ended_at, expires_at) LIMIT ?)`, before, pruneStep)
}
