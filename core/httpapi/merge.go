package httpapi

import (
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Member is a member of a JSON merge patch (RFC 7396), which tells what is absent from what is null: absent leaves what
// there is. null is refused, unless T is a pointer: then it clears, and Value is nil. Tag it with omitzero; the other tags
// are those of a field of T.
type Member[T any] struct {
	Given bool
	Value T
}

// Or gives the value where there is one, and otherwise what there is.
func (m Member[T]) Or(current T) T {
	if m.Given {
		return m.Value
	}
	return current
}

// Pointer gives the value where there is one, and otherwise nil.
func (m Member[T]) Pointer() *T {
	if m.Given {
		return &m.Value
	}
	return nil
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (m *Member[T]) UnmarshalJSONFrom(dec *jsontext.Decoder) error {
	m.Given = true
	return json.UnmarshalDecode(dec, &m.Value)
}

// Schema implements huma.SchemaProvider: in the document a Member is its value.
func (Member[T]) Schema(schemas huma.Registry) *huma.Schema {
	return schemas.Schema(reflect.TypeFor[T](), true, "")
}

func (Member[T]) mergeable() {}

// mustMerge makes the body's schema that of a merge, which changes something, and panics where it is none: a member of
// another kind could not tell null from absent.
func (o *operation) mustMerge(body reflect.Type, schema *huma.Schema, schemas huma.Registry) {
	if o.Method != http.MethodPatch {
		return
	}
	if schema.Ref != "" {
		schema = schemas.SchemaFromRef(schema.Ref)
	}
	if body.Kind() != reflect.Struct || schema.Type != huma.TypeObject || len(schema.Required) > 0 {
		panic(fmt.Sprintf("%s %s takes no merge: its body must be an object without members that are required", o.Method, o.Path))
	}
	for _, f := range reflect.VisibleFields(body) {
		_, named := f.Tag.Lookup("json")
		if _, ok := reflect.TypeAssert[interface{ mergeable() }](reflect.Zero(f.Type)); named && !ok {
			panic(fmt.Sprintf("%s %s takes no merge: %s is no Member", o.Method, o.Path, f.Name))
		}
	}
	least := 1
	schema.MinProperties = &least
}
