package config

import (
	"encoding"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/secret"
)

const (
	envPrefix = "GATEHOUSE_"
	envFile   = "GATEHOUSE_CONFIG" // names the settings file
	fileTail  = "_FILE"            // a variable that names the file which holds a secret
)

// schema is what the parts declare.
type schema struct {
	fields []*field
	byPath map[string]*field
	inner  map[string]bool // paths of mappings
	rules  []check         // structs with rules of their own
	faults Faults          // of the declaration
}

// field is one setting.
type field struct {
	path, env, typ, def, doc string
	secret                   bool
	rule                     rule
	value                    reflect.Value // where it goes; not for a dynamic one
	dynamic                  Dynamic
	name                     string // of a dynamic one
}

// rule is what the tags say beside the type.
type rule struct{ enum []string }

type check struct {
	path    string
	checker Checker
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	secretType   = reflect.TypeFor[secret.String]()
	durationType = reflect.TypeFor[time.Duration]()
	nameGrammar  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	pathGrammar  = regexp.MustCompile(`^([a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*)?$`)
)

func describe(parts []Part) *schema {
	s := &schema{byPath: map[string]*field{}, inner: map[string]bool{"": true}}
	for _, p := range parts {
		if p.Into == nil {
			continue
		}
		if !pathGrammar.MatchString(p.Path) {
			s.fault(p.Path, "declared with a path that is not lower-case words between dots")
		}
		v := reflect.ValueOf(p.Into)
		dynamic, isDynamic := p.Into.(Dynamic)
		switch {
		case v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct:
			s.structure(p.Path, v.Elem())
		case !isDynamic:
			s.fault(p.Path, fmt.Sprintf("declared with a %T, not with a pointer to a struct", p.Into))
		}
		if isDynamic {
			s.dynamic(p.Path, dynamic)
		}
	}
	for _, f := range s.fields {
		if s.inner[f.path] {
			s.fault(f.path, "declared both as a setting and as a group of settings")
		}
	}
	for _, c := range collisions(s.fields) {
		s.fault("", c)
	}
	return s
}

// structure declares the fields of a struct, embedded and nested ones included.
func (s *schema) structure(path string, v reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		name, named := sf.Tag.Lookup("conf")
		switch {
		case sf.Anonymous && !named && sf.Type.Kind() == reflect.Struct:
			s.structure(path, v.Field(i))
			continue
		case !named:
			continue
		case sf.Anonymous:
			s.fault(join(path, name), fmt.Sprintf("declared by the embedded %s: give it a field name, or no conf tag", sf.Type))
			continue
		case !sf.IsExported() || !nameGrammar.MatchString(name):
			s.fault(join(path, name), fmt.Sprintf("declared by field %s of %s, which is unexported or has no lower-case name", sf.Name, t))
			continue
		}
		if isGroup(sf.Type) {
			s.structure(join(path, name), v.Field(i))
			continue
		}
		s.leaf(join(path, name), sf, v.Field(i))
	}
	if !v.CanInterface() { // an unexported embedded struct: the one around it has its Check
		return
	}
	if c, ok := reflect.TypeAssert[Checker](v.Addr()); ok {
		s.rules = append(s.rules, check{path: path, checker: c})
	}
}

func (s *schema) leaf(path string, sf reflect.StructField, v reflect.Value) {
	typ, ok := typeName(sf.Type)
	if !ok {
		s.fault(path, fmt.Sprintf("declared with type %s, which settings cannot have", sf.Type))
		return
	}
	f := &field{path: path, env: envName(path), typ: typ, def: sf.Tag.Get("default"), doc: sf.Tag.Get("doc"), secret: holdsSecret(sf.Type), rule: ruleOf(sf), value: v}
	if len(f.rule.enum) > 0 {
		f.typ = "one of " + strings.Join(f.rule.enum, ", ")
		if v.Kind() == reflect.Slice {
			f.typ = "list of: " + strings.Join(f.rule.enum, ", ")
		}
	}
	if f.doc == "" {
		s.fault(path, "declared without doc")
	}
	if f.def != "" {
		for _, p := range setText(reflect.New(sf.Type).Elem(), f.rule, f.def) {
			s.fault(path, "declared with a faulty default: "+p.text)
		}
	}
	s.add(f)
}

func (s *schema) dynamic(path string, d Dynamic) {
	for _, name := range slices.Sorted(slices.Values(d.SettingNames())) {
		if !nameGrammar.MatchString(name) {
			s.fault(join(path, name), "declared with a name that is not lower-case letters, digits and underscores")
			continue
		}
		text, doc := d.Setting(name)
		p := join(path, name)
		s.add(&field{path: p, env: envName(p), typ: "text", def: text, doc: doc, dynamic: d, name: name})
	}
}

func (s *schema) add(f *field) {
	if s.byPath[f.path] != nil {
		s.fault(f.path, "declared twice")
		return
	}
	s.byPath[f.path] = f
	s.fields = append(s.fields, f)
	for p := parent(f.path); p != ""; p = parent(p) {
		s.inner[p] = true
	}
}

func (s *schema) fault(path, problem string) { s.faults.add(Fault{Path: path, Problem: problem}) }

// holding finds the setting that path is, or lies in: "events.destinations[0].url".
func (s *schema) holding(path string) *field {
	head, _, _ := strings.Cut(path, "[")
	return s.byPath[head]
}

// checkers lists every struct with rules, the elements of lists included. It is asked once the values were read.
func (s *schema) checkers() []check {
	out := slices.Clone(s.rules)
	for _, f := range s.fields {
		if f.isDynamic() || f.value.Kind() != reflect.Slice || !isGroup(f.value.Type().Elem()) {
			continue
		}
		for i := range f.value.Len() {
			if c, ok := reflect.TypeAssert[Checker](f.value.Index(i).Addr()); ok {
				out = append(out, check{path: fmt.Sprintf("%s[%d]", f.path, i), checker: c})
			}
		}
	}
	return out
}

// EnvCollisions tells which settings would have one environment name, _FILE names and GATEHOUSE_CONFIG included. A test
// of the app holds it empty; Load refuses them too.
func EnvCollisions(parts ...Part) []string { return collisions(describe(parts).fields) }

func collisions(fields []*field) []string {
	owner := map[string]string{envFile: "the name of the settings file"}
	var out []string
	take := func(env, path string) {
		if other, taken := owner[env]; taken {
			out = append(out, fmt.Sprintf("%s stands for %s and for %s", env, other, path))
			return
		}
		owner[env] = path
	}
	for _, f := range fields {
		take(f.env, f.path)
		if f.secret {
			take(f.env+fileTail, "the file of "+f.path)
		}
	}
	return out
}

func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func parent(path string) string {
	i := strings.LastIndexByte(path, '.')
	return path[:max(i, 0)]
}

// isText says whether a value of t reads itself from one text.
func isText(t reflect.Type) bool { return reflect.PointerTo(t).Implements(textType) }

// isGroup says whether t is a struct of settings.
func isGroup(t reflect.Type) bool { return t.Kind() == reflect.Struct && !isText(t) }

// holdsSecret says whether a value of t may hold a secret.
func holdsSecret(t reflect.Type) bool {
	switch {
	case t == secretType:
		return true
	case t.Kind() == reflect.Slice:
		return holdsSecret(t.Elem())
	case isGroup(t):
		for field := range t.Fields() {
			if holdsSecret(field.Type) {
				return true
			}
		}
	}
	return false
}

// typeName is the type in words; not ok means that settings cannot have it.
func typeName(t reflect.Type) (string, bool) {
	switch {
	case t == secretType:
		return "secret", true
	case t == durationType:
		return "duration", true
	case isText(t):
		return strings.ToLower(t.Name()), true
	case t.Kind() == reflect.Slice && isGroup(t.Elem()):
		return "list of structures", groupOK(t.Elem())
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.Slice:
		inner, ok := typeName(t.Elem())
		return "list of " + inner, ok
	}
	switch t.Kind() {
	case reflect.String:
		return "text", true
	case reflect.Bool:
		return "true or false", true
	case reflect.Int, reflect.Int64:
		return "whole number", true
	case reflect.Float64:
		return "number", true
	default:
		return "", false
	}
}

// groupOK says whether every field of a list's structure can be set.
func groupOK(t reflect.Type) bool {
	for f := range t.Fields() {
		name, named := f.Tag.Lookup("conf")
		if !named {
			continue
		}
		if !f.IsExported() || !nameGrammar.MatchString(name) {
			return false
		}
		if _, ok := typeName(f.Type); !ok && (!isGroup(f.Type) || !groupOK(f.Type)) {
			return false
		}
	}
	return true
}
