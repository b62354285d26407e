package httpapi

import (
	"bytes"
	"errors"
	"io"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse/gatehouse/core/errs"
)

const (
	// maxDepth bounds schemas that hold themselves; what no schema describes is skipped without recursion.
	maxDepth = 64
	// maxFaults bounds an answer. Reading ends with the last of them, so that bad input costs no more than good.
	maxFaults = 100
)

var (
	errTrailing = errors.New("more than one value")
	errDepth    = errors.New("nested too deeply")
	errEnough   = errors.New("more faults than an answer holds")
)

// readJSON holds one JSON value (RFC 8259, with the strictness of RFC 7493: UTF-8, no member twice) against its rule, in
// one pass that keeps nothing. readable is false where the text is no JSON, and then there is one fault, or is so full of
// faults that it was not read to its end.
func readJSON(raw []byte, r *rule) (faults []errs.Field, readable bool) {
	reader := jsonReader{dec: jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))}
	err := reader.value(r, 0)
	if err == nil {
		if _, err = reader.dec.ReadToken(); errors.Is(err, io.EOF) {
			return reader.faults, true
		}
		err = errTrailing
	}
	if errors.Is(err, errEnough) {
		return reader.faults, false
	}
	return []errs.Field{syntaxFault(err, reader.dec)}, false
}

type jsonReader struct {
	dec    *jsontext.Decoder
	faults []errs.Field
}

// refuse notes a fault of the value that was read last.
func (r *jsonReader) refuse(f fault) error {
	if f.code == "" {
		return nil
	}
	return r.refuseAt(string(r.dec.StackPointer()), f)
}

func (r *jsonReader) refuseAt(pointer string, f fault) error {
	r.faults = append(r.faults, errs.Field{Pointer: fragment(pointer), Code: f.code, Message: f.message})
	if len(r.faults) >= maxFaults {
		return errEnough
	}
	return nil
}

func (r *jsonReader) value(want *rule, depth int) error {
	if depth > maxDepth {
		return errDepth
	}
	kind := r.dec.PeekKind()
	switch {
	case !want.takes(kind):
		if err := r.dec.SkipValue(); err != nil {
			return err
		}
		return r.refuse(fault{errs.WrongType, want.wanted()})
	case want.kind == '{' && kind == '{':
		return r.object(want, depth)
	case want.kind == '[' && kind == '[':
		return r.array(want, depth)
	case want.kind == '"' && kind == '"', want.kind == '0' && kind == '0':
		tok, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		if kind == '"' {
			return r.refuse(want.text(tok.String()))
		}
		return r.refuse(want.number(tok.String()))
	default:
		return r.dec.SkipValue()
	}
}

func (r *jsonReader) object(want *rule, depth int) error {
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	var (
		few    [16]bool // room for most, so that they cost no allocation
		given  = append(few[:0], make([]bool, len(want.members))...)
		others map[string]bool
		count  int
	)
	for r.dec.PeekKind() != '}' {
		tok, err := r.dec.ReadToken()
		if err != nil {
			return err
		}
		name := tok.String()
		count++
		m, known := want.members[name]
		var twice bool
		switch {
		case known:
			twice, given[m.position] = given[m.position], true
			err = r.member(m.rule, twice, depth)
		case want.others != nil:
			if others == nil {
				others = map[string]bool{}
			}
			twice, others[name] = others[name], true
			err = r.member(want.others, twice, depth)
		default:
			err = r.unknown()
		}
		if err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	return r.lacks(want, given, count)
}

// member reads a member's value, or reports that the member was there before.
func (r *jsonReader) member(want *rule, twice bool, depth int) error {
	if !twice {
		return r.value(want, depth+1)
	}
	if err := r.dec.SkipValue(); err != nil {
		return err
	}
	return r.refuse(fault{errs.Duplicate, "must stand once"})
}

func (r *jsonReader) unknown() error {
	if err := r.dec.SkipValue(); err != nil {
		return err
	}
	return r.refuse(fault{errs.UnknownField, "is not a member that this operation knows"})
}

// lacks reports what an object lacks, once it was read.
func (r *jsonReader) lacks(want *rule, given []bool, count int) error {
	for _, name := range want.required {
		if given[want.members[name].position] {
			continue
		}
		at := string(r.dec.StackPointer()) + "/" + pointerEscaper.Replace(name)
		if err := r.refuseAt(at, fault{errs.Required, isRequired}); err != nil {
			return err
		}
	}
	return r.refuse(want.size(count, "members"))
}

func (r *jsonReader) array(want *rule, depth int) error {
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	count := 0
	for ; r.dec.PeekKind() != ']'; count++ {
		if err := r.value(want.items, depth+1); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return err
	}
	return r.refuse(want.size(count, "items"))
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

// pointerEscaper writes a member's name as a step of a JSON Pointer (RFC 6901 section 3).
var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// fragment writes a JSON Pointer as a URI fragment (RFC 6901 section 6). A place whose names are absurdly long is told by
// the nearest place above it.
func fragment(pointer string) string {
	for len(pointer) > 4*maxNameShown {
		pointer = pointer[:max(0, strings.LastIndexByte(pointer, '/'))]
	}
	var b strings.Builder
	b.Grow(len(pointer) + 1)
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
