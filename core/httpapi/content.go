package httpapi

import (
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/gatehouse/gatehouse/core/errs"
)

// Content is a file as it goes out. Whoever made it has chosen its media type, and its name never stands for another one.
type Content struct {
	MediaType string
	Size      int64
	Body      io.ReadCloser
}

const (
	// forever is how long a file under a name that is never used again may be kept.
	forever = "public, max-age=31536000, immutable"
	// lockedDown lets a file do nothing where a browser opens it as a page of its own.
	lockedDown = "default-src 'none'; sandbox"
)

// HandleContent mounts files that anybody may read who knows their random name, which is the last step of the path: such as
// /avatars/{name}. open gives an error of the contract for a name that is none.
func HandleContent(rt *Router, folder string, open func(ctx context.Context, name string) (Content, error)) {
	rt.page("GET "+folder+"/{name}", func(w http.ResponseWriter, r *http.Request) bool {
		if err := serveContent(w, r, open); err != nil {
			rt.fail(w.(*response), r, err)
		}
		return true
	})
}

// serveContent answers with the file, or gives an error before anything was sent.
func serveContent(w http.ResponseWriter, r *http.Request, open func(ctx context.Context, name string) (Content, error)) error {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		return errs.ErrNotFound // one file has one URL
	}
	name := r.PathValue("name")
	c, err := open(r.Context(), name)
	if err != nil {
		return err
	}
	defer func() { _ = c.Body.Close() }() // it was only read
	h := w.Header()
	tag := `"` + name + `"`
	h["Cache-Control"] = []string{forever}
	h["Etag"] = []string{tag}
	h["Content-Security-Policy"] = []string{lockedDown}
	if matchesTag(r.Header["If-None-Match"], tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	h["Content-Type"] = []string{c.MediaType}
	h["Content-Length"] = []string{strconv.FormatInt(c.Size, 10)}
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if n, err := io.Copy(w, c.Body); err != nil || n != c.Size {
		panic(http.ErrAbortHandler) // the client went away, or the store did: no part is to be taken for the whole
	}
	return nil
}
