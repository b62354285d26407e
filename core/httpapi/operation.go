package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// Op describes an operation: how it is reached, by whom, and what its document says.
type Op struct {
	Method, Path string
	ID           string // operationId, such as "login"
	Tag          string // group in the document, such as "Authentication"
	Summary      string
	Description  string
	Access       authz.Rule
	Reaches      authz.Reach      // whose object the path may name, where it names one
	Limit        *ratelimit.Limit // per client address, unless LimitKey finds better
	// LimitKey, if set, gives what the limit counts a genuine credential on in place of the address, and false for any other:
	// the bearer token, or what a public operation's Credentialed input holds. The latter is counted once it was read.
	LimitKey func(ctx context.Context, credential string) (key string, genuine bool)
	// AccountLimit counts on the caller's account, in place of Limit, and only what is about to be done: a request whose input
	// is wrong costs nothing.
	AccountLimit *ratelimit.Limit
	Closed       func() error  // if set, its error refuses everybody, where permissions are checked
	Status       int           // of success: 200 unless set
	Errors       []*errs.Error // answers beyond those that follow from access, limit and input
	MaxBody      int64         // bytes; http.max_body unless set
	Upload       *Upload       // a file in place of a JSON body
	HoldsToken   bool          // the answer carries a credential and is never compressed
	CacheControl string        // "no-store" unless set
	StoreFree    bool          // touches no store, so it never answers 503
}

// Check looks at an input for what a schema cannot say, and reports every fault that it finds. Places that the schema
// already refused are not reported twice. It may fill in fields that the body does not set, such as parsed values.
type Check[I any] func(in *I, report func(errs.Field))

// Body is the input of an operation that takes a JSON body and nothing else.
type Body[T any] struct {
	Body T
}

// operation is a mounted Op.
type operation struct {
	Op
	binder   *binder
	body     *bodyPlan   // nil where the operation takes none
	upload   *uploadPlan // nil where the operation takes no file
	answers  bool        // success has a body
	statuses []int
	document *huma.Operation
	rt       *Router
	// perform takes a JSON body that arrived by another way than the operation's own, such as a form, through the same checks
	// to the same work.
	perform func(ctx context.Context, raw []byte) error
}

// Handle mounts an operation: typed input in, one service call, typed output out. The input's fields come from the tags
// path, query and header, and from a field named Body; checks say what a schema cannot. It panics on an operation without
// an access rule or a description, on input that would not be checked, and on whatever else only a mistake in the program
// explains.
func Handle[I, O any](rt *Router, op Op, fn func(context.Context, I) (O, error), checks ...Check[I]) {
	rt.mustBeWhole(op)
	if _, ok := any((*I)(nil)).(Credentialed); op.LimitKey != nil && (op.Limit == nil || op.Access.IsPublic() && !ok) {
		panic(fmt.Sprintf("%s %s has a key for its limit, and no limit or no credential", op.Method, op.Path))
	}
	if op.AccountLimit != nil && (op.Limit != nil || op.Access.IsPublic()) {
		panic(fmt.Sprintf("%s %s has a limit per account, and another limit or no account", op.Method, op.Path))
	}
	if op.Status == 0 {
		op.Status = http.StatusOK
		if reflect.TypeFor[O]() == reflect.TypeFor[NoContent]() {
			op.Status = http.StatusNoContent
		}
	}
	o := &operation{Op: op, rt: rt, answers: reflect.TypeFor[O]() != reflect.TypeFor[NoContent]() && op.Status != http.StatusNoContent}
	o.binder = newBinder(reflect.TypeFor[I](), rt.api.OpenAPI().Components.Schemas)
	o.mustBindPath()
	describe[I, O](rt, o)
	if o.body != nil {
		o.perform = func(ctx context.Context, raw []byte) error {
			var in I
			faults, readable := o.body.decode(raw, reflect.ValueOf(&in).Elem())
			_, err := work(ctx, &in, faults, readable, fn, checks)
			return err
		}
	}
	rt.operations = append(rt.operations, o)
	rt.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		rw := w.(*response)
		if err := run(o, rw, r, fn, checks); err != nil {
			rt.fail(rw, r, err)
		}
	})
}

// mustBeWhole panics on an operation that anyone might call by mistake, or that the document could not describe.
func (rt *Router) mustBeWhole(op Op) {
	if op.Access.IsZero() {
		panic(fmt.Sprintf("%s %s has no access rule", op.Method, op.Path))
	}
	if op.Reaches.IsZero() == strings.Contains(op.Path, "{") {
		panic(fmt.Sprintf("%s %s does not say whose objects it reaches, or has none in its path", op.Method, op.Path))
	}
	if op.Access.IsPublic() && op.Reaches != authz.Everyones && !op.Reaches.IsZero() {
		panic(fmt.Sprintf("%s %s is for callers who have no objects of their own", op.Method, op.Path))
	}
	for name, text := range map[string]string{"ID": op.ID, "tag": op.Tag, "summary": op.Summary, "description": op.Description} {
		if text == "" {
			panic(fmt.Sprintf("%s %s has no %s", op.Method, op.Path, name))
		}
	}
	for _, other := range rt.operations {
		if other.ID == op.ID {
			panic(fmt.Sprintf("%s %s has the ID %s of %s %s", op.Method, op.Path, op.ID, other.Method, other.Path))
		}
	}
}

// mustBindPath panics where the path and the input's path fields do not name the same parameters.
func (o *operation) mustBindPath() {
	bound := 0
	for i := range o.binder.params {
		if p := &o.binder.params[i]; p.in == "path" {
			bound++
			if !strings.Contains(o.Path+"/", "/{"+p.name+"}/") {
				panic(fmt.Sprintf("%s %s has no parameter %s", o.Method, o.Path, p.name))
			}
		}
	}
	if bound != strings.Count(o.Path, "{") {
		panic(fmt.Sprintf("%s %s has a parameter that its input does not take", o.Method, o.Path))
	}
}

// run takes a request through the checks in the contract's order, then does the work and answers.
func run[I, O any](o *operation, w *response, r *http.Request, fn func(context.Context, I) (O, error), checks []Check[I]) error {
	w.match(o.Path)
	if err := o.admit(w, r); err != nil {
		return o.refused(r, err)
	}
	if o.upload != nil {
		defer o.upload.room.giveBack(w)
	}
	var in I
	faults, readable, err := o.read(w, r, reflect.ValueOf(&in).Elem())
	if o.limitsLate() {
		if err := o.limit(w, r, any(&in).(Credentialed).Credential()); err != nil {
			return o.refused(r, err)
		}
	}
	if err != nil {
		return err
	}
	do := fn
	if o.AccountLimit != nil {
		do = func(ctx context.Context, in I) (out O, err error) {
			if err = o.limitAccount(w, r); err != nil {
				return out, o.refused(r, err)
			}
			return fn(ctx, in)
		}
	}
	out, err := work(r.Context(), &in, faults, readable, do, checks)
	if err != nil {
		return err
	}
	if o.CacheControl != "" {
		w.Header()["Cache-Control"] = []string{o.CacheControl}
	}
	if !o.answers {
		w.WriteHeader(o.Status)
		return nil
	}
	if a, ok := any(out).(Accepting); ok && a.Accepted() {
		w.WriteHeader(http.StatusAccepted)
		return nil
	}
	return writeJSON(w, r, o.Status, out, o.HoldsToken)
}

// work refuses an input with all its faults, those that the checks find included, or does what the operation is for.
func work[I, O any](ctx context.Context, in *I, faults []errs.Field, readable bool, fn func(context.Context, I) (O, error), checks []Check[I]) (out O, err error) {
	for _, check := range checks {
		if !readable {
			break // what was read is not worth a look
		}
		faults = appendNew(faults, func(report func(errs.Field)) { check(in, report) })
	}
	if len(faults) > 0 {
		return out, invalid(faults)
	}
	return fn(ctx, *in)
}

// invalid is errs.Invalid, which says so where reading ended before all faults were found.
func invalid(faults []errs.Field) error {
	ofBody, ofQuery := 0, 0
	for _, f := range faults {
		switch {
		case f.Pointer != "":
			ofBody++
		case f.Parameter != "":
			ofQuery++
		}
	}
	err := errs.Invalid(faults)
	if max(ofBody, ofQuery) < maxFaults {
		return err
	}
	e := errs.From(err)
	return e.WithDetail(fmt.Sprintf("%s; there may be more, since reading ended with %d faults", e.Detail(), maxFaults))
}

// admit is what comes before the input: the address limit, 401 and 403.
func (o *operation) admit(w *response, r *http.Request) error {
	var token string
	var err error
	if !o.Access.IsPublic() {
		token, err = bearer(r.Header)
	}
	o.sayPolicy(w, o.AccountLimit)
	if !o.limitsLate() {
		if err := o.limit(w, r, token); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if !o.Access.IsPublic() {
		p, err := o.rt.deps.Authenticator.Authenticate(r.Context(), token)
		if err != nil {
			return err
		}
		w.request.principal = p
		if !o.Access.Allows(p) {
			return errs.ErrAuthorization
		}
		if err := o.tellAccount(w, r); err != nil {
			return err
		}
	}
	if o.Closed != nil {
		return o.Closed()
	}
	return nil
}

// refused tells of a refusal, and gives it back. A request without a token that is worth something is none: it is nobody's, and
// clients whose token has expired send such all day.
func (o *operation) refused(r *http.Request, err error) error {
	e, ok := errors.AsType[*errs.Error](err)
	if ok && o.rt.deps.Refused != nil && (e.Status() == http.StatusForbidden || e.Status() == http.StatusTooManyRequests) {
		o.rt.deps.Refused(r.Context(), Refusal{Operation: o.ID, Path: o.Path, ID: r.PathValue("id"), Err: e})
	}
	return err
}

// read fills the input from path, query, header and body, and gives the faults of all of them. readable is false where the
// body gave nothing that a check could look at.
func (o *operation) read(w *response, r *http.Request, in reflect.Value) (faults []errs.Field, readable bool, err error) {
	if o.upload != nil {
		file, faults, err := o.upload.receive(w, r)
		in.FieldByIndex(o.upload.index).SetBytes(file)
		return append(o.binder.bind(r, in), faults...), len(faults) == 0, err
	}
	if o.body == nil {
		return o.binder.bind(r, in), true, nil
	}
	raw, err := o.body.receive(w, r)
	if err != nil {
		return nil, false, err
	}
	ofBody, readable := o.body.decode(raw, in)
	return append(o.binder.bind(r, in), ofBody...), readable, nil
}

// appendNew adds the faults of a check whose places are not refused yet.
func appendNew(faults []errs.Field, check func(report func(errs.Field))) []errs.Field {
	refused := faults
	check(func(f errs.Field) {
		for _, known := range refused {
			if within(f, known) {
				return
			}
		}
		faults = append(faults, f)
	})
	return faults
}
