package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/test/drive"
)

// schema is what the generator reads of a JSON Schema.
type schema struct {
	Ref        string             `json:"$ref"`
	Type       any                `json:"type"`
	Properties map[string]*schema `json:"properties"`
	Items      *schema            `json:"items"`
	Enum       []any              `json:"enum"`
	Examples   []any              `json:"examples"`
}

// document is what it reads of the served document.
type document struct {
	Paths map[string]map[string]struct {
		Parameters  []struct{} `json:"parameters"`
		RequestBody struct {
			Content map[string]struct {
				Schema *schema `json:"schema"`
			} `json:"content"`
		} `json:"requestBody"`
	} `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

// fuzzer makes requests out of the document, most of them wrong in some way, and holds every answer against it.
type fuzzer struct {
	server *drive.Server
	email  string // whose token it sends
	token  string
	others []string // ids of accounts that it may do anything to
	doc    document
	check  validator.Validator
	client *http.Client
	seen   map[int]int
}

// fuzzers is how many work at once, every other one as an administrator.
const fuzzers = 8

// TestStatement21NoRequestGives5xx sends what the document allows, and what it does not: thousands of requests in every
// run, a million where TEST_SOAK is set, which takes a quarter of an hour. No answer is a 5xx, and each is one that the
// document describes.
func TestStatement21NoRequestGives5xx(t *testing.T) {
	require.NoError(t, flag.Set("rapid.checks", strconv.Itoa(drive.Often(3_200, 1_000_000)/fuzzers)))
	store := "data_dir=" + t.TempDir()
	s := drive.Start(t, store, noLimits, "log.level=warn", "database.acquire_deadline=10s", "password.queue_deadline=10s") // a slow disk is no fault of a request's
	raw := s.Send(http.MethodGet, "/openapi.json", "", "").Body
	var all []*fuzzer
	for n := range fuzzers {
		all = append(all, newFuzzer(t, s, store, n, raw))
	}
	t.Run("at once", func(t *testing.T) {
		for _, f := range all {
			t.Run(f.email, func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, f.once)
			})
		}
	})
	seen := map[int]int{}
	for _, f := range all {
		for status, n := range f.seen {
			seen[status] += n
		}
	}
	t.Logf("answers by status: %v", seen)
	for _, status := range []int{200, 400, 401, 403, 404, 405, 413, 415} {
		require.NotZero(t, seen[status], "the generator gave no %d, so it is too tame or too wild", status)
	}
	require.NotContains(t, s.Log(), `"level":"ERROR"`)
	require.Equal(t, http.StatusOK, s.Send(http.MethodGet, "/healthz", "", "").Status, "and it still works")
}

func newFuzzer(t *testing.T, s *drive.Server, store string, n int, openapi []byte) *fuzzer {
	t.Helper()
	f := &fuzzer{server: s, email: fmt.Sprintf("fuzz-%d@example.com", n), seen: map[int]int{}}
	if n%2 == 0 {
		createAdministrator(t, f.email, []string{store})
	} else {
		require.Equal(t, http.StatusCreated, s.Register(f.email).Status)
	}
	for other := range 3 {
		var made struct {
			ID string `json:"id"`
		}
		require.NoError(t, json.Unmarshal(s.Register(fmt.Sprintf("other-%d-%d@example.com", n, other)).Body, &made))
		f.others = append(f.others, made.ID)
	}
	f.token = s.MustLogIn(f.email)
	require.NoError(t, json.Unmarshal(openapi, &f.doc))
	doc, err := libopenapi.NewDocument(openapi)
	require.NoError(t, err)
	var errs []error
	f.check, errs = validator.NewValidator(doc)
	require.Empty(t, errs)
	f.client = &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return f
}

// once sends one request.
func (f *fuzzer) once(t *rapid.T) {
	req, known := f.request(t)
	sent := req.Method + " " + req.URL.Opaque + "?" + req.URL.RawQuery
	res, err := f.client.Do(req)
	if req.ContentLength > small && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)) {
		return // refused while it was read, and closed: the log, which is looked at in the end, tells of any 5xx
	}
	require.NoError(t, err, sent)
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err, sent)
	require.NoError(t, res.Body.Close())
	if res.Header.Get("Content-Encoding") == "gzip" && len(raw) > 0 { // it was asked for, by chance
		unzip, err := gzip.NewReader(bytes.NewReader(raw))
		require.NoError(t, err, sent)
		raw, err = io.ReadAll(unzip)
		require.NoError(t, err, sent)
		res.Header.Del("Content-Encoding")
	}
	f.seen[res.StatusCode]++
	if res.StatusCode == http.StatusNoContent {
		f.token = f.server.MustLogIn(f.email) // it may have logged itself out
	}
	require.Less(t, res.StatusCode, 500, "%s: %s", sent, raw)
	if res.StatusCode == http.StatusBadRequest && res.Header.Get("X-Request-Id") == "" {
		return // net/http's own answer to a request line or a header that is none
	}
	require.NotEmpty(t, res.Header.Get("X-Request-Id"), sent)
	if known {
		res.Body = io.NopCloser(bytes.NewReader(raw))
		req.URL.Path, req.URL.Opaque = req.URL.Opaque, "" // the validator looks for its path there
		ok, faults := f.check.ValidateHttpResponse(req, res)
		require.True(t, ok, "%s answers %d: %s\n%v", sent, res.StatusCode, raw, faults)
	} else if res.StatusCode >= http.StatusBadRequest && req.Method != http.MethodHead && !isPage(req.URL.Opaque) {
		require.Equal(t, "application/problem+json", res.Header.Get("Content-Type"), sent)
	}
}

// isPage says whether a request's target leads to a page, which answers people in HTML. "//auth/reset-password" does: to a
// server it is a URL, of the host auth.
func isPage(target string) bool {
	u, err := url.Parse(target)
	return err == nil && slices.Contains([]string{"/reset-password", "/verify-email", "/confirm-email"}, u.Path)
}

// request draws one; known says that the document has the operation.
func (f *fuzzer) request(t *rapid.T) (req *http.Request, known bool) {
	path := rapid.SampledFrom(slices.Sorted(maps.Keys(f.doc.Paths))).Draw(t, "path")
	method := rapid.SampledFrom(slices.Sorted(maps.Keys(f.doc.Paths[path]))).Draw(t, "method")
	op := f.doc.Paths[path][method]
	known = !sometimes(t, 10, "another path or method")
	target := f.fill(t, path)
	if !known {
		method = rapid.SampledFrom([]string{"get", "post", "put", "patch", "delete", "options", "head", "trace", "brew"}).Draw(t, "any method")
		target = rapid.OneOf(rapid.Just(path), rapid.StringMatching(`/[!-"$->@-~]{0,30}`), rapid.Just(path+"/"), rapid.Just("/%2e%2e"+path), rapid.Just("/"+path)).Draw(t, "any path")
	}
	body := []byte(nil)
	mediaType := "application/json"
	if takes := slices.Sorted(maps.Keys(op.RequestBody.Content)); len(takes) > 0 {
		mediaType = rapid.SampledFrom(takes).Draw(t, "media type")
		body = f.body(t, op.RequestBody.Content[mediaType].Schema)
	}
	if op.RequestBody.Content == nil && sometimes(t, 10, "a body for nobody") {
		body = rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "body")
	}
	// Opaque goes out as it is; a URL's path would be mended.
	req, err := http.NewRequestWithContext(t.Context(), strings.ToUpper(method), f.server.URL, bytes.NewReader(body))
	require.NoError(t, err)
	req.URL.Opaque, req.URL.RawQuery = target, f.query(t, op.Parameters != nil)
	if body != nil {
		req.Header.Set("Content-Type", mediaType)
		if sometimes(t, 12, "another type") {
			req.Header.Set("Content-Type", rapid.SampledFrom([]string{"application/merge-patch+json", "text/plain", "application/json; charset=utf-16", ";", "multipart/form-data"}).Draw(t, "type"))
		}
	}
	f.headers(t, req.Header)
	if len(body) > small {
		req.Header.Set("Expect", "100-continue")
	}
	return req, known
}

// fill names an account, or what is none, in each place of a path.
func (f *fuzzer) fill(t *rapid.T, path string) string {
	return place.ReplaceAllStringFunc(path, func(name string) string {
		return rapid.OneOf(rapid.SampledFrom(f.others), rapid.Just(name), rapid.StringMatching(`[0-9a-f-]{1,40}`)).Draw(t, "in place of "+name)
	})
}

var place = regexp.MustCompile(`\{[^}]*\}`)

// small bodies go out at once. The server answers some requests without reading their body, and closes: whoever still writes
// then may not see the answer, so larger ones wait to be asked for (RFC 9110, section 10.1.1).
const small = 2 << 10

// headers sometimes has the token, whole or not, and things that clients make up.
func (f *fuzzer) headers(t *rapid.T, h http.Header) {
	switch rapid.IntRange(0, 4).Draw(t, "who") {
	case 0, 1:
		h.Set("Authorization", "Bearer "+f.token)
	case 2:
		at := rapid.IntRange(0, len(f.token)-1).Draw(t, "at")
		h.Set("Authorization", "Bearer "+f.token[:at]+rapid.StringMatching(`[A-Za-z0-9._=-]{0,3}`).Draw(t, "odd")+f.token[at+1:])
	case 3:
		h.Set("Authorization", rapid.StringMatching(`[ -~]{0,60}`).Draw(t, "authorization"))
	}
	for _, name := range []string{"If-None-Match", "If-Match", "Accept", "Accept-Encoding", "X-Request-ID", "X-Forwarded-For", "Origin", "Content-Encoding", "Traceparent", "Cookie"} {
		if sometimes(t, 20, name) {
			h.Set(name, rapid.StringMatching(`[ -~\x{80}-\x{ff}]{0,40}`).Draw(t, name))
		}
	}
}

func (f *fuzzer) query(t *rapid.T, takes bool) string {
	if !takes && !sometimes(t, 8, "a query") {
		return ""
	}
	return rapid.OneOf(
		rapid.StringMatching(`[!-"$-~]{0,40}`),
		rapid.StringMatching(`(limit|cursor|sort|q)=[a-z0-9%&;=+-]{0,20}`),
		rapid.Map(rapid.String(), url.QueryEscape),
	).Draw(t, "query")
}

// body is mostly of the schema's shape, and sometimes broken, huge or something else.
func (f *fuzzer) body(t *rapid.T, s *schema) []byte {
	switch rapid.IntRange(0, 19).Draw(t, "kind of body") {
	case 0:
		return rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "bytes")
	case 1:
		depth := rapid.IntRange(1, 20_000).Draw(t, "depth")
		return []byte(strings.Repeat(rapid.SampledFrom([]string{"[", `{"a":`, `{"email":[`}).Draw(t, "open"), depth))
	case 2:
		return bytes.Repeat([]byte(" "), rapid.SampledFrom([]int{0, 1, 1 << 20, 1<<20 + 1}).Draw(t, "size"))
	}
	raw, err := json.Marshal(f.value(t, s, 0))
	require.NoError(t, err)
	switch rapid.IntRange(0, 9).Draw(t, "broken") {
	case 0:
		return raw[:rapid.IntRange(0, len(raw)).Draw(t, "cut")]
	case 1:
		return append(raw, rapid.SampledFrom([]string{"{}", ",", "\x00", "]", " "}).Draw(t, "more")...)
	case 2:
		at := rapid.IntRange(0, len(raw)-1).Draw(t, "at")
		raw[at] = rapid.Byte().Draw(t, "byte")
	case 3:
		return slices.Concat([]byte(`{"email":1,`), bytes.TrimPrefix(raw, []byte("{")))
	}
	return raw
}

// odd are values that programs stumble over.
var odd = []any{
	nil, true, 0, -1, 1e308, 9007199254740993, "", " ", "\x00", "\u202e", "ı", "\U0001f600", "a@b", "ada@example.com", "a@example.com\r\nBcc: x@example.com",
	"fuzz@example.com", "'; DROP TABLE users; --", "%s%n", strings.Repeat("é", 300), strings.Repeat("a", 5000), []any{}, map[string]any{}, []any{[]any{}},
}

func (f *fuzzer) value(t *rapid.T, s *schema, depth int) any {
	if s != nil && s.Ref != "" {
		s = f.doc.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	if s == nil || depth > 5 || sometimes(t, 8, "odd") {
		return rapid.OneOf(rapid.SampledFrom(odd), rapid.Map(rapid.String(), func(s string) any { return s })).Draw(t, "value")
	}
	kind, _ := s.Type.(string)
	switch {
	case len(s.Enum) > 0:
		return rapid.SampledFrom(s.Enum).Draw(t, "one of")
	case kind == "object":
		made := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
			if !sometimes(t, 10, "left out") {
				made[name] = f.value(t, s.Properties[name], depth+1)
			}
		}
		if sometimes(t, 10, "one more") {
			made[rapid.String().Draw(t, "name")] = rapid.SampledFrom(odd).Draw(t, "value")
		}
		return made
	case kind == "array":
		var made []any
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			made = append(made, f.value(t, s.Items, depth+1))
		}
		return made
	case kind == "string" && len(s.Examples) > 0 && sometimes(t, 3, "as in the document"):
		return s.Examples[0]
	case kind == "string":
		return rapid.String().Draw(t, "text")
	default:
		return rapid.Int64().Draw(t, "number")
	}
}

// sometimes is true in one case of n.
func sometimes(t *rapid.T, n int, what string) bool { return rapid.IntRange(1, n).Draw(t, what) == n }
