package httpapi

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/gatehouse/gatehouse/core/httpapi/pages"
)

// mountSite adds health, the documents and the pages to the public listener, once every operation is mounted.
func (rt *Router) mountSite() error {
	site, err := pages.New(pages.Options{
		BasePath: rt.basePath, ServiceName: rt.Document().Info.Title, SecurityScheme: bearerScheme, Errors: rt.errorDocs(),
	})
	if err != nil {
		return err
	}
	rt.site = site
	for _, p := range site.Routes() {
		pattern := p.Method + " " + p.Path
		if p.Path == "/" {
			pattern += "{$}"
		}
		rt.page(pattern, p.Serve)
	}
	documents := sync.OnceValues(func() (asJSON, asYAML file) { // when somebody asks: it takes longer than all else at the start
		return newFile("application/openapi+json", rt.DocumentJSON()), newFile("application/openapi+yaml", rt.DocumentYAML())
	})
	rt.page("GET /openapi.json", func(w http.ResponseWriter, r *http.Request) bool {
		asJSON, _ := documents()
		return asJSON.serve(w, r)
	})
	rt.page("GET /openapi.yaml", func(w http.ResponseWriter, r *http.Request) bool {
		_, asYAML := documents()
		return asYAML.serve(w, r)
	})
	rt.page("GET /healthz", func(w http.ResponseWriter, _ *http.Request) bool {
		writeHealth(w)
		return true
	})
	return nil
}

// DocumentJSON gives the OpenAPI document, indented.
func (rt *Router) DocumentJSON() []byte {
	raw, err := json.Marshal(rt.Document())
	if err != nil {
		panic(err) // the document is made of our own types
	}
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		panic(err)
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// DocumentYAML gives the OpenAPI document as YAML.
func (rt *Router) DocumentYAML() []byte {
	raw, err := rt.Document().YAML()
	if err != nil {
		panic(err) // the document is made of our own types
	}
	return raw
}

// file is something that does not change while the process lives.
type file struct {
	contentType, tag string
	plain, packed    []byte
}

func newFile(contentType string, content []byte) file {
	sum := sha256.Sum256(content)
	var packed bytes.Buffer
	compress(&packed, content)
	return file{contentType: contentType, tag: `"` + hex.EncodeToString(sum[:12]) + `"`, plain: content, packed: packed.Bytes()}
}

func (f file) serve(w http.ResponseWriter, r *http.Request) bool {
	content, tag := f.plain, f.tag
	packed := acceptsGzip(r.Header["Accept-Encoding"])
	if packed {
		content, tag = f.packed, weak(tag)
	}
	h := w.Header()
	h["Cache-Control"] = []string{"no-cache"}
	h["Etag"] = []string{tag}
	h.Add("Vary", "Accept-Encoding")
	if matchesTag(r.Header["If-None-Match"], tag) {
		w.WriteHeader(http.StatusNotModified)
		return true
	}
	h["Content-Type"] = []string{f.contentType}
	h["Content-Length"] = []string{strconv.Itoa(len(content))}
	if packed {
		h["Content-Encoding"] = gzipped
	}
	_, _ = w.Write(content) // a client that went away is not our fault to handle
	return true
}
