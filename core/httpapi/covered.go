package httpapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/core/errs"
)

// A pattern of the mux is of one method. So where GET /users/me/sessions and DELETE /users/{id}/sessions are mounted,
// DELETE /users/me/sessions would be the second one's, about somebody whose id is "me". But a path has the methods that
// were mounted for it, and 405 is the answer to any other.

// guardCovered answers 405 for each path that a pattern covers, and the method that only the pattern has.
func (rt *Router) guardCovered() {
	own := map[string][]string{}
	for _, o := range rt.operations {
		own[o.Path] = append(own[o.Path], o.Method)
	}
	for path, methods := range own {
		for _, o := range rt.operations {
			if pattern := o.Method + " " + path; covers(o.Path, path) && !slices.Contains(methods, o.Method) && !slices.Contains(rt.covered, pattern) {
				rt.covered = append(rt.covered, pattern)
				rt.mux.HandleFunc(pattern, rt.methodNotAllowed)
			}
		}
	}
}

// covers says whether every path of the second pattern is one of the first, which has more.
func covers(wide, narrow string) bool {
	of, in := strings.Split(wide, "/"), strings.Split(narrow, "/")
	if len(of) != len(in) {
		return false
	}
	wider := false
	for i := range of {
		if isWildcard(of[i]) {
			wider = wider || !isWildcard(in[i])
		} else if of[i] != in[i] {
			return false
		}
	}
	return wider
}

func isWildcard(segment string) bool { return strings.HasPrefix(segment, "{") }

func (rt *Router) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	rw := w.(*response)
	rw.refused = nil
	allowed := rt.methodsOf(r)
	if slices.Contains(allowed, http.MethodGet) {
		allowed = append(allowed, http.MethodHead)
	}
	slices.Sort(allowed)
	rw.Header()["Allow"] = []string{strings.Join(allowed, ", ")}
	rt.fail(rw, r, errs.ErrMethodNotAllowed)
}
