package httpapi

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse/gatehouse/core/errs"
)

// maxNameShown bounds what goes back of a name that the client made up.
const maxNameShown = 64

type queryValue struct {
	text  string
	given bool
}

// readQuery takes the raw query apart without the leniency of url.ParseQuery: every pair decodes, is known and stands once.
// The values are in the order of params; it gives none where there is no query. After maxFaults it stops.
func (b *binder) readQuery(raw string) ([]queryValue, []errs.Field) {
	if raw == "" {
		return nil, nil
	}
	values := make([]queryValue, len(b.params))
	var faults []errs.Field
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if shown, f := b.readPair(pair, values); f.code != "" {
			faults = append(faults, errs.Field{Parameter: shown, Code: f.code, Message: f.message})
		}
		if len(faults) >= maxFaults {
			break
		}
	}
	return values, faults
}

// readPair takes in one pair, or gives its fault and a name to report it under.
func (b *binder) readPair(pair string, values []queryValue) (shown string, f fault) {
	rawName, rawValue, _ := strings.Cut(pair, "=")
	name, nameErr := url.QueryUnescape(rawName)
	text, textErr := url.QueryUnescape(rawValue)
	shown = name
	if nameErr != nil || !utf8.ValidString(name) || len(name) > maxNameShown || name == "" {
		shown = "query"
	}
	i, known := b.query[name]
	switch {
	case nameErr != nil || textErr != nil || strings.Contains(pair, ";") || !utf8.ValidString(text) || !utf8.ValidString(name):
		return shown, fault{errs.InvalidFormat, "does not decode as a query string"}
	case !known:
		return shown, fault{errs.UnknownField, "is not a parameter of this operation"}
	case values[i].given:
		return shown, fault{errs.Duplicate, "must stand once"}
	}
	values[i] = queryValue{text: text, given: true}
	return "", fault{}
}
