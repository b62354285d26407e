package httpapi

import (
	"encoding"
	"fmt"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// Optional is a query parameter whose absence means something else than each of its values does.
type Optional[T any] struct {
	Value T
	Given bool
}

// UnmarshalText implements encoding.TextUnmarshaler: for booleans, and for types that implement it themselves.
func (o *Optional[T]) UnmarshalText(b []byte) error {
	o.Given = true
	switch v := any(&o.Value).(type) {
	case encoding.TextUnmarshaler:
		return v.UnmarshalText(b)
	case *bool:
		*v = string(b) == "true" // its rule lets nothing else but "false" pass
		return nil
	default:
		return fmt.Errorf("a parameter cannot be of type %T", o.Value)
	}
}

// Pointer gives the value, or nil where there is none.
func (o Optional[T]) Pointer() *T {
	if !o.Given {
		return nil
	}
	return &o.Value
}

// Schema describes the value.
func (Optional[T]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[T](), true, "")
}
