package audit

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

// repository holds the only SQL of this package.
type repository struct{ q database.Querier }

func (r repository) insert(ctx context.Context, rows []row) error {
	return database.InChunks(rows, func(chunk []row) error { return r.insertChunk(ctx, chunk) })
}

func (r repository) insertChunk(ctx context.Context, rows []row) error {
	const one = `(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`
	args := make([]any, 0, 18*len(rows))
	for _, a := range rows {
		args = append(args, a.id, a.at, a.action, string(a.outcome), orNull(a.reason), string(a.actorKind), idOrNull(a.actor), idOrNull(a.target), a.count, a.details,
			orNull(a.ip), orNull(a.userAgent), a.clientSalt, a.clientDigest, orNull(a.email), a.emailSalt, a.emailDigest, a.mac)
	}
	return r.q.Queue(ctx, `INSERT INTO gatehouse_audit (id, occurred_at, action, outcome, reason, actor_kind, actor, target, count, details, ip, user_agent, client_salt, client_digest, email, email_salt, email_digest, mac) VALUES `+
		one+strings.Repeat(`, `+one, len(rows)-1), args...)
}

// orNull is NULL for a text that says nothing.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func idOrNull(id account.ID) *account.ID {
	if id.IsZero() {
		return nil
	}
	return &id
}

const columns = `id, number, occurred_at, action, outcome, reason, actor_kind, actor, target, count, details, ip, user_agent, client_salt, client_digest, email, email_salt, email_digest, mac`

func scan(rows *database.Rows) (row, error) {
	var a row
	var number *int64
	var reason, ip, userAgent, email *string
	var actor, target *account.ID
	err := rows.Scan(&a.id, &number, &a.at, &a.action, (*string)(&a.outcome), &reason, (*string)(&a.actorKind), &actor, &target, &a.count, &a.details,
		&ip, &userAgent, &a.clientSalt, &a.clientDigest, &email, &a.emailSalt, &a.emailDigest, &a.mac)
	a.number, a.actor, a.target = orZero(number), orZero(actor), orZero(target)
	a.reason, a.ip, a.userAgent, a.email = orZero(reason), orZero(ip), orZero(userAgent), orZero(email)
	return a, err
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

func collect(rows *database.Rows, err error) ([]row, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		a, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, rows.Err()
}

// list reads what a filter finds, in the order of ids or against it.
func (r repository) list(ctx context.Context, f filter, descending bool, limit int) ([]row, error) {
	where, args := f.where()
	order := ``
	if descending {
		order = ` DESC`
	}
	return collect(r.q.Query(ctx, `SELECT `+columns+` FROM gatehouse_audit WHERE `+where+` ORDER BY id`+order+` LIMIT ?`, append(args, limit)...))
}

// filter is what list looks for; zero fields are not asked about.
type filter struct {
	from, before  *uuid.UUID // ids from one on, and below another
	behind        *uuid.UUID // ids above one
	actor, target account.ID
	action        string
	outcome       Outcome
	ip            string
}

// where joins conditions that are constants; values are bound. Of an outcome that is not done the text says so itself, since
// an index over part of the rows is of use only where it does.
func (f filter) where() (string, []any) {
	var all []string
	var args []any
	add := func(condition string, arg any) {
		all, args = append(all, condition), append(args, arg)
	}
	if f.from != nil {
		add(`id >= ?`, *f.from)
	}
	if f.behind != nil {
		add(`id > ?`, *f.behind)
	}
	if f.before != nil {
		add(`id < ?`, *f.before)
	}
	if !f.actor.IsZero() {
		add(`actor = ?`, f.actor)
	}
	if !f.target.IsZero() {
		add(`target = ?`, f.target)
	}
	if f.action != "" {
		add(`action = ?`, f.action)
	}
	if f.ip != "" {
		add(`ip = ?`, f.ip)
	}
	switch f.outcome {
	case "":
	case Done:
		add(`outcome = ?`, string(f.outcome))
	default:
		add(`outcome <> 'done' AND outcome = ?`, string(f.outcome))
	}
	if len(all) == 0 {
		return `TRUE`, nil
	}
	return strings.Join(all, ` AND `), args
}

// erase takes out where somebody came from, whatever they did and whoever tried to be them, and every address of theirs.
func (r repository) erase(ctx context.Context, id account.ID) error {
	for _, sql := range []string{
		`UPDATE gatehouse_audit SET ip = NULL, user_agent = NULL, client_salt = NULL WHERE actor = ? AND client_salt IS NOT NULL`,
		`UPDATE gatehouse_audit SET ip = NULL, user_agent = NULL, client_salt = NULL WHERE target = ? AND actor IS NULL AND client_salt IS NOT NULL`,
		`UPDATE gatehouse_audit SET email = NULL, email_salt = NULL WHERE target = ? AND email_salt IS NOT NULL`,
	} {
		if err := r.q.Queue(ctx, sql, id); err != nil {
			return err
		}
	}
	return nil
}

func (r repository) insertErasure(ctx context.Context, id account.ID, at time.Time, mac []byte) error {
	return r.q.Queue(ctx, `INSERT INTO gatehouse_audit_erasures (account, erased_at, mac) VALUES (?, ?, ?) ON CONFLICT (account) DO NOTHING`, id, at, mac)
}

// erasure gives false where there was none.
func (r repository) erasure(ctx context.Context, id account.ID) (at time.Time, mac []byte, found bool, err error) {
	err = r.q.QueryRow(ctx, `SELECT erased_at, mac FROM gatehouse_audit_erasures WHERE account = ?`, id).Scan(&at, &mac)
	if errors.Is(err, database.ErrNoRows) {
		return at, nil, false, nil
	}
	return at, mac, err == nil, err
}

// erasedSizes are how many accounts a statement asks about.
var erasedSizes = [...]int{64, 8, 1}

// erased says which of the accounts have been erased.
func (r repository) erased(ctx context.Context, ids []account.ID) (map[account.ID]bool, error) {
	found := map[account.ID]bool{}
	for _, size := range erasedSizes {
		for ; len(ids) >= size; ids = ids[size:] {
			args := make([]any, size)
			for i, id := range ids[:size] {
				args[i] = id
			}
			if err := r.accounts(ctx, found, `SELECT account FROM gatehouse_audit_erasures WHERE account IN (?`+strings.Repeat(`, ?`, size-1)+`)`, args...); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// erasedSince gives those who were erased lately.
func (r repository) erasedSince(ctx context.Context, at time.Time) (map[account.ID]bool, error) {
	found := map[account.ID]bool{}
	return found, r.accounts(ctx, found, `SELECT account FROM gatehouse_audit_erasures WHERE erased_at >= ?`, at)
}

func (r repository) accounts(ctx context.Context, into map[account.ID]bool, sql string, args ...any) error {
	rows, err := r.q.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id account.ID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		into[id] = true
	}
	return rows.Err()
}

func (r repository) forgetErasures(ctx context.Context, before time.Time, limit int) (int64, error) {
	return r.q.Exec(ctx, `
		DELETE FROM gatehouse_audit_erasures WHERE account IN (
			SELECT account FROM gatehouse_audit_erasures WHERE erased_at < ? ORDER BY erased_at LIMIT ?)`, before, limit)
}
