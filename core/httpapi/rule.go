package httpapi

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse/gatehouse/core/errs"
)

// rule is a schema in the form that input is held against. It is compiled when an operation mounts, and a schema that says
// more than a rule can check does not mount: what the document promises is what is checked. huma has a validator of its
// own, whose faults echo the input, have no bound, and let null pass for every optional member.
type rule struct {
	kind     jsontext.Kind // '"', '0', 't' for both booleans, '[' or '{'; 0 takes anything
	nullable bool

	allowed     []string       // of texts; empty allows all
	pattern     *regexp.Regexp // of texts, not anchored
	format      func(string) bool
	whole       bool // of numbers: no fraction, no exponent, and within bits
	bits        int
	low, high   *float64
	least, most int // characters, items or members; most is -1 where there is no bound

	items    *rule
	members  map[string]member
	required []string
	others   *rule // of members without a rule of their own; nil refuses them
}

type member struct {
	rule     *rule
	position int // among the members
}

// compile gives the rule of a schema. seen holds those of named schemas, which may refer to themselves.
func compile(registry huma.Registry, s *huma.Schema, seen map[string]*rule) *rule {
	if s.Ref != "" {
		if r := seen[s.Ref]; r != nil {
			return r
		}
		r := &rule{}
		seen[s.Ref] = r
		*r = *compile(registry, registry.SchemaFromRef(s.Ref), seen)
		return r
	}
	if s.OneOf != nil || s.AnyOf != nil || s.AllOf != nil || s.Not != nil || len(s.DependentRequired) > 0 || s.UniqueItems ||
		s.ExclusiveMinimum != nil || s.ExclusiveMaximum != nil || s.MultipleOf != nil {
		panic("a schema says what its input would not be checked for")
	}
	r := &rule{nullable: s.Nullable, low: s.Minimum, high: s.Maximum, most: -1}
	switch s.Type {
	case huma.TypeString:
		r.compileText(s)
	case huma.TypeInteger:
		r.kind, r.whole, r.bits = '0', true, 64
		if s.Format == "int32" {
			r.bits = 32
		}
	case huma.TypeNumber:
		r.kind = '0'
	case huma.TypeBoolean:
		r.kind = 't'
	case huma.TypeArray:
		r.kind, r.items = '[', compile(registry, s.Items, seen)
		r.bound(s.MinItems, s.MaxItems)
	case huma.TypeObject:
		r.compileObject(registry, s, seen)
	}
	return r
}

func (r *rule) compileText(s *huma.Schema) {
	r.kind, r.format = '"', formatOf(s.Format)
	r.bound(s.MinLength, s.MaxLength)
	if s.Pattern != "" {
		r.pattern = regexp.MustCompile(s.Pattern)
	}
	for _, v := range s.Enum {
		r.allowed = append(r.allowed, fmt.Sprint(v))
	}
}

func (r *rule) compileObject(registry huma.Registry, s *huma.Schema, seen map[string]*rule) {
	r.kind, r.members = '{', make(map[string]member, len(s.Properties))
	r.bound(s.MinProperties, s.MaxProperties)
	for name, p := range s.Properties {
		r.members[name] = member{rule: compile(registry, p, seen), position: len(r.members)}
	}
	for _, name := range s.Required {
		if !s.Properties[name].ReadOnly {
			r.required = append(r.required, name)
		}
	}
	switch more := s.AdditionalProperties.(type) {
	case *huma.Schema:
		r.others = compile(registry, more, seen)
	case bool:
		if more {
			r.others = &rule{most: -1}
		}
	default:
		r.others = &rule{most: -1}
	}
}

func (r *rule) bound(least, most *int) {
	if least != nil {
		r.least = *least
	}
	if most != nil {
		r.most = *most
	}
}

// takes says whether a value is of the rule's type.
func (r *rule) takes(kind jsontext.Kind) bool {
	switch kind {
	case 'n':
		return r.nullable || r.kind == 0
	case 'f':
		return r.kind == 't' || r.kind == 0
	default:
		return kind == r.kind || r.kind == 0
	}
}

// wanted says what type the rule takes.
func (r *rule) wanted() string {
	switch {
	case r.whole:
		return "must be a whole number"
	case r.kind == '0':
		return "must be a number"
	case r.kind == 't':
		return "must be true or false"
	case r.kind == '[':
		return "must be an array"
	case r.kind == '{':
		return "must be an object"
	default:
		return "must be a string"
	}
}

const (
	malformed  = "is not of the form that the document asks for"
	notAllowed = "is not one of the allowed values"
)

// fault is what is wrong with a value; the zero fault is nothing.
type fault struct {
	code    errs.Fault
	message string
}

// text checks a text that is valid UTF-8. No text of ours holds U+0000, which PostgreSQL cannot keep; secrets are looked at
// by those who take them.
func (r *rule) text(s string) fault {
	if r.least > 0 || r.most >= 0 {
		if f := r.size(utf8.RuneCountInString(s), "characters"); f.code != "" {
			return f
		}
	}
	switch {
	case len(r.allowed) > 0 && !slices.Contains(r.allowed, s):
		return fault{errs.NotAllowed, notAllowed}
	case r.format != nil && !r.format(s), r.pattern != nil && !r.pattern.MatchString(s):
		return fault{errs.InvalidFormat, malformed}
	}
	return fault{}
}

// number checks a number as JSON writes it.
func (r *rule) number(s string) fault {
	if r.whole {
		if strings.ContainsAny(s, ".eE") {
			return fault{errs.WrongType, r.wanted()}
		}
		if _, err := strconv.ParseInt(s, 10, r.bits); err != nil {
			return fault{errs.OutOfRange, "is too large a number"}
		}
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil:
		return fault{errs.OutOfRange, "is too large a number"}
	case r.low != nil && n < *r.low:
		return fault{errs.OutOfRange, "must be at least " + strconv.FormatFloat(*r.low, 'g', -1, 64)}
	case r.high != nil && n > *r.high:
		return fault{errs.OutOfRange, "must be at most " + strconv.FormatFloat(*r.high, 'g', -1, 64)}
	}
	return fault{}
}

// size checks how many characters, items or members there are.
func (r *rule) size(n int, what string) fault {
	switch {
	case n < r.least && what == "members":
		return fault{errs.Required, "must have a member"}
	case n < r.least:
		return fault{errs.TooShort, fmt.Sprintf("must be at least %d %s", r.least, what)}
	case r.most >= 0 && n > r.most:
		return fault{errs.TooLong, fmt.Sprintf("must be at most %d %s", r.most, what)}
	}
	return fault{}
}
