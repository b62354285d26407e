package users

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

type repository struct{ q database.Querier }

const userColumns = `id, email, email_verified, full_name, role, is_active, avatar, locale, timezone, version, created_at, updated_at, last_login_at`

func scanUser(row *database.Row) (User, error) {
	var u User
	err := row.Scan(&u.ID, &u.Email, &u.EmailVerified, &u.FullName, &u.Role, &u.IsActive, &u.Avatar, &u.Locale, &u.Timezone,
		&u.Version, &u.CreatedAt, &u.UpdatedAt, &u.LastLoginAt)
	if errors.Is(err, database.ErrNoRows) {
		return User{}, ErrNotFound
	}
	return u, err
}

func (r repository) insert(ctx context.Context, u User, canonical string, passwordHash *string) error {
	_, err := r.q.Exec(ctx, `
		INSERT INTO users (id, email, email_canonical, email_verified, password_hash, full_name, role, is_active, version, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		u.ID, u.Email, canonical, u.EmailVerified, passwordHash, u.FullName, u.Role, u.IsActive, u.Version, u.CreatedAt, u.UpdatedAt)
	if constraint, ok := database.UniqueViolation(err); ok && constraint == "users_email_canonical_key" {
		return ErrEmailTaken
	}
	return err
}

func (r repository) byID(ctx context.Context, id account.ID) (User, error) {
	return scanUser(r.q.QueryRow(ctx, `SELECT `+userColumns+` FROM users WHERE id = ?`, id))
}

func (r repository) byEmail(ctx context.Context, canonical string) (User, error) {
	return scanUser(r.q.QueryRow(ctx, `SELECT `+userColumns+` FROM users WHERE email_canonical = ?`, canonical))
}

// credentials gives ErrNotFound where no account has the address.
func (r repository) credentials(ctx context.Context, canonical string) (Credentials, error) {
	var c Credentials
	var hash *string
	err := r.q.QueryRow(ctx, `SELECT id, password_hash, role, is_active, email_verified FROM users WHERE email_canonical = ?`, canonical).
		Scan(&c.ID, &hash, &c.Role, &c.IsActive, &c.EmailVerified)
	if errors.Is(err, database.ErrNoRows) {
		return Credentials{}, ErrNotFound
	}
	if hash != nil {
		c.PasswordHash = *hash
	}
	return c, err
}

// recordLogin changes, and so locks, the row of an active account that still has the hash. It gives false for any other.
func (r repository) recordLogin(ctx context.Context, id account.ID, verified, replacement string, at time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE users SET last_login_at = ?, password_hash = ?, version = version + 1
		WHERE id = ? AND password_hash = ? AND is_active = ?`, at, replacement, id, verified, true)
	return n == 1, err
}

// setPassword changes, and so locks, the row of an active account that still has the address. It gives false for any other.
func (r repository) setPassword(ctx context.Context, id account.ID, address, hash string) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE users SET password_hash = ?, version = version + 1
		WHERE id = ? AND email = ? AND is_active = ?`, hash, id, address, true)
	return n == 1, err
}

// setVerified is setPassword's twin.
func (r repository) setVerified(ctx context.Context, id account.ID, address string, at time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE users SET email_verified = ?, updated_at = ?, version = version + 1
		WHERE id = ? AND email = ? AND is_active = ?`, true, at, id, address, true)
	return n == 1, err
}

// avatar gives the name of the account's picture, nil where it has none, or ErrNotFound.
func (r repository) avatar(ctx context.Context, id account.ID) (*string, error) {
	var name *string
	err := r.q.QueryRow(ctx, `SELECT avatar FROM users WHERE id = ?`, id).Scan(&name)
	if errors.Is(err, database.ErrNoRows) {
		return nil, ErrNotFound
	}
	return name, err
}

// lockAvatar changes, and so locks, the row of an active account, and gives its picture of before. It gives false for any
// other.
func (r repository) lockAvatar(ctx context.Context, id account.ID, at time.Time) (before *string, ok bool, err error) {
	err = r.q.ExecRow(ctx, `
		UPDATE users SET updated_at = ?, version = version + 1
		WHERE id = ? AND is_active = ? RETURNING avatar`, at, id, true).Scan(&before)
	if errors.Is(err, database.ErrNoRows) {
		return nil, false, nil
	}
	return before, err == nil, err
}

// setAvatar follows lockAvatar.
func (r repository) setAvatar(ctx context.Context, id account.ID, name *string) (User, error) {
	return scanUser(r.q.ExecRow(ctx, `UPDATE users SET avatar = ? WHERE id = ? RETURNING `+userColumns, name, id))
}
