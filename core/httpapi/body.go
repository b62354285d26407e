package httpapi

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/gatehouse/gatehouse/core/errs"
)

// bodyPlan is how an operation's JSON body is taken in.
type bodyPlan struct {
	rule     *rule
	index    []int
	types    []string // media types, without parameters
	limit    func() int64
	optional bool // Body is a pointer: an operation that does without
}

// receive checks the media type and the size, in that order, and reads the body whole.
func (p *bodyPlan) receive(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	empty := r.ContentLength == 0 && len(r.TransferEncoding) == 0
	if !(empty && r.Header["Content-Type"] == nil) && !p.accepts(r.Header) {
		return nil, errs.ErrUnsupportedMediaType
	}
	limit := p.limit()
	if r.ContentLength > limit {
		return nil, errs.ErrPayloadTooLarge
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return raw, nil
	}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, errs.ErrPayloadTooLarge
	}
	w.Header()["Connection"] = []string{"close"}
	return nil, errs.Invalid([]errs.Field{{Pointer: "#", Code: errs.InvalidFormat, Message: "did not arrive whole"}})
}

// accepts says whether the body claims to be of a declared type, in UTF-8 and not compressed.
func (p *bodyPlan) accepts(h http.Header) bool {
	if !uncompressed(h) {
		return false
	}
	given := h["Content-Type"]
	if len(given) != 1 {
		return false
	}
	if slices.Contains(p.types, given[0]) { // as nearly everyone writes it
		return true
	}
	mediaType, params, err := mime.ParseMediaType(given[0])
	if err != nil {
		return false
	}
	charset, ok := params["charset"]
	return slices.Contains(p.types, mediaType) && (!ok || strings.EqualFold(charset, "utf-8"))
}

// decode fills the input's Body and reports every fault of it. What is not faulty is filled in all the same, so that checks
// can report on the rest; readable says whether there is a rest.
func (p *bodyPlan) decode(raw []byte, in reflect.Value) (faults []errs.Field, readable bool) {
	if len(bytes.TrimSpace(raw)) == 0 {
		if p.optional {
			return nil, true
		}
		return []errs.Field{{Pointer: "#", Code: errs.Required, Message: "a JSON body is required"}}, false
	}
	faults, readable = readJSON(raw, p.rule)
	if !readable {
		return faults, false
	}
	target := in.FieldByIndex(p.index).Addr().Interface()
	for { // once for each member that only its own type refuses, since decoding ends there
		text := raw
		if len(faults) > 0 {
			text = sound(raw, faults)
		}
		err := json.Unmarshal(text, target, json.RejectUnknownMembers(false))
		if err == nil {
			return faults, true
		}
		f := unmarshalFault(err)
		if slices.ContainsFunc(faults, func(known errs.Field) bool { return within(f, known) }) {
			return faults, true
		}
		faults = append(faults, f)
	}
}

// sound gives the body without its faulty members, or an empty one. Of a member that stands twice it keeps the first.
func sound(raw []byte, faults []errs.Field) []byte {
	faulty := map[string]bool{}
	for _, f := range faults {
		step, _, below := strings.Cut(strings.TrimPrefix(f.Pointer, "#/"), "/")
		faulty[step] = faulty[step] || below || f.Code != errs.Duplicate
	}
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw), jsontext.AllowDuplicateNames(true))
	if faulty["#"] || dec.PeekKind() != '{' {
		return []byte("{}")
	}
	kept := []byte{'{'}
	for _, err := dec.ReadToken(); err == nil && dec.PeekKind() == '"'; {
		var name jsontext.Token
		if name, err = dec.ReadToken(); err != nil {
			break
		}
		text := name.String()
		var value jsontext.Value
		if value, err = dec.ReadValue(); err != nil {
			break
		}
		step := strings.TrimPrefix(fragment("/"+pointerEscaper.Replace(text)), "#/")
		if faulty[step] {
			continue
		}
		faulty[step] = true // it has had its turn
		if len(kept) > 1 {
			kept = append(kept, ',')
		}
		if kept, err = jsontext.AppendQuote(kept, text); err == nil {
			kept = append(append(kept, ':'), value...)
		}
	}
	return append(kept, '}')
}

// unmarshalFault places what only a field's own type refused.
func unmarshalFault(err error) errs.Field {
	pointer := jsontext.Pointer("")
	if semantic := (*json.SemanticError)(nil); errors.As(err, &semantic) {
		pointer = semantic.JSONPointer
	}
	if syntactic := (*jsontext.SyntacticError)(nil); errors.As(err, &syntactic) {
		pointer = syntactic.JSONPointer
	}
	return errs.Field{Pointer: fragment(string(pointer)), Code: errs.InvalidFormat, Message: malformed}
}

// within says whether a fault is at, or below, a place that is refused already.
func within(f, known errs.Field) bool {
	if f.Pointer == "" {
		return f.Parameter == known.Parameter && f.Header == known.Header
	}
	return known.Pointer == "#" || f.Pointer == known.Pointer || strings.HasPrefix(f.Pointer, known.Pointer+"/") && known.Pointer != ""
}
