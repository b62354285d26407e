package page

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"time"
)

// The kinds of values in a cursor. A kind is followed by its value: texts by length and bytes, numbers as varints.
const (
	kindNil = iota
	kindText
	kindInt
	kindBool
	kindTime
)

func appendValue(b []byte, v any) ([]byte, error) {
	switch x := v.(type) {
	case nil:
		return append(b, kindNil), nil
	case string:
		return appendText(append(b, kindText), x), nil
	case int:
		return binary.AppendVarint(append(b, kindInt), int64(x)), nil
	case int64:
		return binary.AppendVarint(append(b, kindInt), x), nil
	case bool:
		n := int64(0)
		if x {
			n = 1
		}
		return binary.AppendVarint(append(b, kindBool), n), nil
	case time.Time:
		return binary.AppendVarint(append(b, kindTime), x.UnixMicro()), nil
	case *string:
		return appendPointer(b, x)
	case *int64:
		return appendPointer(b, x)
	case *bool:
		return appendPointer(b, x)
	case *time.Time:
		return appendPointer(b, x)
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return nil, fmt.Errorf("page: cursor value: %w", err)
		}
		return appendText(append(b, kindText), string(text)), nil
	default:
		return nil, fmt.Errorf("page: a cursor cannot hold a %T", v)
	}
}

func appendPointer[T any](b []byte, p *T) ([]byte, error) {
	if p == nil {
		return append(b, kindNil), nil
	}
	return appendValue(b, *p)
}

// readValue reads one value into target and gives what follows it.
func readValue(b []byte, target any) ([]byte, bool) {
	switch x := target.(type) {
	case *string:
		text, rest, ok := readText(b)
		*x = text
		return rest, ok
	case *int64:
		n, rest, ok := readNumber(b, kindInt)
		*x = n
		return rest, ok
	case *int:
		n, rest, ok := readNumber(b, kindInt)
		*x = int(n)
		return rest, ok
	case *bool:
		n, rest, ok := readNumber(b, kindBool)
		*x = n == 1
		return rest, ok
	case *time.Time:
		n, rest, ok := readNumber(b, kindTime)
		*x = time.UnixMicro(n).UTC()
		return rest, ok
	case **string:
		return readPointer(b, x)
	case **int64:
		return readPointer(b, x)
	case **bool:
		return readPointer(b, x)
	case **time.Time:
		return readPointer(b, x)
	case encoding.TextUnmarshaler:
		text, rest, ok := readText(b)
		return rest, ok && x.UnmarshalText([]byte(text)) == nil
	default:
		return nil, false
	}
}

func readPointer[T any](b []byte, target **T) ([]byte, bool) {
	if len(b) > 0 && b[0] == kindNil {
		*target = nil
		return b[1:], true
	}
	*target = new(T)
	return readValue(b, *target)
}

func readText(b []byte) (text string, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != kindText {
		return "", nil, false
	}
	length, n := binary.Uvarint(b[1:])
	if n <= 0 || length > uint64(len(b)-1-n) {
		return "", nil, false
	}
	start := 1 + n
	end := start + int(length) // bounded by len(b) above
	return string(b[start:end]), b[end:], true
}

func readNumber(b []byte, kind byte) (n int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != kind {
		return 0, nil, false
	}
	n, length := binary.Varint(b[1:])
	if length <= 0 {
		return 0, nil, false
	}
	return n, b[1+length:], true
}
