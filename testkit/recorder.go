package testkit

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/gatehouse/gatehouse/app"
)

// Recorder notes which operation gave which status, so that a suite can fail for what it never produced.
type Recorder struct {
	mu   sync.Mutex
	seen map[string]bool
}

// note finds the operation by the request's method and path: of those that match, the one with the fewest wildcards, as the
// router does.
func (r *Recorder) note(a *app.App, req *http.Request, res *Response) {
	id, fewest := "", 0
	for _, op := range a.Router.Operations() {
		if wildcards := strings.Count(op.Path, "{"); op.Method == req.Method && matches(op.Path, req.URL.Path) && (id == "" || wildcards < fewest) {
			id, fewest = op.ID, wildcards
		}
	}
	if id != "" {
		r.add(key(id, res.StatusCode))
	}
}

func (r *Recorder) add(k string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	r.seen[k] = true
}

// Missing lists what the app documents and nothing has produced, as "operation status".
func (r *Recorder) Missing(a *app.App) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var missing []string
	for _, op := range a.Router.Operations() {
		for _, status := range op.Statuses {
			if k := key(op.ID, status); !r.seen[k] {
				missing = append(missing, k)
			}
		}
	}
	return missing
}

// Undocumented lists what was produced and no document names, as "operation status". INTERNAL_ERROR is the document's
// default and counts as named.
func (r *Recorder) Undocumented(a *app.App) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	named := map[string]bool{}
	for _, op := range a.Router.Operations() {
		for _, status := range append([]int{http.StatusInternalServerError}, op.Statuses...) {
			named[key(op.ID, status)] = true
		}
	}
	var extra []string
	for k := range r.seen {
		if !named[k] {
			extra = append(extra, k)
		}
	}
	slices.Sort(extra)
	return extra
}

func key(operation string, status int) string { return fmt.Sprintf("%s %d", operation, status) }

// matches compares a path with a pattern whose wildcards stand for one segment each.
func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return false
	}
	for i, segment := range want {
		if !strings.HasPrefix(segment, "{") && segment != got[i] {
			return false
		}
	}
	return true
}
