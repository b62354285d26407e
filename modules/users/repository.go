package users

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/page"
)

type repository struct{ q database.Querier }

const userColumns = `id, email, email_verified, full_name, role, is_active, avatar, locale, timezone, version, created_at, updated_at, last_login_at`

// columns are where userColumns go.
func (u *User) columns() []any {
	return []any{
		&u.ID, &u.Email, &u.EmailVerified, &u.FullName, &u.Role, &u.IsActive, &u.Avatar, &u.Locale, &u.Timezone,
		&u.Version, &u.CreatedAt, &u.UpdatedAt, &u.LastLoginAt,
	}
}

func scanUser(row *database.Row) (User, error) {
	var u User
	err := row.Scan(u.columns()...)
	if errors.Is(err, database.ErrNoRows) {
		return User{}, ErrNotFound
	}
	return u, err
}

func (r repository) insert(ctx context.Context, u User, canonical string, passwordHash *string) error {
	_, err := r.q.Exec(ctx, `
		INSERT INTO users (id, email, email_canonical, email_folded, email_verified, password_hash, full_name, full_name_folded, role, is_active, version, created_at, updated_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		u.ID, u.Email, canonical, account.Fold(u.Email), u.EmailVerified, passwordHash, u.FullName, account.Fold(u.FullName), u.Role, u.IsActive, u.Version, u.CreatedAt, u.UpdatedAt)
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

// recordLogin changes, and so locks, the row of an active account that still has the hash. Any other ends the transaction
// with database.ErrNoRows.
func (r repository) recordLogin(ctx context.Context, id account.ID, verified, replacement string, at time.Time) error {
	return r.q.QueueChange(ctx, `
		UPDATE users SET last_login_at = ?, password_hash = ?, version = version + 1
		WHERE id = ? AND password_hash = ? AND is_active = ?`, at, replacement, id, verified, true)
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

// setVerified is setPassword's twin, and leaves an address alone that is verified already.
func (r repository) setVerified(ctx context.Context, id account.ID, address string, at time.Time) (bool, error) {
	n, err := r.q.Exec(ctx, `
		UPDATE users SET email_verified = ?, updated_at = ?, version = version + 1
		WHERE id = ? AND email = ? AND is_active = ? AND email_verified = ?`, true, at, id, address, true, false)
	return n == 1, err
}

// lockAt locks the row of an active account that still has the address. It gives false for any other.
func (r repository) lockAt(ctx context.Context, id account.ID, address string) (bool, error) {
	n, err := r.q.Exec(ctx, `UPDATE users SET version = version WHERE id = ? AND email = ? AND is_active = ?`, id, address, true)
	return n == 1, err
}

// setEmail changes, and so locks, the row of an active account that still has the address from. It gives ErrNotFound for
// any other.
func (r repository) setEmail(ctx context.Context, id account.ID, from string, to account.Email, verified bool, at time.Time) (User, error) {
	u, err := scanUser(r.q.ExecRow(ctx, `
		UPDATE users SET email = ?, email_canonical = ?, email_folded = ?, email_verified = ?, updated_at = ?, version = version + 1
		WHERE id = ? AND email = ? AND is_active = ?
		RETURNING `+userColumns, to.String(), to.Canonical(), account.Fold(to.String()), verified, at, id, from, true))
	return u, orTaken(err)
}

// lock locks the row by writing what it holds already, which both engines understand.
func (r repository) lock(ctx context.Context, id account.ID) (User, error) {
	return scanUser(r.q.ExecRow(ctx, `UPDATE users SET version = version WHERE id = ? RETURNING `+userColumns, id))
}

// update writes what administrators and owners may change of a locked row.
func (r repository) update(ctx context.Context, u User, canonical string) error {
	_, err := r.q.Exec(ctx, `
		UPDATE users SET email = ?, email_canonical = ?, email_folded = ?, email_verified = ?, full_name = ?, full_name_folded = ?, role = ?, is_active = ?, locale = ?, timezone = ?,
			updated_at = ?, version = ?
		WHERE id = ?`,
		u.Email, canonical, account.Fold(u.Email), u.EmailVerified, u.FullName, account.Fold(u.FullName), u.Role, u.IsActive, u.Locale, u.Timezone, u.UpdatedAt, u.Version, u.ID)
	return orTaken(err)
}

// hasOtherAdmin spells condition and order as users_active_admin_idx does, so that it reads two rows of it at most.
func (r repository) hasOtherAdmin(ctx context.Context, id account.ID) (bool, error) {
	var other account.ID
	err := r.q.QueryRow(ctx, `SELECT id FROM users WHERE role = 'admin' AND is_active AND id <> ? ORDER BY created_at, id LIMIT 1`, id).Scan(&other)
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

// setAvatar is for a row that is locked.
func (r repository) setAvatar(ctx context.Context, id account.ID, name *string, at time.Time) (User, error) {
	return scanUser(r.q.ExecRow(ctx, `
		UPDATE users SET avatar = ?, updated_at = ?, version = version + 1
		WHERE id = ? RETURNING `+userColumns, name, at, id))
}

// list reads up to n rows of a range, those that meet the conditions.
func (r repository) list(ctx context.Context, k page.Keyset, s page.Segment, also conditions, n int) ([]listed, error) {
	columns, folded := userColumns, k.Name() == sortEmail || k.Name() == sortName
	if folded {
		columns += `, ` + k.Column()
	}
	rows, err := r.q.Query(ctx, `SELECT `+columns+` FROM users WHERE `+s.Where+also.where+` ORDER BY `+s.OrderBy+` LIMIT ?`,
		slices.Concat(s.Args, also.args, []any{n})...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := make([]listed, 0, n)
	for rows.Next() {
		all = append(all, listed{column: k.Name()})
		l := &all[len(all)-1]
		into := l.columns()
		if folded {
			into = append(into, &l.folded)
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
	}
	return all, rows.Err()
}

// nth gives the position of the nth row of a range, or nil where there are fewer. It reads an index alone.
func (r repository) nth(ctx context.Context, k page.Keyset, s page.Segment, n int) (*page.Position, error) {
	var id account.ID
	var folded string
	err := r.q.QueryRow(ctx, `SELECT `+k.Column()+`, id FROM users WHERE `+s.Where+` ORDER BY `+s.OrderBy+` LIMIT 1 OFFSET ?`, append(s.Args, n-1)...).
		Scan(&folded, &id)
	if errors.Is(err, database.ErrNoRows) {
		return nil, nil
	}
	return &page.Position{Value: folded, ID: id}, err
}

// conditions stand behind a range.
type conditions struct {
	where string
	args  []any
}

func (c conditions) and(where string, args ...any) conditions {
	return conditions{c.where + ` AND ` + where, slices.Concat(c.args, args)}
}

func (c conditions) isEmpty() bool { return c.where == "" }

// filters are of a list by time. They stand as the partial indexes have them, which no value that is bound would find.
func (q ListQuery) filters() (c conditions) {
	switch q.Role {
	case "":
	case account.RoleUser:
		c = c.and(`role = 'user'`)
	case account.RoleAdmin:
		c = c.and(`role = 'admin'`)
	default:
		c = c.and(`role = ?`, q.Role)
	}
	if q.Active != nil && *q.Active {
		c = c.and(`is_active`)
	} else if q.Active != nil {
		c = c.and(`NOT is_active`)
	}
	return c
}

// searchFilters are of a range that is to be read whatever the planner thinks of their own indexes: what is no plain
// comparison finds none.
func (q ListQuery) searchFilters() (c conditions) {
	if q.Role != "" {
		c = c.and(`(role = ?) IS NOT FALSE`, q.Role)
	}
	if q.Active != nil {
		c = c.and(`(is_active = ?) IS NOT FALSE`, *q.Active)
	}
	if q.CreatedAfter != nil {
		c = c.and(`(created_at > ?) IS NOT FALSE`, *q.CreatedAfter)
	}
	if q.CreatedBefore != nil {
		c = c.and(`(created_at < ?) IS NOT FALSE`, *q.CreatedBefore)
	}
	return c
}

// butNotByEmail leaves out those whom the address finds as well.
func (c conditions) butNotByEmail(b page.Bounds) conditions {
	return c.and(`NOT (email_folded >= ? AND email_folded < ?)`, b.From, b.Before)
}

// unfolded gives rows without what lists sort and search by.
func (r repository) unfolded(ctx context.Context, n int) ([]User, error) {
	rows, err := r.q.Query(ctx, `SELECT `+userColumns+` FROM users WHERE email_folded = ? ORDER BY id LIMIT ?`, "", n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []User
	for rows.Next() {
		var u User
		if err := rows.Scan(u.columns()...); err != nil {
			return nil, err
		}
		all = append(all, u)
	}
	return all, rows.Err()
}

// setFolded leaves a row alone whose address or name has changed since.
func (r repository) setFolded(ctx context.Context, u User) error {
	_, err := r.q.Exec(ctx, `UPDATE users SET email_folded = ?, full_name_folded = ? WHERE id = ? AND email_folded = ? AND email = ? AND full_name = ?`,
		account.Fold(u.Email), account.Fold(u.FullName), u.ID, "", u.Email, u.FullName)
	return err
}
