package httpapi

import (
	"bytes"
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse/gatehouse/core/errs"
)

const (
	maxDepth  = 64 // no body of ours nests deeper than a few levels
	maxFaults = 100
)

// parseJSON reads one JSON value (RFC 8259, with the strictness of RFC 7493: UTF-8, no duplicate members) into maps,
// slices and scalars. Duplicates are reported and reading goes on; a syntax error ends it, and ok is false.
// Member names are kept escaped (see keyEscaper), so that a fault's path can be told from a name with dots.
func parseJSON(raw []byte) (tree any, faults []errs.Field, ok bool) {
	p := jsonParser{dec: jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))}
	tree, err := p.value(0)
	if err == nil {
		if _, trailing := p.dec.ReadToken(); trailing == nil || p.dec.InputOffset() != int64(len(raw)) {
			err = errTrailing
		}
	}
	if err != nil {
		return nil, []errs.Field{syntaxFault(err, p.dec)}, false
	}
	return tree, p.faults, true
}

var (
	errTrailing = errors.New("more than one value")
	errDepth    = errors.New("nested too deeply")
)

type jsonParser struct {
	dec    *jsontext.Decoder
	faults []errs.Field
}

func (p *jsonParser) value(depth int) (any, error) {
	if depth > maxDepth {
		return nil, errDepth
	}
	tok, err := p.dec.ReadToken()
	if err != nil {
		return nil, err
	}
	switch tok.Kind() {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		return tok.String(), nil
	case '0':
		return tok.Float()
	case 't', 'f':
		return tok.Bool(), nil
	default:
		return nil, nil //nolint:nilnil // JSON's null
	}
}

func (p *jsonParser) object(depth int) (any, error) {
	object := map[string]any{}
	for p.dec.PeekKind() != '}' {
		name, err := p.dec.ReadToken()
		if err != nil {
			return nil, err
		}
		key := keyEscaper.Replace(name.String())
		if _, twice := object[key]; twice && len(p.faults) < maxFaults {
			p.faults = append(p.faults, errs.Field{Pointer: fragment(string(p.dec.StackPointer())), Code: errs.Duplicate, Message: "must stand once"})
		}
		if object[key], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.dec.ReadToken()
	return object, err
}

func (p *jsonParser) array(depth int) (any, error) {
	array := []any{}
	for p.dec.PeekKind() != ']' {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		array = append(array, v)
	}
	_, err := p.dec.ReadToken()
	return array, err
}

func syntaxFault(err error, dec *jsontext.Decoder) errs.Field {
	message := "is not well-formed JSON"
	switch {
	case errors.Is(err, errTrailing):
		return errs.Field{Pointer: "#", Code: errs.InvalidFormat, Message: "must be one JSON value with nothing after it"}
	case errors.Is(err, errDepth):
		message = "is nested too deeply"
	}
	return errs.Field{Pointer: fragment(string(dec.StackPointer())), Code: errs.InvalidFormat, Message: message}
}

// keyEscaper keeps dots and brackets of member names apart from those that huma puts into a path. The escapes are those
// of JSON Pointer and two more, which pointerOf takes back.
var keyEscaper = strings.NewReplacer("~", "~0", "/", "~1", ".", "~2", "[", "~3")

// fragment writes a JSON Pointer as a URI fragment (RFC 6901 section 6). A place whose names are absurdly long is told by
// the nearest place above it.
func fragment(pointer string) string {
	for len(pointer) > 4*maxNameShown {
		pointer = pointer[:strings.LastIndexByte(pointer, '/')]
	}
	var b strings.Builder
	b.WriteByte('#')
	for i := range len(pointer) {
		c := pointer[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"#%<>[\\]^`{|}", c) >= 0 {
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
