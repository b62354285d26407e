package telemetry

import (
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const redacted = "[redacted]"

// guard is the last look at an attribute before it is written, slog's own (time, level, msg) included. Values of type
// secret.String redact themselves; this catches the rest by name, and takes the means to forge a line from texts.
func guard(groups []string, a slog.Attr) slog.Attr {
	if isPrivate(a.Key) || slices.ContainsFunc(groups, isPrivate) {
		return slog.String(a.Key, redacted)
	}
	switch a.Value.Kind() {
	case slog.KindString:
		if s := a.Value.String(); !isPlain(s) {
			a.Value = slog.StringValue(visible(s))
		}
	case slog.KindTime:
		a.Value = slog.TimeValue(a.Value.Time().UTC())
	case slog.KindAny:
		a.Value = guardAny(a.Value)
	default:
	}
	return a
}

// isPrivate says whether a name is that of something which no line may hold. It compares without allocating.
func isPrivate(name string) bool {
	var fold [len("authorization")]byte
	if len(name) > len(fold) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		fold[i] = c
	}
	switch string(fold[:len(name)]) {
	case "password", "token", "secret", "authorization", "cookie", "email":
		return true
	}
	return false
}

// guardAny looks into what is not one of slog's own kinds: errors become their text, maps such as http.Header lose their
// private entries.
func guardAny(v slog.Value) slog.Value {
	switch x := v.Any().(type) {
	case nil:
		return v
	case slog.Level: // as a text it is not marshalled by reflection
		return slog.StringValue(x.String())
	case error:
		return slog.StringValue(visible(errorText(x)))
	}
	m := reflect.ValueOf(v.Any())
	if m.Kind() != reflect.Map || m.Type().Key().Kind() != reflect.String {
		return v
	}
	clean := make(map[string]any, m.Len())
	for entry := m.MapRange(); entry.Next(); {
		a := guard(nil, slog.Attr{Key: entry.Key().String(), Value: slog.AnyValue(entry.Value().Interface()).Resolve()})
		clean[a.Key] = a.Value.Any()
	}
	return slog.AnyValue(clean)
}

// errorText is err's text; a nil pointer in an error that cannot say so does not end the program.
func errorText(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = fmt.Sprintf("%T without a text", err)
		}
	}()
	return err.Error()
}

// isPlain says whether s is one line of printable characters, as nearly all are.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return !strings.ContainsFunc(s, isForging) && utf8.ValidString(s)
		}
	}
	return true
}

// isForging says whether r may end a line, steer a terminal, or turn the reading direction.
func isForging(r rune) bool { return !unicode.IsPrint(r) && r != '\t' || r == utf8.RuneError }

// visible writes the characters that may forge a line as their escapes.
func visible(s string) string {
	if isPlain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !isForging(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}
