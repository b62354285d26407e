package httpapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// response is the ResponseWriter of a request: it puts on every answer what every answer carries, knows the status that
// was sent, and turns the mux's own 404 and 405 into problems.
type response struct {
	http.ResponseWriter
	request  *request
	status   int
	hijacked func(status int) bool // takes the mux's own answer, nil once a route matched
	muted    bool
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	if !w.request.matched && w.hijacked != nil {
		take := w.hijacked
		w.hijacked = nil
		if w.muted = take(status); w.muted {
			return
		}
	}
	w.status = status
	h := w.Header()
	h["X-Request-Id"] = []string{w.request.id}
	h["Server-Timing"] = []string{"app;dur=" + milliseconds(time.Since(w.request.started))}
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *response) Write(b []byte) (int, error) {
	if w.status == 0 && !w.muted {
		w.WriteHeader(http.StatusOK)
	}
	if w.muted {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func milliseconds(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}

// ETagged is a response body that has a version: it goes out as the ETag, and If-None-Match is honoured.
type ETagged interface {
	ETag() string // quoted, as RFC 9110 section 8.8.3 wants it
}

// NoContent is the response of an operation that answers 204.
type NoContent struct{}

// compressFrom is the size below which compressing costs more than it saves.
const compressFrom = 1400

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// writeJSON answers with a body; holdsToken keeps it out of compression, whose size would tell about its content.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any, holdsToken bool) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer putBuffer(buf)
	buf.Reset()
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return err
	}
	buf.Truncate(buf.Len() - 1) // the encoder's newline
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	if e, ok := body.(ETagged); ok {
		tag := e.ETag()
		h["Etag"] = []string{tag}
		if status == http.StatusOK && noneMatch(r, tag) {
			h.Del("Content-Type")
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	if buf.Len() >= compressFrom && !holdsToken {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			return writeGzip(w, status, buf.Bytes())
		}
	}
	h["Content-Length"] = []string{strconv.Itoa(buf.Len())}
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // a client that went away is not our fault to handle
	return nil
}

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= 64<<10 { // one large answer must not pin its memory
		buffers.Put(b)
	}
}

var gzips = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

func writeGzip(w http.ResponseWriter, status int, body []byte) error {
	w.Header().Set("Content-Encoding", "gzip")
	if tag := w.Header().Get("Etag"); tag != "" {
		w.Header().Set("Etag", weak(tag)) // other bytes, same meaning: RFC 9110 section 8.8.1
	}
	w.WriteHeader(status)
	z := gzips.Get().(*gzip.Writer)
	defer gzips.Put(z)
	z.Reset(w)
	if _, err := z.Write(body); err != nil {
		return nil
	}
	_ = z.Close()
	return nil
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(name, "gzip") {
			q := strings.ReplaceAll(params, " ", "")
			return q != "q=0" && q != "q=0.0" && q != "q=0.00" && q != "q=0.000"
		}
	}
	return false
}

// noneMatch says whether If-None-Match holds the tag, compared weakly (RFC 9110 section 13.1.2).
func noneMatch(r *http.Request, tag string) bool {
	header := r.Header.Get("If-None-Match")
	return header != "" && matchesTag(header, tag)
}

func matchesTag(header, tag string) bool {
	for t := range strings.SplitSeq(header, ",") {
		t = strings.TrimSpace(t)
		if t == "*" || strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

func weak(tag string) string {
	if strings.HasPrefix(tag, "W/") {
		return tag
	}
	return "W/" + tag
}

// printable drops control characters, so that text from outside stays on its line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return -1
		}
		return r
	}, s)
}
