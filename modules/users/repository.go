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
	return orTaken(err)
}

// orTaken is ErrEmailTaken where that is what the database means.
func orTaken(err error) error {
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

const credentialColumns = `id, email, password_hash, role, is_active, email_verified` //nolint:gosec // G101: names of columns

func scanCredentials(row *database.Row) (Credentials, error) {
	var c Credentials
	var hash *string
	err := row.Scan(&c.ID, &c.Email, &hash, &c.Role, &c.IsActive, &c.EmailVerified)
	if errors.Is(err, database.ErrNoRows) {
		return Credentials{}, ErrNotFound
	}
	if hash != nil {
		c.PasswordHash = *hash
	}
	return c, err
}

// credentials gives ErrNotFound where no account has the address.
func (r repository) credentials(ctx context.Context, canonical string) (Credentials, error) {
	return scanCredentials(r.q.QueryRow(ctx, `SELECT `+credentialColumns+` FROM users WHERE email_canonical = ?`, canonical))
}

func (r repository) credentialsByID(ctx context.Context, id account.ID) (Credentials, error) {
	return scanCredentials(r.q.QueryRow(ctx, `SELECT `+credentialColumns+` FROM users WHERE id = ?`, id))
}

// recordLogin changes, and so locks, the row of an active account that still has the hash. It gives false for any other.
func (r repository) recordLogin(ctx context.Context, id account.ID, verified, replacement string, at time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE users SET last_login_at = ?, password_hash = ?, version = version + 1
		WHERE id = ? AND password_hash = ? AND is_active = ?`, at, replacement, id, verified, true)
	return n == 1, err
}

// replacePassword changes, and so locks, the row of an active account that still has the hash. It gives false for any other.
func (r repository) replacePassword(ctx context.Context, id account.ID, verified, replacement string) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE users SET password_hash = ?, version = version + 1
		WHERE id = ? AND password_hash = ? AND is_active = ?`, replacement, id, verified, true)
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

// setEmail changes, and so locks, the row of an active account that still has the address from. It gives ErrNotFound for
// any other.
func (r repository) setEmail(ctx context.Context, id account.ID, from string, to account.Email, verified bool, at time.Time) (User, error) {
	u, err := scanUser(r.q.ExecRow(ctx, `
		UPDATE users SET email = ?, email_canonical = ?, email_verified = ?, updated_at = ?, version = version + 1
		WHERE id = ? AND email = ? AND is_active = ?
		RETURNING `+userColumns, to.String(), to.Canonical(), verified, at, id, from, true))
	return u, orTaken(err)
}

// lock locks the row by writing what it holds already, which both engines understand.
func (r repository) lock(ctx context.Context, id account.ID) (User, error) {
	return scanUser(r.q.ExecRow(ctx, `UPDATE users SET version = version WHERE id = ? RETURNING `+userColumns, id))
}

// update writes what administrators and owners may change of a locked row.
func (r repository) update(ctx context.Context, u User, canonical string) error {
	_, err := r.q.Exec(ctx, `
		UPDATE users SET email = ?, email_canonical = ?, email_verified = ?, full_name = ?, role = ?, is_active = ?, locale = ?, timezone = ?,
			updated_at = ?, version = ?
		WHERE id = ?`,
		u.Email, canonical, u.EmailVerified, u.FullName, u.Role, u.IsActive, u.Locale, u.Timezone, u.UpdatedAt, u.Version, u.ID)
	return orTaken(err)
}

// hasOtherAdmin spells the condition as users_active_admins_idx does, so that it reads two rows of it at most.
func (r repository) hasOtherAdmin(ctx context.Context, id account.ID) (bool, error) {
	var other account.ID
	err := r.q.QueryRow(ctx, `SELECT id FROM users WHERE role = 'admin' AND is_active AND id <> ? LIMIT 1`, id).Scan(&other)
	if errors.Is(err, database.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// hasPassword gives ErrNotFound where there is no such account.
func (r repository) hasPassword(ctx context.Context, id account.ID) (has bool, err error) {
	err = r.q.QueryRow(ctx, `SELECT password_hash IS NOT NULL FROM users WHERE id = ?`, id).Scan(&has)
	if errors.Is(err, database.ErrNoRows) {
		err = ErrNotFound
	}
	return has, err
}

// delete says whether there was such an account, and gives its picture.
func (r repository) delete(ctx context.Context, id account.ID) (deleted bool, avatar *string, err error) {
	err = r.q.ExecRow(ctx, `DELETE FROM users WHERE id = ? RETURNING avatar`, id).Scan(&avatar)
	if errors.Is(err, database.ErrNoRows) {
		return false, nil, nil
	}
	return err == nil, avatar, err
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
