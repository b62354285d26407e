package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// corsHeaders let the listed origins read an answer, whatever it is (Fetch standard, CORS protocol). They say whether the
// request comes from one of them. Tokens travel in a header, so credentials are never allowed.
func (rt *Router) corsHeaders(h http.Header, r *http.Request) bool {
	origins := rt.deps.Settings.CORSOrigins
	if len(origins) == 0 {
		return false
	}
	h["Vary"] = []string{"Origin"}
	origin := r.Header.Get("Origin")
	if !slices.Contains(origins, origin) {
		return false
	}
	h["Access-Control-Allow-Origin"] = []string{origin}
	h["Access-Control-Expose-Headers"] = []string{"ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, Server-Timing, WWW-Authenticate, X-Request-ID"}
	return true
}

// preflight answers the question of a listed origin whether it may send a request. It says whether there was one.
func (rt *Router) preflight(w *response, r *http.Request) bool {
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	methods := rt.methodsOf(r)
	if len(methods) == 0 {
		return false
	}
	h := w.Header()
	h["Access-Control-Allow-Methods"] = []string{strings.Join(methods, ", ")}
	h["Access-Control-Allow-Headers"] = []string{"Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID"}
	h["Access-Control-Max-Age"] = []string{"600"}
	w.match("preflight")
	w.WriteHeader(http.StatusNoContent)
	return true
}

// methodsOf asks the mux which methods a path was mounted with.
func (rt *Router) methodsOf(r *http.Request) []string {
	var found []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := *r
		probe.Method = m
		if _, pattern := rt.mux.Handler(&probe); pattern != "" && !slices.Contains(rt.covered, pattern) {
			found = append(found, m)
		}
	}
	return found
}
