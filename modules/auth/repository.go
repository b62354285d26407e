package auth

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

type repository struct{ q database.Querier }

// failures gives an expired row where there is none.
func (r repository) failures(ctx context.Context, digest []byte) (failures, error) {
	var f failures
	err := r.q.QueryRow(ctx, `SELECT failures, blocked_until, expires_at FROM auth_login_attempts WHERE digest = ?`, digest).
		Scan(&f.count, &f.blockedUntil, &f.expiresAt)
	if errors.Is(err, database.ErrNoRows) {
		return failures{}, nil
	}
	return f, err
}

func (r repository) putFailures(ctx context.Context, digest []byte, f failures) error {
	_, err := r.q.Exec(ctx, `
		INSERT INTO auth_login_attempts (digest, failures, blocked_until, expires_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until, expires_at = excluded.expires_at`,
		digest, f.count, f.blockedUntil, f.expiresAt)
	return err
}

func (r repository) forgetFailures(ctx context.Context, digest []byte) error {
	_, err := r.q.Exec(ctx, `DELETE FROM auth_login_attempts WHERE digest = ?`, digest)
	return err
}

func (r repository) uncount(ctx context.Context, digest []byte, now time.Time) error {
	_, err := r.q.Exec(ctx, `UPDATE auth_login_attempts SET failures = failures - 1, blocked_until = ? WHERE digest = ? AND failures > 0`, now, digest)
	return err
}

func (r repository) isKnown(ctx context.Context, digest []byte, now time.Time) (bool, error) {
	var expiresAt time.Time
	err := r.q.QueryRow(ctx, `SELECT expires_at FROM auth_known_addresses WHERE digest = ?`, digest).Scan(&expiresAt)
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	return now.Before(expiresAt), err
}

func (r repository) remember(ctx context.Context, digest []byte, until time.Time) error {
	_, err := r.q.Exec(ctx, `
		INSERT INTO auth_known_addresses (digest, expires_at) VALUES (?, ?)
		ON CONFLICT (digest) DO UPDATE SET expires_at = excluded.expires_at`, digest, until)
	return err
}

// prune looks only at digests that begin with the same byte as the attempt's.
func (r repository) prune(ctx context.Context, a attempt, now time.Time, keep int) error {
	first, last := sameStart(a.digest)
	if _, err := r.q.Exec(ctx, `DELETE FROM auth_login_attempts WHERE digest >= ? AND digest <= ? AND expires_at <= ?`, first, last, now); err != nil {
		return err
	}
	if _, err := r.q.Exec(ctx, `
		DELETE FROM auth_login_attempts WHERE digest IN (
			SELECT digest FROM auth_login_attempts WHERE digest >= ? AND digest <= ? ORDER BY expires_at DESC LIMIT ? OFFSET ?)`,
		first, last, keep, keep); err != nil {
		return err
	}
	first, last = sameStart(a.known)
	_, err := r.q.Exec(ctx, `DELETE FROM auth_known_addresses WHERE digest >= ? AND digest <= ? AND expires_at <= ?`, first, last, now)
	return err
}

// sameStart bounds the digests that begin with the same byte.
func sameStart(digest []byte) (first, last []byte) {
	return []byte{digest[0]}, append([]byte{digest[0]}, bytes.Repeat([]byte{0xff}, len(digest)-1)...)
}
