package pages_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/httpapi/pages"
	"github.com/gatehouse/gatehouse/third_party/scalar"
)

const (
	docsPolicy  = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
	plainPolicy = "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(content)
}

// addresses finds everything that a page links to or loads.
func addresses(page string) []string {
	var found []string
	for _, m := range regexp.MustCompile(`(?:href|src|data-openapi)="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		found = append(found, m[1])
	}
	return found
}

func asset(t *testing.T, mux http.Handler, base, name string) string {
	t.Helper()
	for _, page := range []string{"/docs", "/"} {
		for _, address := range addresses(body(t, get(t, mux, base+page))) {
			if strings.Contains(address, "/"+name+".") {
				return address
			}
		}
	}
	require.Fail(t, "no page uses "+name)
	return ""
}

func TestPagesHaveStrictHeaders(t *testing.T) {
	t.Parallel()
	mux := site(t, options(""))
	for path, policy := range map[string]string{"/": plainPolicy, "/errors/rate-limited": plainPolicy, "/docs": docsPolicy} {
		res := get(t, mux, path)
		require.Equal(t, http.StatusOK, res.StatusCode, path)
		require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"), path)
		require.Equal(t, policy, res.Header.Get("Content-Security-Policy"), path)
		require.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"), path)
		require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), path)
		require.Equal(t, "public, no-cache", res.Header.Get("Cache-Control"), path)
		require.NotContains(t, policy, "unsafe-eval")
		content := body(t, res)
		require.Equal(t, strconv.Itoa(len(content)), res.Header.Get("Content-Length"), path)
		require.NotRegexp(t, `<script>|<style|style="|onclick|javascript:`, content, path)
		if path != "/docs" {
			require.NotContains(t, content, "<script", path)
		}
	}
}

func TestEveryAddressOnAPageIsBelowTheBasePathAndAnswers(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/api", "/a/b"} {
		mux := site(t, options(base))
		for _, page := range []string{"/", "/docs", "/errors/validation-error"} {
			found := addresses(body(t, get(t, mux, base+page)))
			require.NotEmpty(t, found)
			for _, address := range found {
				require.True(t, strings.HasPrefix(address, base+"/"), "%s on %s", address, page)
				switch strings.TrimPrefix(address, base) {
				case "/openapi.yaml", "/healthz": // others serve these
				default:
					require.Equal(t, http.StatusOK, get(t, mux, address).StatusCode, address)
				}
			}
		}
	}
}

func TestHomeNamesTheServiceAndLinksToItsDocuments(t *testing.T) {
	t.Parallel()
	o := options("/api")
	o.ServiceName = `Ada & "Co" <b>`
	content := body(t, get(t, site(t, o), "/api/"))
	require.Contains(t, content, "<h1>Ada &amp; &#34;Co&#34; &lt;b&gt;</h1>")
	for _, path := range []string{"/api/docs", "/api/openapi.json", "/api/openapi.yaml", "/api/healthz"} {
		require.Contains(t, addresses(content), path)
	}
}

func TestAnErrorPageSaysWhatItMeansAndWhatToDo(t *testing.T) {
	t.Parallel()
	o := options("")
	mux := site(t, o)
	for _, e := range o.Errors {
		content := body(t, get(t, mux, "/errors/"+e.Type))
		for _, text := range []string{e.Code, e.Title, strconv.Itoa(e.Status), string(e.Meaning), "/errors/" + e.Type} {
			require.Contains(t, content, text)
		}
		for _, part := range e.Advice.Spans() {
			require.Contains(t, content, part.Text)
			require.Equal(t, part.Code, strings.Contains(content, "<code>"+part.Text+"</code>"), part.Text)
		}
		for _, reason := range e.Reasons {
			require.Contains(t, content, reason.Name)
			require.Contains(t, content, reason.Meaning)
		}
		require.Equal(t, len(e.Reasons) > 0, strings.Contains(content, "<dl"), "reasons of %s", e.Type)
	}
	content := body(t, get(t, mux, "/errors/validation-error"))
	require.Contains(t, content, "<p>Read <code>errors</code>: each entry")
	require.Contains(t, content, `<pre tabindex="0" aria-label="Example of the answer"><code>{`)
	require.Contains(t, content, `&#34;detail&#34;: &#34;1 field is \u003cinvalid\u003e&#34;`)
}

func TestUnknownNamesAreLeftToTheCaller(t *testing.T) {
	t.Parallel()
	mux := site(t, options(""))
	for _, path := range []string{"/errors/unknown", "/errors/VALIDATION_ERROR", "/docs/assets/init.js", "/docs/assets/files%2Finit.js", "/docs/assets/..%2Fhome.html"} {
		res := get(t, mux, path)
		require.Equal(t, http.StatusTeapot, res.StatusCode, path)
		require.Empty(t, res.Header.Get("Content-Security-Policy"), "nothing is written for %s", path)
	}
}

func TestAssetsAreKeptForAYearUnderANameThatChangesWithThem(t *testing.T) {
	t.Parallel()
	mux := site(t, options("/api"))
	for name, mediaType := range map[string]string{
		"reference": "text/javascript; charset=utf-8", "init": "text/javascript; charset=utf-8", "docs": "text/css; charset=utf-8",
		"pages": "text/css; charset=utf-8", "favicon": "image/svg+xml",
	} {
		path := asset(t, mux, "/api", name)
		res := get(t, mux, path)
		require.Equal(t, http.StatusOK, res.StatusCode, path)
		require.Equal(t, mediaType, res.Header.Get("Content-Type"), path)
		require.Equal(t, "public, max-age=31536000, immutable", res.Header.Get("Cache-Control"), path)
		require.Equal(t, plainPolicy, res.Header.Get("Content-Security-Policy"), path)
		require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), path)
		content := sha256.Sum256([]byte(body(t, res)))
		require.Contains(t, path, "."+hex.EncodeToString(content[:])[:12]+".")
	}
}

func TestTheReferenceIsSentCompressedToWhoTakesIt(t *testing.T) {
	t.Parallel()
	mux := site(t, options(""))
	path := asset(t, mux, "", "reference")
	for accept, want := range map[string]bool{
		"gzip, deflate, br, zstd": true, "GZIP": true, "x-gzip": true, "*": true, "gzip;q=0.5, *;q=0": true, "br, gzip ; q=1": true,
		"": false, "identity": false, "gzip;q=0": false, "*;q=0": false, "gzip;q=0, *": false, "br": false, "gzip;q=x": false,
		"gzip;q=2": false, "gzip;level=9": false, "gzip;": true,
	} {
		res := get(t, mux, path, "Accept-Encoding", accept)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, "Accept-Encoding", res.Header.Get("Vary"))
		content := body(t, res)
		require.Equal(t, strconv.Itoa(len(content)), res.Header.Get("Content-Length"), accept)
		if want {
			require.Equal(t, "gzip", res.Header.Get("Content-Encoding"), accept)
			require.Len(t, content, len(scalar.ScriptGzip), accept)
			continue
		}
		require.Empty(t, res.Header.Get("Content-Encoding"), accept)
		require.Len(t, content, scalar.ScriptSize, accept)
	}

	unpacked, err := gzip.NewReader(strings.NewReader(scalar.ScriptGzip))
	require.NoError(t, err)
	script, err := io.ReadAll(unpacked)
	require.NoError(t, err)
	require.Equal(t, string(script), body(t, get(t, mux, path)), "both forms are one script")
}

func TestWhatABrowserHasIsNotSentAgain(t *testing.T) {
	t.Parallel()
	mux := site(t, options(""))
	for _, path := range []string{"/", "/docs", "/errors/rate-limited", asset(t, mux, "", "init"), asset(t, mux, "", "reference")} {
		for _, encoding := range []string{"gzip", "identity"} {
			etag := get(t, mux, path, "Accept-Encoding", encoding).Header.Get("ETag")
			require.Regexp(t, `^"[0-9a-f]{32}(-gzip)?"$`, etag, path)
			for _, sent := range []string{etag, "W/" + etag, `"other", ` + etag, "*"} {
				res := get(t, mux, path, "Accept-Encoding", encoding, "If-None-Match", sent)
				require.Equal(t, http.StatusNotModified, res.StatusCode, "%s: %s", path, sent)
				require.Equal(t, etag, res.Header.Get("ETag"))
				require.NotEmpty(t, res.Header.Get("Cache-Control"))
				require.Empty(t, body(t, res))
			}
			require.Equal(t, http.StatusOK, get(t, mux, path, "Accept-Encoding", encoding, "If-None-Match", `"other"`).StatusCode, path)
		}
	}
	reference := asset(t, mux, "", "reference")
	require.NotEqual(t, get(t, mux, reference, "Accept-Encoding", "gzip").Header.Get("ETag"), get(t, mux, reference).Header.Get("ETag"))
}

func TestHeadHasTheHeadersAndNoBody(t *testing.T) {
	t.Parallel()
	mux := site(t, options(""))
	for _, path := range []string{"/", asset(t, mux, "", "reference")} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodHead, path, http.NoBody))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, get(t, mux, path).Header.Get("Content-Length"), w.Header().Get("Content-Length"))
		require.Zero(t, w.Body.Len())
	}
}

func TestTheReferenceAsksForTheSchemeGiven(t *testing.T) {
	t.Parallel()
	o := options("")
	require.Contains(t, body(t, get(t, site(t, o), "/docs")), `data-scheme="bearerAuth"`)
	o.SecurityScheme = "accessToken"
	require.Contains(t, body(t, get(t, site(t, o), "/docs")), `data-scheme="accessToken"`)
}

func TestRoutesAreASmallClosedList(t *testing.T) {
	t.Parallel()
	p, err := pages.New(options(""))
	require.NoError(t, err)
	var got []string
	for _, r := range p.Routes() {
		got = append(got, r.Method+" "+r.Path)
	}
	require.Equal(t, []string{"GET /", "GET /docs", "GET /docs/assets/{name}", "GET /errors/{type}"}, got)
}

func TestNewRefusesOptionsThatMakeNoSense(t *testing.T) {
	t.Parallel()
	twice := []pages.ErrorDoc{{Type: "a", Code: "A"}, {Type: "a", Code: "B"}}
	for name, o := range map[string]pages.Options{
		"base path without a slash":     {BasePath: "api", ServiceName: "x"},
		"base path with a slash at end": {BasePath: "/api/", ServiceName: "x"},
		"base path of a slash":          {BasePath: "/", ServiceName: "x"},
		"base path of another host":     {BasePath: "//evil.example", ServiceName: "x"},
		"no name":                       {},
		"error without a type":          {ServiceName: "x", Errors: []pages.ErrorDoc{{Code: "A"}}},
		"two errors of one type":        {ServiceName: "x", Errors: twice},
	} {
		_, err := pages.New(o)
		require.Error(t, err, name)
	}
}

func BenchmarkReferenceCompressed(b *testing.B) {
	p, err := pages.New(options(""))
	require.NoError(b, err)
	docs := httptest.NewRecorder()
	p.Routes()[1].Serve(docs, httptest.NewRequest(http.MethodGet, "/docs", http.NoBody))
	name := regexp.MustCompile(`reference\.[0-9a-f]+\.js`).FindString(docs.Body.String())
	r := httptest.NewRequest(http.MethodGet, "/docs/assets/"+name, http.NoBody)
	r.SetPathValue("name", name)
	r.Header.Set("Accept-Encoding", "gzip")
	for b.Loop() {
		require.True(b, p.Routes()[2].Serve(discard{http.Header{}}, r))
	}
}

// discard is an answer that goes nowhere.
type discard struct{ header http.Header }

func (d discard) Header() http.Header             { return d.header }
func (discard) WriteHeader(int)                   {}
func (discard) Write(p []byte) (int, error)       { return len(p), nil }
func (discard) WriteString(s string) (int, error) { return len(s), nil }
