package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// cors answers preflights and lets the listed origins read answers (Fetch standard, CORS protocol). It says whether the
// request is done with. Tokens travel in a header, so credentials are never allowed.
func (rt *Router) cors(w *response, r *http.Request) bool {
	origins := rt.deps.Settings.CORSOrigins
	if len(origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin == "" || !slices.Contains(origins, origin) {
		return false
	}
	h["Access-Control-Allow-Origin"] = []string{origin}
	h["Access-Control-Expose-Headers"] = []string{"ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"}
	method := r.Header.Get("Access-Control-Request-Method")
	if r.Method != http.MethodOptions || method == "" {
		return false
	}
	methods := rt.methodsOf(r)
	if len(methods) == 0 {
		return false
	}
	h["Access-Control-Allow-Methods"] = []string{strings.Join(methods, ", ")}
	h["Access-Control-Allow-Headers"] = []string{"Authorization, Content-Type, If-Match, If-None-Match, X-Request-ID"}
	h["Access-Control-Max-Age"] = []string{"600"}
	w.request.matched, w.request.route = true, "preflight"
	w.WriteHeader(http.StatusNoContent)
	return true
}

// methodsOf asks the mux which methods a path takes.
func (rt *Router) methodsOf(r *http.Request) []string {
	var found []string
	for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := *r
		probe.Method = m
		if _, pattern := rt.mux.Handler(&probe); pattern != "" {
			found = append(found, m)
		}
	}
	return found
}
