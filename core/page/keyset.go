package page

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Column is something a list can be sorted by.
type Column struct {
	Name     string // in the sort parameter: "created_at"
	SQL      string // the column; empty is Name, "u.created_at" names a table
	Nullable bool   // null sorts as the smallest: "never" is the oldest
}

// Sorts is the allow-list of a list's sorts.
type Sorts struct {
	id      string
	columns map[string]Column
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$`)

// NewSorts declares a list's sorts. id is a unique column that never changes and is never null; it orders rows of equal
// values. An index on (column, id) serves both directions; on PostgreSQL that of a nullable column is
// (column NULLS FIRST, id). NewSorts panics on names that are not plain identifiers, which is a fault of the program.
func NewSorts(id string, columns ...Column) Sorts {
	s := Sorts{id: id, columns: make(map[string]Column, len(columns))}
	for _, c := range columns {
		if c.SQL == "" {
			c.SQL = c.Name
		}
		if !identifier.MatchString(c.Name) || !identifier.MatchString(c.SQL) || !identifier.MatchString(id) {
			panic(fmt.Sprintf("page: %q, %q or %q is not an identifier", c.Name, c.SQL, id))
		}
		s.columns[c.Name] = c
	}
	return s
}

// Parse reads a sort parameter: a column's name, with "-" before it for descending. It returns ErrSort for anything else.
func (s Sorts) Parse(sort string) (Keyset, error) {
	name, descending := strings.CutPrefix(sort, "-")
	c, ok := s.columns[name]
	if !ok {
		return Keyset{}, ErrSort
	}
	return Keyset{column: c, id: s.id, descending: descending}, nil
}

// Keyset is one order of a list, or of a range of it.
type Keyset struct {
	column     Column
	id         string
	descending bool
	bounds     Bounds
}

// Bounds narrow a list to a range of what it is sorted by; nil is no bound.
type Bounds struct {
	From    any       // the smallest value that is in it, or
	After   any       // the largest value below it
	Before  any       // the smallest value above it
	Through *Position // the row that it ends with, in the list's order; it lies within the other bounds
}

// Between narrows a Keyset whose column is never null; it panics for any other.
func (k Keyset) Between(b Bounds) Keyset {
	if k.column.Nullable {
		panic("page: " + k.column.Name + " may be null, and nothing is between nulls")
	}
	k.bounds = b
	return k
}

// Sort is the parameter that Parse made the Keyset from.
func (k Keyset) Sort() string {
	if k.descending {
		return "-" + k.column.Name
	}
	return k.column.Name
}

// Name is the column's name in the sort parameter.
func (k Keyset) Name() string { return k.column.Name }

// Column is the column in SQL.
func (k Keyset) Column() string { return k.column.SQL }

// Position is the row that a page ended with. Value is what the list is sorted by, nil or a nil pointer for null.
type Position struct{ Value, ID any }

// Segment is a range of rows that an index on (column, id) serves from its first row on. Where is a condition that stands
// for itself or beside AND, Args are bound to its question marks, OrderBy goes behind ORDER BY.
type Segment struct {
	Where   string
	Args    []any
	OrderBy string
}

// Segments gives the ranges behind a position, or all for nil, in order. A list over a nullable column is two ranges, the
// nulls and the others: in one statement they would be joined by OR, which makes a database read every row before the
// position again. Collect reads them.
func (k Keyset) Segments(after *Position) []Segment {
	all := Segment{Where: "TRUE", OrderBy: k.orderBy()}
	if !k.column.Nullable {
		return []Segment{k.rangeBehind(after)}
	}
	nulls, others := all, all
	nulls.Where, others.Where = k.column.SQL+" IS NULL", k.column.SQL+" IS NOT NULL"
	switch {
	case after == nil && k.descending:
		return []Segment{others, nulls}
	case after == nil:
		return []Segment{nulls, others}
	case isNil(after.Value):
		nulls.Where += fmt.Sprintf(" AND %s %s ?", k.id, k.operator())
		nulls.Args = []any{after.ID}
		if k.descending {
			return []Segment{nulls}
		}
		return []Segment{nulls, others}
	}
	others.Where, others.Args = k.behind(), []any{after.Value, after.ID} // a comparison with null is not true
	if k.descending {
		return []Segment{others, nulls}
	}
	return []Segment{others}
}

// rangeBehind is a range with one condition at each end: where a database finds two at an end, it may begin to read at the
// farther one. A position lies within the bounds, so it takes the place of the one at its end.
func (k Keyset) rangeBehind(after *Position) Segment {
	s := Segment{OrderBy: k.orderBy()}
	add := func(where string, args ...any) {
		if s.Where != "" {
			s.Where += " AND "
		}
		s.Where += where
		s.Args = append(s.Args, args...)
	}
	b, low, high := k.bounds, after, k.bounds.Through
	if k.descending {
		low, high = high, low
	}
	switch {
	case low != nil:
		add(k.beside(low == after, ">"), low.Value, low.ID)
	case b.From != nil:
		add(k.column.SQL+" >= ?", b.From)
	case b.After != nil:
		add(k.column.SQL+" > ?", b.After)
	}
	switch {
	case high != nil:
		add(k.beside(high == after, "<"), high.Value, high.ID)
	case b.Before != nil:
		add(k.column.SQL+" < ?", b.Before)
	}
	if s.Where == "" {
		s.Where = "TRUE"
	}
	return s
}

// beside compares with a position; the position itself is in where it is not strict.
func (k Keyset) beside(strict bool, operator string) string {
	if !strict {
		operator += "="
	}
	return fmt.Sprintf("(%s, %s) %s (?, ?)", k.column.SQL, k.id, operator)
}

// Collect reads from the segments, in order, until want rows are there: one more than the page's limit, so that Cut sees
// whether there is a next page. read gives at most n rows of a segment.
func Collect[T any](segments []Segment, want int, read func(s Segment, n int) ([]T, error)) ([]T, error) {
	var items []T
	for _, s := range segments {
		if len(items) >= want {
			break
		}
		more, err := read(s, want-len(items))
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
	return items, nil
}

func (k Keyset) behind() string { return k.beside(true, k.operator()) }

func (k Keyset) operator() string {
	if k.descending {
		return "<"
	}
	return ">"
}

// orderBy says where nulls go only where there may be some: PostgreSQL would not use a plain index for it.
func (k Keyset) orderBy() string {
	direction, nulls := " ASC", " NULLS FIRST"
	if k.descending {
		direction, nulls = " DESC", " NULLS LAST"
	}
	if !k.column.Nullable {
		nulls = ""
	}
	return k.column.SQL + direction + nulls + ", " + k.id + direction
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	r := reflect.ValueOf(v)
	return r.Kind() == reflect.Pointer && r.IsNil()
}
