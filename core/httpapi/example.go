package httpapi

import (
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// exampleOf builds an example out of those of the schema's members. One that is described and says nothing of its own has
// the least that its type allows.
func exampleOf(schemas huma.Registry, s *huma.Schema) any {
	if s.Nullable && len(s.Examples) > 0 && s.Examples[0] == "null" { // the tag's way to write null
		s.Examples[0] = nil
	}
	switch {
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case s.Ref != "":
		return exampleOf(schemas, schemas.SchemaFromRef(s.Ref))
	}
	switch s.Type {
	case huma.TypeObject:
		object := map[string]any{}
		for name, member := range s.Properties {
			if slices.Contains(s.Required, name) || len(member.Examples) > 0 {
				object[name] = exampleOf(schemas, member)
			}
		}
		return object
	case huma.TypeArray:
		return []any{exampleOf(schemas, s.Items)}
	case huma.TypeBoolean:
		return true
	case huma.TypeInteger, huma.TypeNumber:
		if s.Minimum != nil {
			return *s.Minimum
		}
		return 1
	default:
		if s.Nullable {
			return nil
		}
		return "string"
	}
}
