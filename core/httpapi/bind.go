package httpapi

import (
	"encoding"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/core/errs"
)

// binder fills an input's path, query and header fields, compiled once from the type's tags.
type binder struct {
	registry huma.Registry
	params   []param
	query    map[string]int // name → index in params
}

type param struct {
	in     string // path, query or header
	name   string
	index  []int
	schema *huma.Schema
	parse  func(reflect.Value, string) (any, bool)
	def    string // text of the value where the request gives none
	need   bool
}

// newBinder reads the tags. Its parameters' schemas are those that the document shows.
func newBinder(t reflect.Type, registry huma.Registry) *binder {
	b := &binder{registry: registry, query: map[string]int{}}
	for _, f := range reflect.VisibleFields(t) {
		for _, in := range []string{"path", "query", "header"} {
			name, ok := f.Tag.Lookup(in)
			if !ok {
				continue
			}
			p := param{in: in, name: name, index: f.Index, parse: parserOf(f.Type), def: f.Tag.Get("default"), need: in == "path" || f.Tag.Get("required") == "true"}
			p.schema = huma.SchemaFromField(registry, f, "")
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
	for i, p := range b.params {
		text, ok := "", false
		switch p.in {
		case "path":
			text, ok = r.PathValue(p.name), true
		case "query":
			text, ok = query[i], query != nil && hasKey(query, i)
		case "header":
			text = r.Header.Get(p.name)
			ok = text != ""
		}
		if !ok && p.def != "" {
			text, ok = p.def, true
		}
		if !ok {
			if p.need {
				faults = append(faults, p.fault(errs.Required, "is required"))
			}
			continue
		}
		faults = append(faults, b.set(p, v, text)...)
	}
	return faults
}

func hasKey(m map[int]string, k int) bool {
	_, ok := m[k]
	return ok
}

func (b *binder) set(p param, v reflect.Value, text string) []errs.Field {
	value, ok := p.parse(v.FieldByIndex(p.index), text)
	if !ok {
		return []errs.Field{p.fault(errs.InvalidFormat, "is not of the form that the document asks for")}
	}
	return b.check(p, value)
}

func (b *binder) check(p param, value any) []errs.Field {
	var faults []errs.Field
	for _, f := range validate(b.registry, p.schema, value) {
		faults = append(faults, p.fault(f.Code, f.Message))
	}
	return faults
}

func (p param) fault(code errs.Fault, message string) errs.Field {
	if p.in == "header" {
		return errs.Field{Header: p.name, Code: code, Message: message}
	}
	return errs.Field{Parameter: p.name, Code: code, Message: message}
}

// maxNameShown bounds what goes back of a name that the client made up.
const maxNameShown = 64

// readQuery takes the raw query apart without the leniency of url.ParseQuery: every pair decodes, is known and stands once.
func (b *binder) readQuery(raw string) (map[int]string, []errs.Field) {
	if raw == "" {
		return nil, nil
	}
	values := map[int]string{}
	var faults []errs.Field
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(rawName)
		value, valueErr := url.QueryUnescape(rawValue)
		shown := name
		if nameErr != nil || !utf8.ValidString(name) || len(name) > maxNameShown || name == "" {
			shown = "query"
		}
		i, known := b.query[name]
		switch {
		case nameErr != nil || valueErr != nil || strings.Contains(pair, ";") || !utf8.ValidString(value) || !utf8.ValidString(name):
			faults = append(faults, errs.Field{Parameter: shown, Code: errs.InvalidFormat, Message: "does not decode as a query string"})
		case !known:
			faults = append(faults, errs.Field{Parameter: shown, Code: errs.UnknownField, Message: "is not a parameter of this operation"})
		case hasKey(values, i):
			faults = append(faults, errs.Field{Parameter: shown, Code: errs.Duplicate, Message: "must stand once"})
		default:
			values[i] = value
		}
		if len(faults) >= maxFaults {
			break
		}
	}
	return values, faults
}

// parserOf gives the function that sets a field from text and returns the value that its schema sees.
func parserOf(t reflect.Type) func(reflect.Value, string) (any, bool) {
	if reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return func(v reflect.Value, s string) (any, bool) {
			return s, v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s)) == nil
		}
	}
	switch t.Kind() {
	case reflect.String:
		return func(v reflect.Value, s string) (any, bool) {
			v.SetString(s)
			return s, true
		}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return func(v reflect.Value, s string) (any, bool) {
			n, err := strconv.ParseInt(s, 10, t.Bits())
			v.SetInt(n)
			return float64(n), err == nil
		}
	case reflect.Bool:
		return func(v reflect.Value, s string) (any, bool) {
			v.SetBool(s == "true")
			return s == "true", s == "true" || s == "false"
		}
	default:
		panic(fmt.Sprintf("a parameter cannot be of type %s", t))
	}
}
