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

	"github.com/danielgtaylor/huma/v2"
	json "github.com/go-json-experiment/json"

	"github.com/gatehouse/gatehouse/core/errs"
)

// bodyPlan is how an operation's JSON body is taken in.
type bodyPlan struct {
	registry huma.Registry
	schema   *huma.Schema
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
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return false
	}
	if len(h["Content-Type"]) != 1 {
		return false
	}
	mediaType, params, err := mime.ParseMediaType(h["Content-Type"][0])
	if err != nil {
		return false
	}
	for name, value := range params {
		if name == "charset" && !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return slices.Contains(p.types, mediaType)
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
	tree, faults, readable := parseJSON(raw)
	if !readable {
		return faults, false
	}
	faults = append(faults, validate(p.registry, p.schema, tree)...)
	if len(faults) > 0 {
		raw = sound(tree, faults)
	}
	target := in.FieldByIndex(p.index).Addr().Interface()
	if err := json.Unmarshal(raw, target, json.RejectUnknownMembers(false)); err != nil && len(faults) == 0 {
		faults = append(faults, unmarshalFault(err))
	}
	return faults, true
}

// sound gives the body without its faulty members, or an empty one.
func sound(tree any, faults []errs.Field) []byte {
	object, ok := tree.(map[string]any)
	if !ok {
		return []byte("{}")
	}
	for _, f := range faults {
		if f.Pointer == "#" {
			return []byte("{}")
		}
		member, _, _ := strings.Cut(strings.TrimPrefix(f.Pointer, "#/"), "/")
		delete(object, member)
	}
	raw, err := json.Marshal(object)
	if err != nil {
		return []byte("{}")
	}
	return raw
}

// unmarshalFault places what only a field's own type refused.
func unmarshalFault(err error) errs.Field {
	pointer := "#"
	if semantic := (*json.SemanticError)(nil); errors.As(err, &semantic) {
		pointer = fragment(string(semantic.JSONPointer))
	}
	return errs.Field{Pointer: pointer, Code: errs.InvalidFormat, Message: "is not of the form that the document asks for"}
}
