package httpapi

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/core/errs"
)

// Precondition is embedded by the input of a change that must not overwrite one that the client has not seen. Its operation
// answers 412 where the resource is at another version; without the header it changes whatever version there is.
type Precondition struct {
	IfMatch EntityTags `header:"If-Match" doc:"ETags of the versions that may be changed, or *; 412 where the current one is not among them"`
}

// Check returns errs.ErrPreconditionFailed where the client asks for other versions than the current one. Call it where
// nobody can change the resource before the answer is acted upon: in the transaction that has locked it.
func (p Precondition) Check(current ETagged) error {
	if p.IfMatch.given && !p.IfMatch.hold(current.ETag()) {
		return errs.ErrPreconditionFailed
	}
	return nil
}

// EntityTags is a list of ETags, or * for any (RFC 9110 section 13.1.1). The zero EntityTags was not given.
type EntityTags struct {
	given, every bool
	strong       []string // as sent, in quotes; weak ones are never equal to anything here, and are left out
}

var errEntityTags = errors.New("a list of entity tags in quotes is needed, or *")

// UnmarshalText implements encoding.TextUnmarshaler. It refuses what is no list of entity tags, and does not guess: whoever
// sends the header wants to be stopped.
func (t *EntityTags) UnmarshalText(b []byte) error {
	read := EntityTags{given: true}
	rest := strings.Trim(string(b), " \t")
	if rest == "*" {
		read.every, rest = true, ""
	} else if strings.Trim(rest, ", \t") == "" {
		return errEntityTags
	}
	for rest = strings.TrimLeft(rest, ", \t"); rest != ""; rest = strings.TrimLeft(rest, ", \t") {
		tag, isWeak := rest, strings.HasPrefix(rest, "W/")
		if isWeak {
			tag = rest[len("W/"):]
		}
		end := tagEnd(tag)
		if end < 0 {
			return errEntityTags
		}
		if !isWeak {
			read.strong = append(read.strong, tag[:end])
		}
		rest = strings.TrimLeft(tag[end:], " \t")
		if rest != "" && rest[0] != ',' {
			return errEntityTags
		}
	}
	*t = read
	return nil
}

// tagEnd gives where the quoted tag that s begins with ends, or -1 (RFC 9110 section 8.8.3).
func tagEnd(s string) int {
	if s == "" || s[0] != '"' {
		return -1
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return i + 1
		case c <= ' ' || c == 0x7f:
			return -1
		}
	}
	return -1
}

// hold says whether the current version is among the tags, compared strongly. A tag that a compressed answer carried is the
// version's as well.
func (t EntityTags) hold(current string) bool {
	return t.every || slices.Contains(t.strong, current) || slices.Contains(t.strong, tagOfGzip(current))
}

// Schema implements huma.SchemaProvider.
func (EntityTags) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

// isConditional says whether the input may name the version that it is about.
func isConditional(in reflect.Type) bool {
	f, ok := in.FieldByName("IfMatch")
	return ok && f.Type == reflect.TypeFor[EntityTags]()
}

// tagOfGzip is the tag of the compressed form of what has the tag. It is strong, as a weak one would be of no use in
// If-Match, and another one, since the bytes are others (RFC 9110 section 8.8.3.3).
func tagOfGzip(tag string) string { return strings.TrimSuffix(tag, `"`) + `-gzip"` }
