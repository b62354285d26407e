package sessions

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

type repository struct{ q database.Querier }

func (r repository) insert(ctx context.Context, s session) error {
	_, err := r.q.Exec(ctx, `
		INSERT INTO sessions (id, account_id, generation, current_digest, created_at, last_used_at, idle_expires_at, expires_at, user_agent, ip)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		s.id, s.account, int64(s.generation), s.currentDigest, s.createdAt, s.createdAt, s.idleExpiresAt, s.expiresAt, s.client.UserAgent, s.client.Addr.String())
	return err
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
