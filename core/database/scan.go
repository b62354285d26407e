package database

import (
	"encoding/json"
	"fmt"
	"time"
)

// destinations puts a converter before each destination that the engine's driver would fill otherwise than the other's.
// It changes dest in place: the callers' slice is theirs alone, made by the variadic call.
func destinations(kind Engine, dest []any) []any {
	for i, d := range dest {
		switch p := d.(type) {
		case *json.RawMessage:
			dest[i] = (*[]byte)(p)
		case *time.Time:
			if kind == SQLite {
				dest[i] = (*microTime)(p)
			}
		case **time.Time:
			if kind == SQLite {
				dest[i] = &nullMicroTime{p}
			}
		}
	}
	return dest
}

// microTime reads microseconds since 1970 as a time in UTC.
type microTime time.Time

// Scan implements sql.Scanner.
func (t *microTime) Scan(src any) error {
	micros, ok := src.(int64)
	if !ok {
		return fmt.Errorf("a time is an INTEGER of microseconds, not %T", src)
	}
	*t = microTime(time.UnixMicro(micros).UTC())
	return nil
}

// nullMicroTime is microTime for a column that may be NULL.
type nullMicroTime struct{ dest **time.Time }

// Scan implements sql.Scanner.
func (t *nullMicroTime) Scan(src any) error {
	if src == nil {
		*t.dest = nil
		return nil
	}
	var m microTime
	if err := m.Scan(src); err != nil {
		return err
	}
	at := time.Time(m)
	*t.dest = &at
	return nil
}
