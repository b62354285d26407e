package auth

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/token"
	"github.com/gatehouse/gatehouse/modules/users"
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
	return r.q.Queue(ctx, `
		INSERT INTO auth_login_attempts (digest, failures, blocked_until, expires_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET failures = excluded.failures, blocked_until = excluded.blocked_until, expires_at = excluded.expires_at`,
		digest, f.count, f.blockedUntil, f.expiresAt)
}

func (r repository) forgetFailures(ctx context.Context, digest []byte) error {
	return r.q.Queue(ctx, `DELETE FROM auth_login_attempts WHERE digest = ?`, digest)
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

func (r repository) remember(ctx context.Context, id account.ID, p place, until time.Time) error {
	return r.q.Queue(ctx, `
		INSERT INTO auth_known_addresses (digest, account_id, failures_digest, expires_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (digest) DO UPDATE SET
			account_id = excluded.account_id, failures_digest = excluded.failures_digest, expires_at = excluded.expires_at`, p.known, id, p.budget, until)
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
	first, last = sameStart(a.place.known)
	_, err := r.q.Exec(ctx, `DELETE FROM auth_known_addresses WHERE digest >= ? AND digest <= ? AND expires_at <= ?`, first, last, now)
	return err
}

// sameStart bounds the digests that begin with the same byte.
func sameStart(digest []byte) (first, last []byte) {
	return []byte{digest[0]}, append([]byte{digest[0]}, bytes.Repeat([]byte{0xff}, len(digest)-1)...)
}

// putToken makes the row, or gives it to the newer of two: a request that was asked later wins, whichever job runs first.
func (r repository) putToken(ctx context.Context, t mailedToken) error {
	_, err := r.q.Exec(ctx, `
		INSERT INTO auth_mailed_tokens (id, account_id, purpose, address, previous_address, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (account_id, purpose) DO UPDATE SET
			id = excluded.id, address = excluded.address, previous_address = excluded.previous_address, created_at = excluded.created_at, expires_at = excluded.expires_at, used_at = NULL
		WHERE (auth_mailed_tokens.created_at, auth_mailed_tokens.id) < (excluded.created_at, excluded.id)`,
		t.id, t.account, string(t.purpose), t.address, t.from, t.createdAt, t.expiresAt)
	return err
}

const mailedTokenColumns = `id, account_id, purpose, address, previous_address, created_at, expires_at, used_at` //nolint:gosec // G101: names of columns

func scanToken(row *database.Row) (mailedToken, error) {
	var t mailedToken
	var purpose string
	err := row.Scan(&t.id, &t.account, &purpose, &t.address, &t.from, &t.createdAt, &t.expiresAt, &t.usedAt)
	t.purpose = token.MailedPurpose(purpose)
	if errors.Is(err, database.ErrNoRows) {
		return mailedToken{}, ErrInvalidToken
	}
	return t, err
}

// token gives ErrInvalidToken where there is no such row.
func (r repository) token(ctx context.Context, id token.MailedID) (mailedToken, error) {
	return scanToken(r.q.QueryRow(ctx, `SELECT `+mailedTokenColumns+` FROM auth_mailed_tokens WHERE id = ?`, id))
}

// newestToken gives ErrInvalidToken where nothing was mailed to the account for the purpose.
func (r repository) newestToken(ctx context.Context, id account.ID, purpose token.MailedPurpose) (mailedToken, error) {
	return scanToken(r.q.QueryRow(ctx, `SELECT `+mailedTokenColumns+` FROM auth_mailed_tokens WHERE account_id = ? AND purpose = ?`, id, string(purpose)))
}

// useToken is true for one of all who try, while the token lives.
func (r repository) useToken(ctx context.Context, id token.MailedID, now time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `UPDATE auth_mailed_tokens SET used_at = ? WHERE id = ? AND used_at IS NULL AND expires_at > ?`, now, id, now)
	return n == 1, err
}

// voidTokens uses up all that was mailed to an account, but for what has the purpose that is spared.
func (r repository) voidTokens(ctx context.Context, id account.ID, spared token.MailedPurpose, now time.Time) error {
	return r.q.Queue(ctx, `UPDATE auth_mailed_tokens SET used_at = ? WHERE account_id = ? AND purpose <> ? AND used_at IS NULL`, now, id, string(spared))
}

// tokens lists what was mailed last to an account for each purpose.
func (r repository) tokens(ctx context.Context, id account.ID) ([]mailedToken, error) {
	rows, err := r.q.Query(ctx, `SELECT purpose, address, previous_address, created_at, expires_at, used_at FROM auth_mailed_tokens WHERE account_id = ? ORDER BY purpose`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []mailedToken
	for rows.Next() {
		t := mailedToken{account: id}
		if err := rows.Scan((*string)(&t.purpose), &t.address, &t.from, &t.createdAt, &t.expiresAt, &t.usedAt); err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, rows.Err()
}

// knownUntil lists when an account's known addresses expire, those last to expire first.
func (r repository) knownUntil(ctx context.Context, id account.ID) ([]time.Time, error) {
	rows, err := r.q.Query(ctx, `SELECT expires_at FROM auth_known_addresses WHERE account_id = ? ORDER BY expires_at DESC LIMIT ?`, id, mostExported)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []time.Time
	for rows.Next() {
		var until time.Time
		if err := rows.Scan(&until); err != nil {
			return nil, err
		}
		all = append(all, until)
	}
	return all, rows.Err()
}

// failuresAtKnown lists what is counted of an account at its known addresses.
func (r repository) failuresAtKnown(ctx context.Context, id account.ID) ([]failures, error) {
	rows, err := r.q.Query(ctx, `
		SELECT failures, blocked_until, expires_at FROM auth_login_attempts
		WHERE digest IN (SELECT failures_digest FROM auth_known_addresses WHERE account_id = ?) LIMIT ?`, id, mostExported)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []failures
	for rows.Next() {
		var f failures
		if err := rows.Scan(&f.count, &f.blockedUntil, &f.expiresAt); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}

// canonicalEmail gives users.ErrNotFound where there is no such account.
func (r repository) canonicalEmail(ctx context.Context, id account.ID) (string, error) {
	var canonical string
	err := r.q.QueryRow(ctx, `SELECT email_canonical FROM users WHERE id = ?`, id).Scan(&canonical)
	if errors.Is(err, database.ErrNoRows) {
		err = users.ErrNotFound
	}
	return canonical, err
}

// erase deletes what names the account. The order matters: its known addresses lead to the failures counted there.
func (r repository) erase(ctx context.Context, id account.ID) error {
	for _, sql := range []string{
		`DELETE FROM auth_mailed_tokens WHERE account_id = ?`,
		`DELETE FROM auth_login_attempts WHERE digest IN (SELECT failures_digest FROM auth_known_addresses WHERE account_id = ?)`,
		`DELETE FROM auth_known_addresses WHERE account_id = ?`,
	} {
		if err := r.q.Queue(ctx, sql, id); err != nil {
			return err
		}
	}
	return nil
}
