package httpapi

import (
	"bytes"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	json "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// response is the ResponseWriter of a request: it puts on every answer what every answer carries, knows the status that
// was sent, and turns the mux's own 404 and 405 into problems.
type response struct {
	http.ResponseWriter
	request   request
	status    int
	refused   func(status int) // takes the mux's own answer to what no route matched
	discarded bool             // what the mux writes is not for the client
	values    [4]string        // room for header values that differ each time
	used      int
	held      int64 // bytes of the memory for files
}

// match notes which route has the request: from here on the answer is the route's.
func (w *response) match(route string) {
	w.request.route, w.refused = route, nil
}

// value gives a header's values out of the response's own room.
func (w *response) value(s string) []string {
	if w.used == len(w.values) {
		return []string{s}
	}
	w.values[w.used] = s
	w.used++
	return w.values[w.used-1 : w.used : w.used]
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status != 0 || w.discarded {
		return
	}
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.ResponseWriter.WriteHeader(status) // the answer itself is still to come: RFC 9110 section 15.2
		return
	}
	if refused := w.refused; refused != nil {
		w.refused = nil
		refused(status)
		w.discarded = true
		return
	}
	w.status = status
	h := w.Header()
	h["X-Request-Id"] = w.value(w.request.id)
	h["Server-Timing"] = w.value(serverTiming(time.Since(w.request.started)))
	w.ResponseWriter.WriteHeader(status)
}

// Write implements io.Writer.
func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.discarded {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// serverTiming is of one metric, in milliseconds (W3C Server Timing).
func serverTiming(took time.Duration) string {
	b := make([]byte, 0, 32)
	b = append(b, "app;dur="...)
	return string(strconv.AppendFloat(b, milliseconds(took), 'f', -1, 64))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// ETagged is a response body that has a version: it goes out as the ETag, and GET honours If-None-Match.
type ETagged interface {
	ETag() string // quoted, as RFC 9110 section 8.8.3 wants it
}

// Accepting is a response body that is not always sent: where Accepted says so the answer is 202 without a body.
type Accepting interface{ Accepted() bool }

// Paged is a response body that is one page of a list. Where Next gives the cursor of the next page, that page's address goes
// out as a Link (RFC 8288): this request's, with that cursor.
type Paged interface{ Next() string }

// Located is a response body of something that was made: where it is found, as a path of this service, goes out as the
// Location.
type Located interface{ Location() string }

// NoContent is the response of an operation that answers 204, or 202 without a body.
type NoContent struct{}

// Header values that many answers share; nothing may change them.
var (
	plainJSON   = []string{"application/json"}
	problemJSON = []string{"application/problem+json"}
	gzipped     = []string{"gzip"}
)

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// writeJSON answers with a body; holdsToken keeps it out of compression, whose size would tell about its content. An error
// means that nothing was sent.
func writeJSON(w *response, r *http.Request, status int, body any, holdsToken bool) error {
	buf := buffers.Get().(*bytes.Buffer)
	defer putBuffer(buf)
	buf.Reset()
	// Arrays are never null here, as the document says; a text that is no UTF-8 is mended instead of failing.
	if err := json.MarshalWrite(buf, body, jsontext.AllowInvalidUTF8(true)); err != nil {
		return err
	}
	h := w.Header()
	content := buf.Bytes()
	packed := false
	if len(content) >= compressFrom && !holdsToken {
		h.Add("Vary", "Accept-Encoding")
		packed = acceptsGzip(r.Header["Accept-Encoding"])
	}
	if e, ok := body.(ETagged); ok {
		tag := e.ETag()
		if packed {
			tag = tagOfGzip(tag)
		}
		h["Etag"] = w.value(tag)
		if status == http.StatusOK && isRead(r.Method) && matchesTag(r.Header["If-None-Match"], tag) {
			w.WriteHeader(http.StatusNotModified)
			return nil
		}
	}
	if packed {
		zipped := buffers.Get().(*bytes.Buffer)
		defer putBuffer(zipped)
		zipped.Reset()
		compress(zipped, content)
		content = zipped.Bytes()
		h["Content-Encoding"] = gzipped
	}
	if p, ok := body.(Paged); ok {
		if next := p.Next(); next != "" {
			h["Link"] = w.value(nextLink(w.request.path, r.URL.RawQuery, next))
		}
	}
	if l, ok := body.(Located); ok {
		h["Location"] = w.value(w.request.base + l.Location())
	}
	h["Content-Type"] = plainJSON
	h["Content-Length"] = w.value(strconv.Itoa(len(content)))
	w.WriteHeader(status)
	_, _ = w.Write(content) // a client that went away is not our fault to handle
	return nil
}

// nextLink takes an escaped path, and writes the query anew, so that nothing in it ends the address of a Link.
func nextLink(path, query, cursor string) string {
	values, _ := url.ParseQuery(query) // it was read before
	values.Set("cursor", cursor)
	return "<" + path + "?" + values.Encode() + `>; rel="next"`
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= 64<<10 { // one large answer must not pin its memory
		buffers.Put(b)
	}
}
