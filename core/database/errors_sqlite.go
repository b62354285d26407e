package database

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// classifySQLite turns a driver's error into ours.
func classifySQLite(err error) *refusal {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return classifySQLPackage(err)
	}
	r := &refusal{engine: SQLite, code: strconv.Itoa(e.Code()), message: speakableSQLite(e)}
	switch e.Code() {
	case lib.SQLITE_CONSTRAINT_UNIQUE:
		r.kind, r.constraint = unique, uniqueName(e.Error())
	case lib.SQLITE_CONSTRAINT_PRIMARYKEY, lib.SQLITE_CONSTRAINT_ROWID:
		r.kind, r.constraint = unique, primaryKeyName(e.Error())
	case lib.SQLITE_CONSTRAINT_FOREIGNKEY:
		r.kind = foreignKey
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED, lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_CANTOPEN, lib.SQLITE_READONLY,
		lib.SQLITE_PROTOCOL, lib.SQLITE_NOMEM, lib.SQLITE_INTERRUPT:
		r.kind = unavailable
	}
	return r
}

// speakableSQLite gives the message where it cannot hold a bound value: those of JSON functions quote paths.
func speakableSQLite(e *sqlite.Error) string {
	switch {
	case e.Code()&0xff == lib.SQLITE_CONSTRAINT && e.Code() != lib.SQLITE_CONSTRAINT_TRIGGER, e.Code() == lib.SQLITE_ERROR && !strings.Contains(e.Error(), "JSON"):
		return e.Error()
	}
	if text, ok := sqlite.ErrorCodeString[e.Code()&0xff]; ok {
		return text
	}
	return ""
}

func classifySQLPackage(err error) *refusal {
	if known := contextError(err); known != nil {
		return &refusal{engine: SQLite, kind: unavailable, message: gaveUp, cause: known}
	}
	r := mute(SQLite, err)
	switch {
	case errors.Is(err, sql.ErrConnDone), err.Error() == "sql: database is closed":
		r.kind, r.message = unavailable, "closed"
	case strings.HasPrefix(err.Error(), "sql: Scan error on column "):
		// sql: Scan error on column index 0, name "x": converting … ("the value") …: keep what comes before the value
		before, _, _ := strings.Cut(strings.TrimPrefix(err.Error(), "sql: Scan error on "), `": `)
		r.message = before + `" does not fit its destination`
	case strings.HasPrefix(err.Error(), "sql: expected "):
		r.message = strings.TrimPrefix(err.Error(), "sql: ") // speaks of numbers of arguments and destinations
	}
	return r
}

// uniqueName makes <table>_<column>_key from SQLite's "table.column, table.column"; an index over an expression is named
// by SQLite itself.
func uniqueName(message string) string {
	table, columns := violated(message)
	if len(columns) == 0 {
		return table
	}
	return table + "_" + strings.Join(columns, "_") + "_key"
}

func primaryKeyName(message string) string {
	table, _ := violated(message)
	return table + "_pkey"
}

// violated reads "… UNIQUE constraint failed: users.email (2067)" or "… failed: index 'name' (2067)".
func violated(message string) (table string, columns []string) {
	const mark = "UNIQUE constraint failed: "
	_, after, ok := strings.Cut(message, mark)
	if !ok {
		return "", nil
	}
	what := after
	if end := strings.LastIndex(what, " ("); end >= 0 {
		what = what[:end]
	}
	if name, ok := strings.CutPrefix(what, "index '"); ok {
		return strings.TrimSuffix(name, "'"), nil
	}
	for part := range strings.SplitSeq(what, ", ") {
		t, column, _ := strings.Cut(part, ".")
		table = t
		columns = append(columns, column)
	}
	return table, columns
}
