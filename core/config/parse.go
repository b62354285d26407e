package config

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// setText reads a value that was given as one text: by the environment, a flag or a default.
func setText(v reflect.Value, r rule, text string) []problem {
	if v.Kind() == reflect.Slice && !isText(v.Type()) && isGroup(v.Type().Elem()) {
		n, problems := parseJSON(text)
		if len(problems) > 0 {
			return problems
		}
		return setNode(v, r, n, "")
	}
	return setNode(v, r, &node{kind: scalarNode, text: text}, "")
}

// setNode reads n into v, which is settable. A fault leaves v in any state.
func setNode(v reflect.Value, r rule, n *node, path string) []problem {
	t := v.Type()
	switch {
	case n.kind == nullNode:
		return nil
	case isGroup(t):
		return setGroup(v, n, path)
	case t.Kind() == reflect.Slice && !isText(t):
		return setList(v, r, n, path)
	case n.kind != scalarNode:
		return []problem{plain(path, n.line, "expected one value, not a list or a mapping")}
	}
	if err := setScalar(v, r, n.text); err != nil {
		safe := "is not valid"
		if e, ok := errors.AsType[expectation](err); ok {
			safe = string(e)
		}
		return []problem{{path: path, text: err.Error(), safe: safe, got: n.text, hasGot: true, line: n.line}}
	}
	return nil
}

// setList takes a list, or one text with commas. Spaces around the commas are no part of the items.
func setList(v reflect.Value, r rule, n *node, path string) []problem {
	items := n.items
	switch {
	case n.kind == mappingNode || n.kind == scalarNode && isGroup(v.Type().Elem()):
		return []problem{plain(path, n.line, "expected a list")}
	case n.kind == scalarNode && strings.TrimSpace(n.text) != "":
		for text := range strings.SplitSeq(n.text, ",") {
			items = append(items, &node{kind: scalarNode, text: strings.TrimSpace(text), line: n.line})
		}
	}
	v.Set(reflect.MakeSlice(v.Type(), len(items), len(items)))
	var problems []problem
	for i, item := range items {
		at := fmt.Sprintf("%s[%d]", path, i)
		if item.kind == nullNode || item.kind == scalarNode && item.text == "" {
			problems = append(problems, plain(at, item.line, "is empty"))
			continue
		}
		problems = append(problems, setNode(v.Index(i), r, item, at)...)
	}
	return problems
}

// setGroup reads one structure of a list. What it does not name gets its default.
func setGroup(v reflect.Value, n *node, path string) []problem {
	if n.kind != mappingNode {
		return []problem{plain(path, n.line, "expected a mapping")}
	}
	given := map[string]*node{}
	for _, m := range n.members {
		given[m.name] = m.value
	}
	var problems []problem
	names := setFields(v, given, path, n.line, &problems)
	for _, m := range n.members {
		if !slices.Contains(names, m.name) {
			problems = append(problems, plain(join(path, m.name), m.value.line, unknown(m.name, names, ".")))
		}
	}
	return problems
}

// setFields gives the names that the structure has.
func setFields(v reflect.Value, given map[string]*node, path string, line int, problems *[]problem) []string {
	var names []string
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		name, named := sf.Tag.Lookup("conf")
		if sf.Anonymous && !named && sf.Type.Kind() == reflect.Struct {
			names = append(names, setFields(v.Field(i), given, path, line, problems)...)
			continue
		}
		if !named {
			continue
		}
		names = append(names, name)
		r := ruleOf(sf)
		if def := sf.Tag.Get("default"); def != "" {
			*problems = append(*problems, setText(v.Field(i), r, def)...)
		}
		n := given[name]
		if n == nil || n.kind == nullNode {
			n = &node{line: line}
			if isGroup(sf.Type) { // for its fields' defaults
				n.kind = mappingNode
			}
		}
		*problems = append(*problems, setNode(v.Field(i), r, n, join(path, name))...)
	}
	return names
}

func ruleOf(sf reflect.StructField) rule {
	if enum := sf.Tag.Get("enum"); enum != "" {
		return rule{enum: strings.Split(enum, ",")}
	}
	return rule{}
}

// expectation says what a value should be, and never holds the value.
type expectation string

func (e expectation) Error() string { return string(e) }

func setScalar(v reflect.Value, r rule, text string) error {
	if len(r.enum) > 0 && !slices.Contains(r.enum, text) {
		return expectation("expected one of " + strings.Join(r.enum, ", "))
	}
	if v.Type() == durationType {
		d, err := ParseDuration(text)
		if err != nil {
			return expectation(err.Error())
		}
		v.SetInt(int64(d))
		return nil
	}
	if u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr()); ok {
		return u.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		return setBool(v, text)
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return expectation("expected a number such as 0.5")
		}
		v.SetFloat(f)
	default:
		n, err := strconv.ParseInt(text, 10, v.Type().Bits())
		if err != nil {
			return expectation("expected a whole number in decimal digits")
		}
		v.SetInt(n)
	}
	return nil
}

func setBool(v reflect.Value, text string) error {
	switch strings.ToLower(text) {
	case "true", "1":
		v.SetBool(true)
	case "false", "0":
		v.SetBool(false)
	default:
		return expectation("expected true or false")
	}
	return nil
}

// format is a value as text: what setText would read, but for secrets and lists whose items hold commas.
func format(v reflect.Value) string {
	if v.Kind() == reflect.Slice && !isText(v.Type()) {
		return formatList(v)
	}
	switch x := v.Interface().(type) {
	case interface{ Reveal() string }: // secret.String
		if x.Reveal() == "" {
			return ""
		}
		return fmt.Sprint(x)
	case time.Duration:
		return FormatDuration(x)
	case encoding.TextMarshaler:
		b, _ := x.MarshalText()
		return string(b)
	default:
		return fmt.Sprint(x)
	}
}

func formatList(v reflect.Value) string {
	items := make([]string, v.Len())
	comma := false
	for i := range items {
		if isGroup(v.Type().Elem()) {
			items[i] = formatGroup(v.Index(i))
			continue
		}
		items[i] = format(v.Index(i))
		comma = comma || strings.Contains(items[i], ",")
	}
	if comma {
		for i := range items {
			items[i] = strconv.Quote(items[i])
		}
	}
	if comma || isGroup(v.Type().Elem()) {
		return "[" + strings.Join(items, ",") + "]"
	}
	return strings.Join(items, ",")
}

// formatGroup is a structure as a JSON object.
func formatGroup(v reflect.Value) string {
	return "{" + strings.Join(formatMembers(v), ",") + "}"
}

func formatMembers(v reflect.Value) []string {
	var out []string
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		name, named := sf.Tag.Lookup("conf")
		f := v.Field(i)
		switch {
		case sf.Anonymous && !named && sf.Type.Kind() == reflect.Struct:
			out = append(out, formatMembers(f)...)
		case !named:
		default:
			out = append(out, quoteJSON(name)+":"+formatMember(f))
		}
	}
	return out
}

func formatMember(f reflect.Value) string {
	t := f.Type()
	switch {
	case isGroup(t):
		return formatGroup(f)
	case t.Kind() == reflect.Slice && !isText(t):
		items := make([]string, f.Len())
		for i := range items {
			items[i] = formatMember(f.Index(i))
		}
		return "[" + strings.Join(items, ",") + "]"
	case isText(t) || t == durationType || t.Kind() == reflect.String:
		return quoteJSON(format(f))
	default:
		return format(f)
	}
}
