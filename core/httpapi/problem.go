package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse/gatehouse/core/errs"
)

// Problem is the body of every error answer (RFC 9457, application/problem+json).
type Problem struct {
	Type      string       `json:"type" doc:"path of a page about this kind of error" example:"/errors/validation-error"`
	Title     string       `json:"title" doc:"the kind of error, in words" example:"Validation error"`
	Status    int          `json:"status" doc:"the HTTP status again" example:"400"`
	Code      string       `json:"code" doc:"the kind of error, for programs" example:"VALIDATION_ERROR"`
	Reason    string       `json:"reason,omitempty" doc:"finer than code, where there is something finer to say"`
	Detail    string       `json:"detail" doc:"what happened, in one sentence" example:"1 field is invalid"`
	Instance  string       `json:"instance,omitempty" doc:"path of the request" example:"/auth/register"`
	RequestID string       `json:"request_id" doc:"the answer's X-Request-ID; quote it when you report a problem" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	Errors    []errs.Field `json:"errors,omitempty" doc:"every fault of the request, each with its place"`
}

// maxInstance bounds how much of an unknown path goes back.
const maxInstance = 256

// TypePath gives the path of the page about an error code: "VALIDATION_ERROR" is at "/errors/validation-error".
func TypePath(code string) string {
	return "/errors/" + strings.ReplaceAll(strings.ToLower(code), "_", "-")
}

// fail answers with the problem that err is. Errors that no client should see become INTERNAL_ERROR and are logged, once.
// Where the answer has begun its connection ends, since a client must not take what it has for the whole.
func (rt *Router) fail(w *response, r *http.Request, err error) {
	e := rt.visible(r, err)
	rt.logFailure(w, r, e)
	if w.status != 0 {
		panic(http.ErrAbortHandler)
	}
	rt.writeProblem(w, e)
}

// visible is what a client is told of an error.
func (*Router) visible(r *http.Request, err error) *errs.Error {
	e := errs.From(err)
	if e.Status() == http.StatusInternalServerError && errors.Is(r.Context().Err(), context.Canceled) {
		return errs.ErrUnavailable.WithCause(err) // nobody waits for the answer any more, and nothing of ours failed
	}
	return e
}

func (rt *Router) writeProblem(w *response, e *errs.Error) {
	h := w.Header()
	h["Content-Type"] = problemJSON
	h["Cache-Control"] = noStore
	h.Del("Etag")
	switch e.Status() {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = []string{challenge(e)}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h["Retry-After"] = []string{retryAfter(e.RetryAfter())}
	case http.StatusRequestEntityTooLarge:
		h["Connection"] = []string{"close"} // what remains of the body is not worth reading
	}
	p := rt.problem(e)
	p.RequestID = w.request.id
	if len(w.request.path) <= maxInstance {
		p.Instance = w.request.path
	}
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	h["Content-Length"] = []string{strconv.Itoa(len(b))}
	w.WriteHeader(e.Status())
	_, _ = w.Write(b)
}

// problem is an error as clients get it, but for what is the request's.
func (rt *Router) problem(e *errs.Error) Problem {
	return Problem{
		Type: rt.basePath + TypePath(e.Code()), Title: e.Title(), Status: e.Status(), Code: e.Code(), Reason: e.Reason(),
		Detail: e.Detail(), Errors: e.Fields(),
	}
}

func (rt *Router) logFailure(w *response, r *http.Request, e *errs.Error) {
	switch {
	case e.Status() == http.StatusInternalServerError:
		rt.deps.Logger.ErrorContext(r.Context(), "request failed", "request_id", w.request.id, "route", w.request.route,
			"cause", e.Error(), "stack", string(debug.Stack()))
	case e.Status() == http.StatusServiceUnavailable:
		rt.deps.Logger.WarnContext(r.Context(), "request refused", "route", w.request.route, "request_id", w.request.id, "cause", e.Error())
	}
}

// retryAfter is in whole seconds, at least one.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
}
