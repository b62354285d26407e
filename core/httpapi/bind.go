package httpapi

import (
	"encoding"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/core/errs"
)

// isRequired is what errs.Required says of a place.
const isRequired = "is required"

// binder fills an input's path, query and header fields, compiled once from the type's tags.
type binder struct {
	params []param
	query  map[string]int // name → index in params
}

type param struct {
	in    string // path, query or header
	name  string
	key   string // name as http.Header has it
	index []int
	rule  *rule
	set   func(reflect.Value, string) bool
	def   string // text of the value where the request gives none
	need  bool
}

// newBinder reads the tags. Its parameters' rules are those that the document shows.
func newBinder(t reflect.Type, registry huma.Registry) *binder {
	b := &binder{query: map[string]int{}}
	for _, f := range reflect.VisibleFields(t) {
		for _, in := range []string{"path", "query", "header"} {
			name, ok := f.Tag.Lookup(in)
			if !ok {
				continue
			}
			p := param{
				in: in, name: name, key: http.CanonicalHeaderKey(name), index: f.Index, set: setterOf(f.Type), def: f.Tag.Get("default"),
				need: in == "path" || f.Tag.Get("required") == "true",
				rule: compile(registry, huma.SchemaFromField(registry, f, ""), map[string]*rule{}),
			}
			if in == "query" {
				b.query[name] = len(b.params)
			}
			b.params = append(b.params, p)
		}
	}
	return b
}

// bind reports every fault of path, query and headers.
func (b *binder) bind(r *http.Request, v reflect.Value) []errs.Field {
	query, faults := b.readQuery(r.URL.RawQuery)
	for i := range b.params {
		p := &b.params[i]
		text, ok := "", false
		switch p.in {
		case "path":
			text, ok = r.PathValue(p.name), true
		case "query":
			if query != nil {
				text, ok = query[i].text, query[i].given
			}
		case "header": // several lines of one header are one list: RFC 9110 section 5.3
			text = strings.Join(r.Header[p.key], ", ")
			ok = len(r.Header[p.key]) > 0
		}
		if !ok && p.def != "" {
			text, ok = p.def, true
		}
		var f fault
		if ok {
			f = p.take(v, text)
		} else if p.need {
			f = fault{errs.Required, isRequired}
		}
		if f.code != "" {
			faults = append(faults, p.field(f))
		}
	}
	return faults
}

// take checks the text of a parameter and fills its field.
func (p *param) take(v reflect.Value, text string) fault {
	if !utf8.ValidString(text) {
		return fault{errs.InvalidFormat, malformed}
	}
	var f fault
	switch {
	case p.rule.kind == '"':
		f = p.rule.text(text)
	case p.rule.kind == '0' && isCanonicalInteger(text):
		f = p.rule.number(text)
	case p.rule.kind == '0', text != "true" && text != "false":
		f = fault{errs.InvalidFormat, p.rule.wanted()}
	}
	if f.code == "" && !p.set(v.FieldByIndex(p.index), text) {
		f = fault{errs.InvalidFormat, malformed}
	}
	return f
}

func (p *param) field(f fault) errs.Field {
	if p.in == "header" {
		return errs.Field{Header: p.name, Code: f.code, Message: f.message}
	}
	return errs.Field{Parameter: p.name, Code: f.code, Message: f.message}
}

// isCanonicalInteger wants a whole number as JSON writes it, so that one value has one spelling.
func isCanonicalInteger(s string) bool {
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || len(digits) > 1 && digits[0] == '0' {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// setterOf gives the function that sets a field from a text that its rule let pass.
func setterOf(t reflect.Type) func(reflect.Value, string) bool {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return func(v reflect.Value, s string) bool {
			return v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)) == nil
		}
	}
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value, s string) bool {
			v.SetString(s)
			return true
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return func(v reflect.Value, s string) bool {
			n, err := strconv.ParseInt(s, 10, t.Bits())
			v.SetInt(n)
			return err == nil
		}
	case reflect.Bool:
		return func(v reflect.Value, s string) bool {
			v.SetBool(s == "true")
			return true
		}
	default:
		panic(fmt.Sprintf("a parameter cannot be of type %s", t))
	}
}
