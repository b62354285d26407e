// Package page walks long lists: cursors that a client can neither read nor make, bounds of a page's size, and the SQL of a
// keyset, which costs the same on every page. It never builds SQL from input, and never counts or skips rows.
package page

import (
	"reflect"
	"strings"

	"github.com/gatehouse/gatehouse/core/errs"
)

// The bounds of a page's size.
const (
	MinLimit     = 1
	MaxLimit     = 100
	DefaultLimit = 20
)

// What a list refuses. All are validation errors that name their parameter.
var (
	// ErrCursor is a cursor that was forged, cut, or made for another list, sort, filter or installation.
	ErrCursor = refuse("cursor", errs.InvalidFormat, "is not a cursor of this list with this sort and filter")
	// ErrLimit is a page size out of bounds.
	ErrLimit = refuse("limit", errs.OutOfRange, "must be from 1 to 100")
	// ErrSort is a sort that the list does not have.
	ErrSort = refuse("sort", errs.NotAllowed, "is not a sort of this list")
)

func refuse(parameter string, fault errs.Fault, message string) *errs.Error {
	return errs.ErrValidation.WithDetail("1 field is invalid").
		WithFields(errs.Field{Parameter: parameter, Code: fault, Message: message})
}

// Page is one answer of a list. Make it with Cut or New, so that items is never null.
type Page[T any] struct {
	Items      []T     `json:"items" nullable:"false" doc:"what this page holds, in the order asked for"`
	NextCursor *string `json:"next_cursor" doc:"cursor of the next page; null on the last one"`
}

// SchemaName is the page's name in the document: that of what it holds behind Page.
func (Page[T]) SchemaName() string {
	var item T
	if named, ok := any(item).(interface{ SchemaName() string }); ok {
		return "Page" + named.SchemaName()
	}
	name := reflect.TypeFor[T]().Name()
	return "Page" + strings.ToUpper(name[:1]) + name[1:]
}

// New makes a page.
func New[T any](items []T, next *string) Page[T] {
	if items == nil {
		items = []T{}
	}
	return Page[T]{Items: items, NextCursor: next}
}

// Next is the cursor of the next page; it is empty on the last one.
func (p Page[T]) Next() string {
	if p.NextCursor == nil {
		return ""
	}
	return *p.NextCursor
}

// Map makes a page of what f makes of each item.
func Map[T, U any](p Page[T], f func(T) U) Page[U] {
	items := make([]U, len(p.Items))
	for i, item := range p.Items {
		items[i] = f(item)
	}
	return New(items, p.NextCursor)
}

// Cut makes a page of at most limit items from limit+1 that were read: the one too many says that there is a next page,
// whose cursor is made from the last item that is kept.
func Cut[T any](items []T, limit int, cursor func(last T) (string, error)) (Page[T], error) {
	if len(items) <= limit || limit < 1 {
		return New(items, nil), nil
	}
	items = items[:limit:limit]
	next, err := cursor(items[limit-1])
	if err != nil {
		return Page[T]{}, err
	}
	return New(items, &next), nil
}

// Limit gives the page size asked for: DefaultLimit for nil, ErrLimit outside the bounds.
func Limit(asked *int) (int, error) {
	switch {
	case asked == nil:
		return DefaultLimit, nil
	case *asked < MinLimit || *asked > MaxLimit:
		return 0, ErrLimit
	default:
		return *asked, nil
	}
}
