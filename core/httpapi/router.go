package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi/pages"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// Authenticator turns a bearer token into the principal that the stores confirm. It returns an error under
// errs.AuthenticationError for a token that is worth nothing, and errs.ErrUnavailable when it cannot tell.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (account.Principal, error)
}

// Dependencies are what the router needs to serve, and does not need to be documented.
type Dependencies struct {
	Settings      *Settings
	Authenticator Authenticator
	Limiter       ratelimit.Limiter // nil switches every limit off
	Logger        *slog.Logger
	// Observe, if set, is told of every answer; route is a pattern's path or "unmatched".
	Observe func(method, route string, status int, took time.Duration)
	// Trace, if set, begins a span and gives the function that ends it.
	Trace func(ctx context.Context, h http.Header, method string) (context.Context, func(route string, status int))
	// Refused, if set, is told of what is refused before an operation's work: by its access rule, a limit, or because it is
	// closed. It must not wait.
	Refused func(ctx context.Context, r Refusal)
}

// Refusal is a request that an operation has refused.
type Refusal struct {
	Operation string // its ID
	Path      string // its pattern
	ID        string // what the pattern's {id} stands for, as the client wrote it; empty where it has none
	Err       *errs.Error
}

// Router holds the operations and pages of the public listener. Mount every operation, then Serve, once.
type Router struct {
	mux        *http.ServeMux
	api        huma.API
	operations []*operation
	closed     []string // patterns that are not JSON operations
	covered    []string // patterns that answer 405
	site       *pages.Pages
	deps       Dependencies
	basePath   string
	https      bool // people reach the service over TLS
	uploads    uploads
	warned     atomic.Bool // a forwarded header from a stranger was reported
}

// NewRouter makes an empty router. It panics only on a mistake in the program, as all mounting does.
func NewRouter(title, description, version string) *Router {
	arraysAreNeverNull()
	rt := &Router{mux: http.NewServeMux(), uploads: newUploads()}
	rt.api = huma.NewAPI(documentConfig(title, description, version), undriven{})
	return rt
}

// Mounted is one operation, for tests and generated references.
type Mounted struct {
	Method, Path, ID string
	Access           string
	Limit            *ratelimit.Limit
	Success          int   // status of success
	Statuses         []int // documented statuses, ascending

	rule  authz.Rule
	reach authz.Reach
}

// Operations lists what is mounted, in order of mounting.
func (rt *Router) Operations() []Mounted {
	all := make([]Mounted, 0, len(rt.operations))
	for _, op := range rt.operations {
		all = append(all, Mounted{
			Method: op.Method, Path: op.Path, ID: op.ID, Access: op.Access.String(), Limit: op.limited(), Success: op.Status, Statuses: op.statuses,
			rule: op.Access, reach: op.Reaches,
		})
	}
	return all
}

// ClosedList gives the patterns that are served without being operations: pages, documents, health.
func (rt *Router) ClosedList() []string { return rt.closed }

// page mounts something that is not a JSON operation. A handler that returns false has its path answered with 404.
func (rt *Router) page(pattern string, serve func(http.ResponseWriter, *http.Request) bool) {
	rt.closed = append(rt.closed, pattern)
	_, route, _ := strings.Cut(pattern, " ")
	route = strings.TrimSuffix(route, "{$}")
	rt.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		rw := w.(*response)
		rw.match(route)
		if !serve(w, r) {
			rt.fail(rw, r, errs.ErrNotFound)
		}
	})
}

// Serve readies the router for requests and gives its handler. Nothing is mounted afterwards.
func (rt *Router) Serve(deps Dependencies) (http.Handler, error) {
	rt.deps = deps
	rt.basePath = deps.Settings.BasePath
	rt.https = strings.HasPrefix(deps.Settings.PublicURL, "https://")
	rt.guardCovered()
	if err := rt.mountSite(); err != nil {
		return nil, err
	}
	return http.HandlerFunc(rt.serve), nil
}

// serve is what happens around every request, whatever it is for.
func (rt *Router) serve(w http.ResponseWriter, r *http.Request) {
	rw := &response{ResponseWriter: w, request: request{
		id: requestID(r.Header), path: r.URL.EscapedPath(), base: rt.basePath, started: time.Now(),
		addr: clientAddr(r, rt.deps.Settings.TrustedProxies), userAgent: r.UserAgent(), languages: r.Header.Get("Accept-Language"),
	}}
	ctx := context.WithValue(r.Context(), requestKey{}, &rw.request)
	var endSpan func(string, int)
	if rt.deps.Trace != nil {
		ctx, endSpan = rt.deps.Trace(ctx, r.Header, r.Method)
	}
	r = r.WithContext(ctx)
	defer func() {
		v := recover()
		abort := v != nil && rt.recovered(rw, r, v)
		rt.finish(rw, r, abort, endSpan)
		if abort {
			panic(http.ErrAbortHandler) // ends the connection, so that no client takes a part for the whole
		}
	}()
	rt.everyAnswer(w.Header())
	rt.warnOfStranger(r)
	rt.route(rw, r)
}

// route finds the handler. The mux cleans and redirects paths that we answer with 404, so those never reach it. r is the
// router's own copy.
func (rt *Router) route(w *response, r *http.Request) {
	listed := rt.corsHeaders(w.Header(), r)
	p, ok := rt.withoutBase(w.request.path)
	if !ok || !isClean(p) {
		rt.fail(w, r, errs.ErrNotFound)
		return
	}
	if rt.basePath != "" || p == "" {
		r.URL = stripped(r.URL, rt.basePath)
	}
	if listed && rt.preflight(w, r) {
		return
	}
	w.refused = func(status int) { rt.unmatched(w, r, status) }
	rt.mux.ServeHTTP(w, r)
}

// unmatched turns the mux's own answers into problems.
func (rt *Router) unmatched(w *response, r *http.Request, status int) {
	if status == http.StatusMethodNotAllowed {
		rt.methodNotAllowed(w, r)
	} else {
		rt.fail(w, r, errs.ErrNotFound)
	}
}

func (rt *Router) withoutBase(p string) (string, bool) {
	if rt.basePath == "" {
		return p, true
	}
	rest, ok := strings.CutPrefix(p, rt.basePath)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// stripped gives the URL below the base path, which holds nothing that a URL escapes. An empty path is the root: RFC 9110
// section 4.2.3.
func stripped(u *url.URL, base string) *url.URL {
	c := *u
	c.Path = strings.TrimPrefix(c.Path, base)
	c.RawPath = strings.TrimPrefix(c.RawPath, base)
	if c.Path == "" {
		c.Path = "/"
	}
	return &c
}

// isClean says whether the mux would take the path as it is.
func isClean(p string) bool { return p == "" || p[0] == '/' && path.Clean(p) == p }

func (rt *Router) everyAnswer(h http.Header) {
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = noReferrer
	h["Cache-Control"] = noStore
	if rt.https {
		h["Strict-Transport-Security"] = hsts
	}
}

// Header values that every answer shares; nothing may change them.
var (
	nosniff    = []string{"nosniff"}
	noReferrer = []string{"no-referrer"}
	noStore    = []string{"no-store"}
	hsts       = []string{"max-age=31536000; includeSubDomains"}
)

// recovered answers a panic with INTERNAL_ERROR and logs it once, with its stack. Of the panic's value the log has the
// type, and the text where the runtime wrote it: any other may hold input. It says whether the answer had begun, so that
// all there is left to do is to end the connection.
func (rt *Router) recovered(w *response, r *http.Request, v any) (abort bool) {
	if v == http.ErrAbortHandler { //nolint:errorlint // a sentinel that net/http asks to be passed on as it is
		return true
	}
	text := ""
	if err, ok := v.(runtime.Error); ok {
		text = printable(err.Error())
	}
	rt.deps.Logger.ErrorContext(r.Context(), "panic", "request_id", w.request.id, "route", w.request.route,
		"panic", fmt.Sprintf("%T", v), "cause", text, "stack", string(debug.Stack()))
	if w.status != 0 {
		return true
	}
	w.refused = nil
	rt.writeProblem(w, errs.ErrInternal)
	return false
}

// finish writes the access log's line and tells the metrics.
func (rt *Router) finish(w *response, r *http.Request, abort bool, endSpan func(string, int)) {
	route := w.request.route
	if route == "" {
		route = "unmatched"
	}
	if w.status == 0 && !abort {
		w.WriteHeader(http.StatusOK)
	}
	status := w.status
	if status == 0 {
		status = http.StatusInternalServerError // nothing was sent, and nothing will be
	}
	took := time.Since(w.request.started)
	if rt.deps.Observe != nil {
		rt.deps.Observe(r.Method, route, status, took)
	}
	if endSpan != nil {
		endSpan(route, status)
	}
	rt.deps.Logger.LogAttrs(r.Context(), slog.LevelInfo, "request",
		slog.String("method", knownMethod(r.Method)), slog.String("route", route), slog.Int("status", status),
		slog.Float64("ms", milliseconds(took)), slog.String("request_id", w.request.id))
}

// knownMethod keeps methods that clients made up out of logs and metrics.
func knownMethod(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

func (rt *Router) warnOfStranger(r *http.Request) {
	if rt.warned.Load() {
		return
	}
	if peer, ok := forwardedByStranger(r, rt.deps.Settings.TrustedProxies); ok && rt.warned.CompareAndSwap(false, true) {
		rt.deps.Logger.WarnContext(r.Context(), "a forwarded header came from a private address that http.trusted_proxies does not list; every client behind it counts as one", "peer", peer.String())
	}
}
