package event

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/gatehouse/gatehouse/core/account"
)

// Member is a member of an event's data.
type Member struct {
	Name     string
	Doc      string
	Personal bool // tells about a person; absent once the account was deleted

	index  int
	schema map[string]any
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// membersOf reads the struct of an event. It says what is wrong with a declaration: a mistake in the program.
func membersOf(t reflect.Type) ([]Member, error) {
	if t.Kind() != reflect.Struct {
		return nil, fmt.Errorf("%s is no struct", t)
	}
	var members []Member
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "" || name == "-" || options != "" {
			return nil, fmt.Errorf("%s.%s: a member is exported and has a json tag that is its name alone", t, f.Name)
		}
		m := Member{Name: name, Doc: f.Tag.Get("doc"), Personal: f.Tag.Get("personal") == "true", index: i}
		if m.Doc == "" {
			return nil, fmt.Errorf("%s.%s has no doc tag", t, f.Name)
		}
		var err error
		if m.schema, err = schemaOf(f); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		m.schema["description"] = m.Doc
		if m.Personal {
			m.schema["x-personal"] = true
		}
		members = append(members, m)
	}
	return members, nil
}

// schemaOf gives the schema of a field: texts, Booleans, integers, ids, lists of texts, and pointers to any but the last.
func schemaOf(f reflect.StructField) (map[string]any, error) {
	t, nullable := f.Type, false
	if t.Kind() == reflect.Pointer {
		t, nullable = t.Elem(), true
	}
	if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.String && !nullable {
		return map[string]any{typeKey: "array", "items": enumerated(map[string]any{typeKey: textType}, f)}, nil
	}
	name, format := textType, f.Tag.Get("format")
	switch {
	case t == reflect.TypeFor[account.ID](), t == reflect.TypeFor[account.SessionID]():
		format = "uuid"
	case t.Kind() == reflect.String, t.Implements(textMarshaler):
	case t.Kind() == reflect.Bool:
		name = "boolean"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64:
		name = "integer"
	default:
		return nil, fmt.Errorf("%s is no type that an event carries", f.Type)
	}
	s := map[string]any{typeKey: name}
	if format != "" {
		s["format"] = format
	}
	if nullable {
		s[typeKey] = []any{name, "null"}
		return s, nil
	}
	return enumerated(s, f), nil
}

// Words of JSON Schema.
const (
	typeKey  = "type"
	textType = "string"
)

func enumerated(s map[string]any, f reflect.StructField) map[string]any {
	if enum := f.Tag.Get("enum"); enum != "" {
		s["enum"] = strings.Split(enum, ",")
	}
	return s
}

// Schema gives the JSON Schema (draft 2020-12) of the type's data. What is personal is not required, since it goes with the
// account; what a later release adds is not forbidden.
func (t Type) Schema() []byte {
	properties, required := map[string]any{}, []string{}
	for _, m := range t.Members {
		properties[m.Name] = m.schema
		if !m.Personal {
			required = append(required, m.Name)
		}
	}
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "urn:" + strings.ReplaceAll(t.Name, ".", ":"), "title": t.Name, "description": t.Doc,
		typeKey: "object", "properties": properties, "required": required,
	}, "", "  ")
	if err != nil {
		panic("event: " + err.Error()) // texts, lists and truths
	}
	return text
}

// encode writes the data of an event, what is personal apart: nil where nothing is.
func (t Type) encode(v reflect.Value) (data, personal json.RawMessage, err error) {
	for _, m := range t.Members {
		value := v.Field(m.index)
		if value.Kind() == reflect.Slice && value.IsNil() {
			value = reflect.MakeSlice(value.Type(), 0, 0) // a list is never null
		}
		text, err := json.Marshal(value.Interface())
		if err != nil {
			return nil, nil, fmt.Errorf("event: %s, member %s: %w", t.Name, m.Name, err)
		}
		into := &data
		if m.Personal {
			into = &personal
		}
		*into = appendMember(*into, m.Name, text)
	}
	if data == nil {
		data = []byte{'{'}
	}
	return closed(data), closed(personal), nil
}

func appendMember(object []byte, name string, value []byte) []byte {
	if object == nil {
		object = append(object, '{')
	} else {
		object = append(object, ',')
	}
	object = append(object, '"')
	object = append(object, name...)
	return append(append(object, '"', ':'), value...)
}

func closed(object []byte) json.RawMessage {
	if object == nil {
		return nil
	}
	return append(object, '}')
}

// merge puts the personal members behind the others. Either may have been written anew by a database.
func merge(data, personal json.RawMessage) (json.RawMessage, error) {
	if len(personal) == 0 {
		return data, nil
	}
	all := map[string]json.RawMessage{}
	for _, part := range []json.RawMessage{data, personal} {
		if err := json.Unmarshal(part, &all); err != nil {
			return nil, fmt.Errorf("event: the data is no JSON object: %w", err)
		}
	}
	return json.Marshal(all)
}
