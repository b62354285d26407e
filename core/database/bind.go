package database

import (
	"database/sql/driver"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"time"
)

// bind converts arguments to what both engines' drivers take. A time becomes timestamptz, or microseconds since 1970 in
// an INTEGER; a bool boolean, or 0 and 1; JSON text. A nil pointer, slice or JSON is NULL; a driver.Valuer gives its value.
func bind(kind Engine, args []any) ([]any, error) {
	if len(args) == 0 {
		return nil, nil
	}
	bound := make([]any, len(args))
	for i, a := range args {
		v, err := bindOne(kind, a)
		if err != nil {
			return nil, fmt.Errorf("database: argument %d: %w", i+1, err)
		}
		bound[i] = v
	}
	return bound, nil
}

func bindOne(kind Engine, a any) (any, error) {
	switch v := a.(type) {
	case nil, string, int64, float64:
		return v, nil
	case int:
		return int64(v), nil
	case bool:
		return bindBool(kind, v), nil
	case time.Time:
		return bindTime(kind, v), nil
	case json.RawMessage:
		if v == nil {
			return nil, nil
		}
		return string(v), nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case driver.Valuer:
		return bindValuer(kind, v)
	}
	return bindKind(kind, reflect.ValueOf(a))
}

func bindBool(kind Engine, v bool) any {
	if kind == PostgreSQL {
		return v
	}
	if v {
		return int64(1)
	}
	return int64(0)
}

// bindTime cuts to the microseconds that both engines keep, so that what is read is what was written.
func bindTime(kind Engine, t time.Time) any {
	if kind == PostgreSQL {
		return t.UTC().Truncate(time.Microsecond)
	}
	return t.UnixMicro()
}

func bindValuer(kind Engine, v driver.Valuer) (any, error) {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return nil, nil
	}
	value, err := v.Value()
	if err != nil {
		return nil, fmt.Errorf("%T has no value", v) // its own error could hold it
	}
	if _, again := value.(driver.Valuer); again {
		return nil, fmt.Errorf("%T gives another Valuer", v)
	}
	return bindOne(kind, value)
}

// bindKind takes pointers and named types.
func bindKind(kind Engine, r reflect.Value) (any, error) {
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return nil, nil
		}
		return bindOne(kind, r.Elem().Interface())
	case reflect.String:
		return r.String(), nil
	case reflect.Bool:
		return bindBool(kind, r.Bool()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return r.Int(), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if r.Uint() <= math.MaxInt64 {
			return int64(r.Uint()), nil // checked on the line above
		}
		return nil, fmt.Errorf("%s is larger than a column takes", r.Type())
	case reflect.Float32, reflect.Float64:
		return r.Float(), nil
	case reflect.Slice:
		if r.Type().Elem().Kind() == reflect.Uint8 {
			return bindOne(kind, r.Bytes())
		}
	}
	return nil, fmt.Errorf("%s is no type that a column takes", r.Type())
}
