package pages

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// file is content that never changes and the headers that go with it.
type file struct {
	body      string
	gzipped   bool   // body is compressed; clients that take no gzip get it unpacked
	unpacked  int    // bytes of the unpacked body, when it is compressed
	digest    string // SHA-256 of the content, not compressed, in hexadecimal
	mediaType string
	policy    string // Content-Security-Policy
	cache     string // Cache-Control
}

// serve answers GET and HEAD.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	packed := f.gzipped && takesGzip(r.Header.Values("Accept-Encoding"))
	etag := `"` + f.digest[:32] + `"`
	size := len(f.body)
	h := w.Header()
	if f.gzipped {
		h.Add("Vary", "Accept-Encoding")
		size = f.unpacked
	}
	if packed { // another representation, so another tag (RFC 9110, 8.8.3.3)
		etag = `"` + f.digest[:32] + `-gzip"`
		size = len(f.body)
	}
	h.Set("ETag", etag)
	h.Set("Cache-Control", f.cache)
	h.Set("Content-Security-Policy", f.policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if matches(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Type", f.mediaType)
	h.Set("Content-Length", strconv.Itoa(size))
	if packed {
		h.Set("Content-Encoding", "gzip")
	}
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		f.write(w, packed)
	}
}

// write ignores the errors of a client that has left: nothing can be told to it any more.
func (f *file) write(w io.Writer, packed bool) {
	if !f.gzipped || packed {
		_, _ = io.WriteString(w, f.body)
		return
	}
	content, err := gzip.NewReader(strings.NewReader(f.body))
	if err != nil {
		return // a test reads the whole embedded file, so this never happens
	}
	_, _ = io.Copy(w, content) //nolint:gosec // our own file, of known size
}

// takesGzip reads Accept-Encoding (RFC 9110, 12.5.3). Without the header nothing is compressed.
func takesGzip(accepted []string) bool {
	named, others := -1.0, -1.0
	for part := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		coding, parameters, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(coding)) {
		case "gzip", "x-gzip":
			named = weight(parameters)
		case "*":
			others = weight(parameters)
		}
	}
	if named >= 0 {
		return named > 0
	}
	return others > 0
}

// weight reads ";q=". What is not a weight counts as refusal: the unpacked content is always right.
func weight(parameters string) float64 {
	name, value, found := strings.Cut(strings.TrimSpace(parameters), "=")
	if !found {
		if strings.TrimSpace(parameters) == "" {
			return 1
		}
		return 0
	}
	q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || !strings.EqualFold(strings.TrimSpace(name), "q") || q < 0 || q > 1 {
		return 0
	}
	return q
}

// matches compares If-None-Match weakly (RFC 9110, 13.1.2). Our tags hold no comma.
func matches(headers []string, etag string) bool {
	for part := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		part = strings.TrimSpace(part)
		if part == "*" || strings.TrimPrefix(part, "W/") == etag {
			return true
		}
	}
	return false
}
