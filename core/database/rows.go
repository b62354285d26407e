package database

import "context"

// cursor is one engine's result set. Its errors are already classified.
type cursor interface {
	next() bool
	scan(dest []any) error
	err() error
	close()
}

// Rows are the answer to Query. Close them; Next closes them itself when it comes to the end.
type Rows struct {
	cursor cursor
	kind   Engine
}

// Next goes to the next row and says whether there is one. After false, Err says why.
func (r *Rows) Next() bool {
	if r.cursor.next() {
		return true
	}
	r.cursor.close()
	return false
}

// Scan copies the columns of the current row into dest, which are pointers. Times come as UTC; a column that may be NULL
// needs a pointer to a pointer.
func (r *Rows) Scan(dest ...any) error { return r.cursor.scan(destinations(r.kind, dest)) }

// Err is what ended the rows before their end, or nil.
func (r *Rows) Err() error { return r.cursor.err() }

// Close gives the connection back. It may be called more than once.
func (r *Rows) Close() { r.cursor.close() }

// Row is the answer to QueryRow and ExecRow, which Scan asks for.
type Row struct {
	ctx     context.Context //nolint:containedctx // a Row is the call itself, put off until its Scan
	source  rowSource
	sql     string
	args    []any
	changes bool // the statement commits when it ends, so it is taken to its end
}

type rowSource interface {
	query(ctx context.Context, sql string, args []any, single bool) (*Rows, error)
}

// Scan runs the statement and copies the first row into dest. It gives ErrNoRows where there is none.
func (r *Row) Scan(dest ...any) error {
	rows, err := r.source.query(r.ctx, r.sql, r.args, true)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.cursor.next() {
		if err := rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	if err := rows.Scan(dest...); err != nil {
		return err
	}
	if r.changes {
		rows.Next() // gives no second row, and the commit's fault where there is one
	}
	rows.Close() // what fails while the statement ends, such as INSERT … RETURNING, shows only now
	return rows.Err()
}
