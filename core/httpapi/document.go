package httpapi

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// undriven is an adapter that mounts nothing: huma describes the operations, and this package serves them.
type undriven struct{}

// Handle implements huma.Adapter.
func (undriven) Handle(*huma.Operation, func(huma.Context)) {}

// ServeHTTP implements huma.Adapter.
func (undriven) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

const bearerScheme = "bearer"

func documentConfig(title, description, version string) huma.Config {
	return huma.Config{OpenAPI: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title: title, Version: version, Description: description,
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "/"}},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName),
			SecuritySchemes: map[string]*huma.SecurityScheme{bearerScheme: {
				Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "the access_token that login gives",
			}},
		},
	}}
}

// arraysAreNeverNull makes huma describe arrays as what writeJSON sends. It is a global of huma's, so it is set once.
var arraysAreNeverNull = sync.OnceFunc(func() { huma.DefaultArrayNullable = false })

// schemaName is the type's name. A type whose name says nothing outside its package has a SchemaName method.
func schemaName(t reflect.Type, hint string) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if named, ok := reflect.TypeAssert[interface{ SchemaName() string }](reflect.Zero(t)); ok {
		return named.SchemaName()
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// Document gives the OpenAPI 3.1 document of everything mounted so far. Limits are in it as the settings have them.
func (rt *Router) Document() *huma.OpenAPI {
	doc := rt.api.OpenAPI()
	for _, own := range []string{"ErrorModel", "ErrorDetail"} { // huma registers its errors, and none of ours is one
		delete(doc.Components.Schemas.Map(), own)
	}
	if rt.basePath != "" {
		doc.Servers = []*huma.Server{{URL: rt.basePath}}
	}
	for _, o := range rt.operations {
		o.describeLimits()
	}
	return doc
}

// answer is the shape in which huma wants an output's type.
type answer[O any] struct {
	Body O
}

// describe adds the operation to the document and plans its body.
func describe[I, O any](rt *Router, o *operation) {
	schemas := rt.api.OpenAPI().Components.Schemas
	op := huma.Operation{
		Method: o.Method, Path: o.Path, OperationID: o.ID, Summary: o.Summary,
		Tags: []string{o.Tag}, DefaultStatus: o.Status, Responses: map[string]*huma.Response{}, Extensions: map[string]any{},
	}
	if !o.Access.IsPublic() {
		op.Security = []map[string][]string{{bearerScheme: {}}}
		op.Extensions["x-permission"] = o.Access.String()
	}
	in := reflect.TypeFor[I]()
	if o.Upload != nil {
		o.upload = rt.planUpload(o.Upload, in)
		op.RequestBody = o.upload.document()
	} else {
		o.planBody(in, schemas)
	}
	if isConditional(in) {
		o.Errors = append(slices.Clip(o.Errors), errs.ErrPreconditionFailed)
	}
	o.describeErrors(&op, schemas)
	if o.answers {
		huma.Register[I, answer[O]](rt.api, op, nil)
	} else {
		huma.Register[I, struct{}](rt.api, op, nil)
	}
	o.document = documented(rt.api.OpenAPI(), o.Method, o.Path)
	o.finishDescription(schemas, reflect.TypeFor[O]())
	o.describeLimits()
}

// describeLimits says who may call how often.
func (o *operation) describeLimits() {
	d := o.Description
	if o.Access.Permission() != "" {
		d += fmt.Sprintf("\n\nNeeds the permission `%s`.", o.Access.Permission())
	}
	if l := o.limited(); l != nil {
		whose, per := "from one address", "address"
		switch {
		case o.LimitKey != nil:
			whose, per = "of one session, whose token is genuine, or else from one address", "session"
		case o.AccountLimit != nil:
			whose, per = "of one user, over all operations with this limit", "account"
		}
		d += fmt.Sprintf("\n\nLimit: %d requests in %s %s (`%s`).", l.Rate.Count, window(l.Rate), whose, l.Name)
		o.document.Extensions["x-ratelimit"] = map[string]any{"name": l.Name, "limit": l.Rate.Count, "window": int(l.Rate.Per / time.Second), "per": per}
	}
	o.document.Description = d
}

// limited gives the limit that the operation is under, or nil.
func (o *operation) limited() *ratelimit.Limit {
	if o.AccountLimit != nil {
		return o.AccountLimit
	}
	return o.Limit
}

func window(r ratelimit.Rate) string {
	if r.Per == time.Minute {
		return "a minute"
	}
	return r.Per.String()
}

// planBody finds the input's Body field and what its operation takes.
func (o *operation) planBody(in reflect.Type, schemas huma.Registry) {
	f, ok := in.FieldByName("Body")
	if !ok {
		return
	}
	schema := huma.SchemaFromField(schemas, f, o.ID+"Request")
	o.mustMerge(f.Type, schema, schemas)
	o.body = &bodyPlan{
		rule: compile(schemas, schema, map[string]*rule{}), index: f.Index,
		types: []string{"application/json"}, optional: f.Type.Kind() == reflect.Pointer,
		limit: func() int64 {
			if o.MaxBody > 0 {
				return o.MaxBody
			}
			return int64(o.rt.deps.Settings.MaxBody)
		},
	}
	if o.Method == http.MethodPatch {
		o.body.types = append(o.body.types, "application/merge-patch+json")
	}
}

// document describes the two ways in which the file may come.
func (p *uploadPlan) document() *huma.RequestBody {
	file := func() *huma.Schema {
		return &huma.Schema{Type: huma.TypeString, Format: "binary", Description: strings.Join(p.Formats, ", ") + ", by its bytes"}
	}
	return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		p.Kind + "/*": {Schema: file()},
		formType: {
			Schema: &huma.Schema{
				Type: huma.TypeObject, Properties: map[string]*huma.Schema{p.Field: file()}, Required: []string{p.Field}, AdditionalProperties: false,
			},
			Encoding: map[string]*huma.Encoding{p.Field: {ContentType: strings.Join(p.Formats, ", ")}},
		},
	}}
}

// describeErrors lists the answers that follow from what the operation is, and those that it names itself. Whatever else
// goes wrong is INTERNAL_ERROR, the document's default.
func (o *operation) describeErrors(op *huma.Operation, schemas huma.Registry) {
	problem := schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	all := []*errs.Error{errs.ErrValidation}
	if o.body != nil || o.upload != nil {
		all = append(all, errs.ErrUnsupportedMediaType, errs.ErrPayloadTooLarge)
	}
	if !o.Access.IsPublic() {
		all = append(all, errs.ErrAuthentication)
	}
	if o.Access.Permission() != "" {
		all = append(all, errs.ErrAuthorization)
	}
	if o.limited() != nil {
		all = append(all, errs.ErrRateLimited)
	}
	if !o.StoreFree {
		all = append(all, errs.ErrUnavailable)
	}
	all = append(all, o.Errors...)
	for _, e := range all {
		key := strconv.Itoa(e.Status())
		r := op.Responses[key]
		if r == nil {
			r = problemResponse(e.Title(), problem)
			op.Responses[key] = r
		}
		name := e.Code()
		if e.Reason() != "" {
			name += "_" + e.Reason()
		}
		r.Content["application/problem+json"].Examples[name] = &huma.Example{Summary: e.Detail(), Value: o.exampleOf(e)}
	}
	op.Responses["default"] = problemResponse("Internal error", problem)
	op.Responses["default"].Content["application/problem+json"].Examples["INTERNAL_ERROR"] = &huma.Example{Value: o.exampleOf(errs.ErrInternal)}
}

func problemResponse(description string, schema *huma.Schema) *huma.Response {
	return &huma.Response{
		Description: description, Headers: map[string]*huma.Param{},
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: schema, Examples: map[string]*huma.Example{}}},
	}
}

func (o *operation) exampleOf(e *errs.Error) Problem {
	p := Problem{
		Type: TypePath(e.Code()), Title: e.Title(), Status: e.Status(), Code: e.Code(), Reason: e.Reason(), Detail: e.Detail(),
		Instance: o.Path, RequestID: exampleID, Errors: e.Fields(),
	}
	if e == errs.ErrValidation {
		p.Detail, p.Errors = "1 field is invalid", []errs.Field{{Parameter: "page", Code: errs.UnknownField, Message: "is not a parameter of this operation"}}
		switch {
		case o.upload != nil:
			p.Errors = []errs.Field{{Pointer: "#/" + o.upload.Field, Code: errs.Required, Message: isRequired}}
		case o.body != nil:
			p.Errors = []errs.Field{{Pointer: "#", Code: errs.Required, Message: "a JSON body is required"}}
		}
	}
	return p
}

const exampleID = "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"

// finishDescription adds what huma does not know: the headers of answers, examples of success, the media types of PATCH.
func (o *operation) finishDescription(schemas huma.Registry, out reflect.Type) {
	op := o.document
	if out.Implements(reflect.TypeFor[ETagged]()) {
		o.describeTag(op)
	}
	if out.Implements(reflect.TypeFor[Paged]()) {
		header(op.Responses[strconv.Itoa(o.Status)], "Link", &huma.Header{Description: "address of the next page, as rel=\"next\" (RFC 8288); absent on the last one", Schema: text()})
	}
	if out.Implements(reflect.TypeFor[Located]()) {
		header(op.Responses[strconv.Itoa(o.Status)], "Location", &huma.Header{Description: "path of what was made (RFC 9110 section 10.2.2)", Schema: text()})
	}
	if out.Implements(reflect.TypeFor[Accepting]()) {
		op.Responses[strconv.Itoa(http.StatusAccepted)] = &huma.Response{Description: http.StatusText(http.StatusAccepted)}
	}
	for key, r := range op.Responses {
		status, _ := strconv.Atoi(key)
		o.describeHeaders(status, r)
		if media := r.Content["application/json"]; media != nil {
			media.Example = exampleOf(schemas, media.Schema)
		}
		if status != 0 {
			o.statuses = append(o.statuses, status)
		}
	}
	slices.Sort(o.statuses)
	if op.RequestBody != nil && o.body != nil {
		media := op.RequestBody.Content["application/json"]
		media.Example = exampleOf(schemas, media.Schema)
		op.RequestBody.Required = !o.body.optional
		for _, t := range o.body.types[1:] {
			op.RequestBody.Content[t] = media
		}
	}
}

// describeTag adds the ETag of success and, where reading is asked for, what If-None-Match makes of it.
func (o *operation) describeTag(op *huma.Operation) {
	tag := &huma.Header{Description: "version of the resource (RFC 9110 section 8.8.3)", Schema: text()}
	header(op.Responses[strconv.Itoa(o.Status)], "ETag", tag)
	if o.Method != http.MethodGet {
		return
	}
	unchanged := &huma.Response{Description: "Not modified: If-None-Match holds the current ETag"}
	header(unchanged, "ETag", tag)
	op.Responses[strconv.Itoa(http.StatusNotModified)] = unchanged
	op.Parameters = append(op.Parameters, &huma.Param{
		Name: "If-None-Match", In: "header", Schema: text(), Description: "ETags of versions that the client has; 304 where the current one is among them",
	})
}

func header(r *huma.Response, name string, h *huma.Header) {
	if r.Headers == nil {
		r.Headers = map[string]*huma.Param{}
	}
	r.Headers[name] = h
}

func (o *operation) describeHeaders(status int, r *huma.Response) {
	header(r, "X-Request-ID", &huma.Header{Description: "the request's id, taken from the request or made", Schema: text()})
	if o.limited() != nil {
		header(r, "RateLimit-Policy", &huma.Header{Description: "the limits that apply; absent when limits are off", Schema: text()})
		header(r, "RateLimit", &huma.Header{Description: "what is left of them; absent when limits are off", Schema: text()})
	}
	switch status {
	case http.StatusUnauthorized:
		header(r, "WWW-Authenticate", &huma.Header{Description: "Bearer, and what is wrong with the token (RFC 6750)", Schema: text()})
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		header(r, "Retry-After", &huma.Header{Description: "seconds to wait", Schema: &huma.Schema{Type: huma.TypeInteger}})
	}
}

func text() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

func documented(doc *huma.OpenAPI, method, path string) *huma.Operation {
	item := doc.Paths[path]
	switch method {
	case http.MethodGet:
		return item.Get
	case http.MethodPost:
		return item.Post
	case http.MethodPut:
		return item.Put
	case http.MethodPatch:
		return item.Patch
	case http.MethodDelete:
		return item.Delete
	default:
		panic("the API has no operation of method " + method)
	}
}
