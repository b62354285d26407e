package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/ratelimit"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

// note is a thing to send through the border.
type note struct {
	ID    account.ID   `json:"id" format:"uuid" example:"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`
	Title string       `json:"title" minLength:"1" maxLength:"10" example:"A note"`
	Stars int          `json:"stars" minimum:"0" maximum:"5" example:"3"`
	Tags  []string     `json:"tags,omitempty" nullable:"false" maxItems:"2"`
	At    httpapi.Time `json:"at"`
}

// ETag implements httpapi.ETagged.
func (n note) ETag() string { return `"` + n.Title + `"` }

type newNote struct {
	Title string   `json:"title" minLength:"1" maxLength:"10" example:"A note"`
	Stars int      `json:"stars,omitempty" minimum:"0" maximum:"5"`
	Tags  []string `json:"tags,omitempty" nullable:"false" maxItems:"2"`
	Kind  string   `json:"kind,omitempty" enum:"plain,rich"`
}

type byID struct {
	ID account.ID `path:"id" format:"uuid"`
}

type listing struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
	Sort    string `query:"sort" enum:"title,stars"`
	Starred bool   `query:"starred"`
	IfMatch string `header:"If-Match" maxLength:"10"`
}

type change struct {
	httpapi.Precondition

	ID   account.ID `path:"id" format:"uuid"`
	Body noteChange
}

type noteChange struct {
	Title  httpapi.Member[string]  `json:"title,omitzero" minLength:"1" maxLength:"10" example:"A note"`
	Stars  httpapi.Member[int]     `json:"stars,omitzero" minimum:"0" maximum:"5"`
	Kind   httpapi.Member[string]  `json:"kind,omitzero" enum:"plain,rich"`
	Author httpapi.Member[*string] `json:"author,omitzero" maxLength:"10"`
}

var errLocked = errs.Conflict("locked", "the note is locked")

type fakeAuth map[string]account.Principal

func (f fakeAuth) Authenticate(_ context.Context, token string) (account.Principal, error) {
	switch p, ok := f[token]; {
	case ok:
		return p, nil
	case token == "away":
		return p, errs.ErrUnavailable.WithCause(errors.New("database away"))
	case token == "panic":
		panic("secret-in-a-panic")
	default:
		return p, errs.ErrInvalidToken
	}
}

// border is a served router with made-up operations.
type border struct {
	t      testing.TB
	router *httpapi.Router
	server *httptest.Server
	log    *logtest.Logs
}

func serve(t testing.TB, mutators ...func(*httpapi.Dependencies)) *border {
	t.Helper()
	rt := httpapi.NewRouter("Notes", "Notes for tests.", "1.0.0")
	mount(rt, ratelimit.NewLimits().Declare("notes", ratelimit.PerMinute(3), "notes made"))
	return serveRouter(t, rt, mutators...)
}

// serveRouter serves what is mounted.
func serveRouter(t testing.TB, rt *httpapi.Router, mutators ...func(*httpapi.Dependencies)) *border {
	t.Helper()
	log := &logtest.Logs{}
	deps := httpapi.Dependencies{
		Settings: &httpapi.Settings{MaxBody: 1 << 10, MaxHeader: 64 << 10, MaxConnections: 100},
		Authenticator: fakeAuth{
			"user": {Account: account.NewID(), Role: account.RoleUser}, "admin": {Account: account.NewID(), Role: account.RoleAdmin},
		},
		Logger: slog.New(slog.NewJSONHandler(log, nil)),
	}
	for _, m := range mutators {
		m(&deps)
	}
	handler, err := rt.Serve(deps)
	require.NoError(t, err)
	b := &border{t: t, router: rt, server: httptest.NewServer(handler), log: log}
	t.Cleanup(b.server.Close)
	return b
}

func mount(rt *httpapi.Router, limit *ratelimit.Limit) {
	now := httpapi.Time(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC))
	httpapi.Handle(rt, httpapi.Op{Method: "POST", Path: "/notes", ID: "createNote", Tag: "Notes", Summary: "Create", Description: "Makes a note.",
		Access: authz.SignedIn, Limit: limit, Status: http.StatusCreated, Errors: []*errs.Error{errLocked}},
		func(_ context.Context, in httpapi.Body[newNote]) (note, error) {
			if in.Body.Title == "locked" {
				return note{}, fmt.Errorf("create: %w", errLocked)
			}
			return note{ID: account.NewID(), Title: in.Body.Title, Stars: in.Body.Stars, At: now}, nil
		}, func(in *httpapi.Body[newNote], report func(errs.Field)) {
			if in.Body.Title == "forbidden" || in.Body.Title == "" {
				report(errs.Field{Pointer: "#/title", Code: errs.NotAllowed, Message: "is not allowed"})
			}
		})
	httpapi.Handle(rt, httpapi.Op{Method: "GET", Path: "/notes/{id}", ID: "getNote", Tag: "Notes", Summary: "Get", Description: "Gives a note.", Access: authz.Public, Reaches: authz.Everyones},
		func(_ context.Context, in byID) (note, error) { return note{ID: in.ID, Title: "one", At: now}, nil })
	httpapi.Handle(rt, httpapi.Op{Method: "PATCH", Path: "/notes/{id}", ID: "patchNote", Tag: "Notes", Summary: "Change", Description: "Changes a note.", Access: authz.Can("notes.write"), Reaches: authz.Everyones},
		func(_ context.Context, in change) (note, error) {
			if err := in.Check(note{Title: "one"}); err != nil {
				return note{}, err
			}
			return note{ID: in.ID, Title: in.Body.Title.Or("one"), Stars: in.Body.Stars.Or(3), At: now}, nil
		})
	httpapi.Handle(rt, httpapi.Op{Method: "DELETE", Path: "/notes/{id}", ID: "deleteNote", Tag: "Notes", Summary: "Delete", Description: "Deletes a note.", Access: authz.Can("notes.write"), Reaches: authz.Everyones},
		func(context.Context, byID) (httpapi.NoContent, error) { return httpapi.NoContent{}, nil })
	httpapi.Handle(rt, httpapi.Op{Method: "GET", Path: "/notes", ID: "listNotes", Tag: "Notes", Summary: "List", Description: "Lists notes.", Access: authz.Public},
		func(_ context.Context, in listing) (many, error) {
			return many{Limit: in.Limit, Sort: in.Sort, Starred: in.Starred, Text: strings.Repeat("text ", 1000)}, nil
		})
	httpapi.Handle(rt, httpapi.Op{Method: "GET", Path: "/broken/{how}", ID: "break", Tag: "Notes", Summary: "Break", Description: "Breaks.", Access: authz.Public, Reaches: authz.Everyones}, breaks)
}

type many struct {
	Limit   int    `json:"limit"`
	Sort    string `json:"sort"`
	Starred bool   `json:"starred"`
	Text    string `json:"text"`
}

func breaks(ctx context.Context, in struct {
	How string `path:"how"`
},
) (many, error) {
	switch in.How {
	case "panic":
		panic("boom")
	case "error":
		return many{}, errors.New("SELECT secret FROM somewhere")
	case "away":
		return many{}, fmt.Errorf("read: %w", errs.ErrUnavailable.WithRetryAfter(1500*time.Millisecond))
	case "where":
		return many{Text: httpapi.ClientAddr(ctx).String() + " " + httpapi.UserAgent(ctx)}, nil
	default:
		return many{}, errs.ErrNotFound
	}
}

type reply struct {
	*http.Response
	body []byte
	t    testing.TB
}

func (b *border) send(method, path, body string, headers ...string) *reply {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.server.URL+path, strings.NewReader(body))
	require.NoError(b.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			req.Header.Del(headers[i])
			continue
		}
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(b.t, err)
	defer func() { _ = res.Body.Close() }() // read whole below
	raw, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)
	return &reply{Response: res, body: raw, t: b.t}
}

func (r *reply) problem(status int, code string) httpapi.Problem {
	r.t.Helper()
	require.Equal(r.t, status, r.StatusCode, "%s", r.body)
	require.Equal(r.t, "application/problem+json", r.Header.Get("Content-Type"))
	var p httpapi.Problem
	require.NoError(r.t, json.Unmarshal(r.body, &p))
	require.Equal(r.t, code, p.Code)
	require.Equal(r.t, r.Header.Get("X-Request-ID"), p.RequestID)
	return p
}

func (r *reply) faults() []string {
	r.t.Helper()
	found := []string{}
	for _, f := range r.problem(400, "VALIDATION_ERROR").Errors {
		found = append(found, f.Pointer+f.Parameter+f.Header+" "+string(f.Code))
	}
	return found
}

func TestChecksComeInTheContractsOrder(t *testing.T) {
	t.Parallel()
	b := serve(t, func(d *httpapi.Dependencies) { d.Limiter = ratelimit.NewMemory(clock.NewFake(time.Now()), 0) })
	large := strings.Repeat("x", 2<<10)
	b.send("POST", "/Notes", large, "Content-Type", "text/plain").problem(404, "NOT_FOUND")
	b.send("PUT", "/notes", large, "Content-Type", "text/plain").problem(405, "METHOD_NOT_ALLOWED")
	b.send("POST", "/notes", large, "Content-Type", "text/plain").problem(401, "AUTHENTICATION_ERROR")
	b.send("POST", "/notes", large, "Content-Type", "text/plain", "Authorization", "Bearer user").problem(415, "UNSUPPORTED_MEDIA_TYPE")
	r := b.send("POST", "/notes?x=1", large, "Authorization", "Bearer user")
	r.problem(413, "PAYLOAD_TOO_LARGE")
	require.Equal(t, `"notes";q=3;w=60`, r.Header.Get("RateLimit-Policy"))
	require.Equal(t, `"notes";r=0;t=60`, r.Header.Get("RateLimit"))
	r = b.send("POST", "/notes", large, "Content-Type", "text/plain")
	r.problem(429, "RATE_LIMITED")
	require.Equal(t, "20", r.Header.Get("Retry-After"))
	b.send("PATCH", "/notes/x", large, "Content-Type", "text/plain", "Authorization", "Bearer user").problem(403, "AUTHORIZATION_ERROR")
	b.send("PATCH", "/notes/x", large, "Content-Type", "text/plain", "Authorization", "Bearer admin").problem(415, "UNSUPPORTED_MEDIA_TYPE")
}

func TestEveryFaultOfARequestComesAtOnce(t *testing.T) {
	t.Parallel()
	b := serve(t)
	id := account.NewID().String()
	for name, c := range map[string]struct {
		method, path, body string
		want               []string
	}{
		"a path that is no id":        {"PATCH", "/notes/" + strings.ToUpper(id), `{"title":"a"}`, []string{"id invalid_format"}},
		"path, query and body":        {"PATCH", "/notes/1?a=1&b=2", `{"title":"","stars":9,"kind":"odd","author":2,"more":1}`, []string{"id invalid_format", "a unknown_field", "b unknown_field", "#/title too_short", "#/stars out_of_range", "#/kind not_allowed", "#/author wrong_type", "#/more unknown_field"}},
		"too many items":              {"POST", "/notes", `{"title":"a","tags":["a","b","c"]}`, []string{"#/tags too_long"}},
		"types":                       {"POST", "/notes", `{"title":1,"stars":"3","tags":"a"}`, []string{"#/title wrong_type", "#/stars wrong_type", "#/tags wrong_type"}},
		"a fraction":                  {"POST", "/notes", `{"title":"a","stars":1.5}`, []string{"#/stars wrong_type"}},
		"inside an array":             {"POST", "/notes", `{"title":"a","tags":["a",2]}`, []string{"#/tags/1 wrong_type"}},
		"a check beside a fault":      {"POST", "/notes", `{"title":"forbidden","stars":9}`, []string{"#/title not_allowed", "#/stars out_of_range"}},
		"a check at a refused place":  {"POST", "/notes", `{"stars":0}`, []string{"#/title required"}},
		"names with dots and slashes": {"POST", "/notes", `{"title":"a","a.b":1,"c/d":2,"e~f":3,"g[0]":4,"ä":5}`, []string{"#/a.b unknown_field", "#/c~1d unknown_field", "#/e~0f unknown_field", "#/g%5B0%5D unknown_field", "#/%C3%A4 unknown_field"}},
		"members twice":               {"POST", "/notes", `{"title":"a","title":"b","stars":1,"stars":2}`, []string{"#/title duplicate", "#/stars duplicate"}},
		"no JSON":                     {"POST", "/notes", `{"title":`, []string{"#/title invalid_format"}},
		"two values":                  {"POST", "/notes", `{"title":"a"}{}`, []string{"# invalid_format"}},
		"half a surrogate":            {"POST", "/notes", `{"title":"\ud800"}`, []string{"#/title invalid_format"}},
		"no UTF-8":                    {"POST", "/notes", "{\"title\":\"\xff\"}", []string{"#/title invalid_format"}},
		"a byte order mark":           {"POST", "/notes", "\ufeff{}", []string{"# invalid_format"}},
		"a number beyond all":         {"POST", "/notes", `{"title":"a","stars":9223372036854775808}`, []string{"#/stars out_of_range"}},
		"an exponent":                 {"POST", "/notes", `{"title":"a","stars":1e2}`, []string{"#/stars wrong_type"}},
		"null":                        {"POST", "/notes", `{"title":null,"tags":null}`, []string{"#/title wrong_type", "#/tags wrong_type"}},
		"U+0000":                      {"POST", "/notes", `{"title":"a\u0000"}`, []string{"#/title invalid_format"}},
		"deep":                        {"POST", "/notes", strings.Repeat("[", 400) + strings.Repeat("]", 400), []string{"# wrong_type"}},
		"deep at a member":            {"POST", "/notes", `{"title":"a","more":` + strings.Repeat("[", 400) + strings.Repeat("]", 400) + "}", []string{"#/more unknown_field"}},
		"nothing":                     {"POST", "/notes", " ", []string{"# required"}},
		"query values":                {"GET", "/notes?limit=0&sort=age&starred=yes", "", []string{"limit out_of_range", "sort not_allowed", "starred invalid_format"}},
		"query twice":                 {"GET", "/notes?limit=1&limit=2", "", []string{"limit duplicate"}},
		"query in another case":       {"GET", "/notes?Limit=1", "", []string{"Limit unknown_field"}},
		"a semicolon":                 {"GET", "/notes?limit=1;sort=title", "", []string{"limit invalid_format"}},
		"a bad percent":               {"GET", "/notes?limit=%zz&%=1", "", []string{"limit invalid_format", "query invalid_format"}},
		"a query of no UTF-8":         {"GET", "/notes?sort=%ff", "", []string{"sort invalid_format"}},
		"a name of nothing":           {"GET", "/notes?=1", "", []string{"query unknown_field"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &border{t: t, server: b.server}
			r := b.send(c.method, c.path, c.body, "Authorization", "Bearer admin")
			require.ElementsMatch(t, c.want, r.faults(), "%s", r.body)
		})
	}
	require.Equal(t, []string{"If-Match too_long"}, b.send("GET", "/notes", "", "If-Match", "12345678901").faults())
}

func TestFaultsAreCapped(t *testing.T) {
	t.Parallel()
	b := serve(t, func(d *httpapi.Dependencies) { d.Settings.MaxBody = 1 << 20 })
	require.Len(t, b.send("GET", "/notes?"+strings.Repeat("x&", 5000), "").faults(), 100)
	body := `{"title":"a"` + strings.Repeat(`,"x":1`, 100_000) + "}"
	require.LessOrEqual(t, len(b.send("POST", "/notes", body, "Authorization", "Bearer user").faults()), 200)
	require.NotContains(t, string(b.send("POST", "/notes", `{"`+strings.Repeat("y", 5000)+`":1}`, "Authorization", "Bearer user").body), "yyyyyyyyyy"+strings.Repeat("y", 300))
}

func TestWhatIsRightPasses(t *testing.T) {
	t.Parallel()
	b := serve(t)
	r := b.send("POST", "/notes", `{"title":"ünïcødé!","stars":5,"tags":["a","b"]}`, "Authorization", "bearer user", "Content-Type", `application/json; charset="UTF-8"`)
	require.Equal(t, 201, r.StatusCode, "%s", r.body)
	require.Equal(t, `"ünïcødé!"`, r.Header.Get("ETag"))
	require.Contains(t, string(r.body), `"at":"2026-01-31T09:30:00.000000Z"`)
	require.Equal(t, 200, b.send("PATCH", "/notes/"+account.NewID().String(), `{"title":"a"}`, "Authorization", "Bearer admin", "Content-Type", "application/merge-patch+json").StatusCode)
	r = b.send("DELETE", "/notes/"+account.NewID().String(), "", "Authorization", "Bearer admin")
	require.Equal(t, 204, r.StatusCode)
	require.Empty(t, r.body)
	require.Equal(t, "locked", b.send("POST", "/notes", `{"title":"locked"}`, "Authorization", "Bearer user").problem(409, "CONFLICT").Reason)
	var got many
	require.NoError(t, json.Unmarshal(b.send("GET", "/notes?limit=7&sort=title&starred=true", "").body, &got))
	require.Equal(t, 7, got.Limit)
	require.Contains(t, string(b.send("GET", "/notes", "").body), `"limit":20`)
	require.True(t, got.Starred)
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for contentType, want := range map[string]int{
		"application/json": 201, "Application/JSON": 201, "application/json;charset=utf-8": 201, "application/json; charset=latin1": 415,
		"application/merge-patch+json": 415, "text/json": 415, "application/x-www-form-urlencoded": 415, ";": 415, "": 415,
	} {
		require.Equal(t, want, b.send("POST", "/notes", `{"title":"a"}`, "Authorization", "Bearer user", "Content-Type", contentType).StatusCode, contentType)
	}
	b.send("POST", "/notes", `{"title":"a"}`, "Authorization", "Bearer user", "Content-Encoding", "gzip").problem(415, "UNSUPPORTED_MEDIA_TYPE")
	require.Equal(t, []string{"# required"}, b.send("POST", "/notes", "", "Authorization", "Bearer user").faults())
}

func TestPathsAreExact(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, path := range []string{"/notes/", "//notes", "/./notes", "/notes/../notes", "/NOTES", "/notes/%2e%2e/notes", "/nothing", "/docs/", "/errors/none", "/docs/assets/none.js", "/notes/x/y"} {
		b.send("GET", path, "").problem(404, "NOT_FOUND")
	}
	r := b.send("DELETE", "/notes", "")
	r.problem(405, "METHOD_NOT_ALLOWED")
	require.Equal(t, "GET, HEAD, POST", r.Header.Get("Allow"))
	for _, method := range []string{"OPTIONS", "TRACE", "BREW"} {
		b.send(method, "/notes", "").problem(405, "METHOD_NOT_ALLOWED")
	}
	require.Empty(t, b.send("GET", "/"+strings.Repeat("a", 2000), "").problem(404, "NOT_FOUND").Instance)
}

func TestBasePathMovesEverything(t *testing.T) {
	t.Parallel()
	b := serve(t, func(d *httpapi.Dependencies) { d.Settings.BasePath = "/api" })
	require.Equal(t, 200, b.send("GET", "/api/notes", "").StatusCode)
	for _, path := range []string{"/api", "/api/docs", "/api/openapi.json", "/api/healthz", "/api/errors/not-found"} {
		require.Equal(t, 200, b.send("GET", path, "").StatusCode, path)
	}
	require.Contains(t, string(b.send("GET", "/api/errors/not-found", "").body), `&#34;type&#34;: &#34;/api/errors/not-found&#34;`)
	p := b.send("GET", "/api/nothing", "").problem(404, "NOT_FOUND")
	require.Equal(t, "/api/errors/not-found", p.Type)
	require.Equal(t, "/api/nothing", p.Instance)
	for _, path := range []string{"/notes", "/apinotes", "/docs", "/"} {
		b.send("GET", path, "").problem(404, "NOT_FOUND")
	}
}

func TestTokensThatAreNone(t *testing.T) {
	t.Parallel()
	b := serve(t)
	r := b.send("POST", "/notes", "{}")
	r.problem(401, "AUTHENTICATION_ERROR")
	require.Equal(t, "Bearer", r.Header.Get("WWW-Authenticate"), "RFC 6750 section 3.1: no error where no token was sent")
	for _, header := range []string{"Basic dTpw", "nothing", "Bearertoken"} {
		r := b.send("POST", "/notes", "{}", "Authorization", header)
		r.problem(401, "AUTHENTICATION_ERROR")
		require.Equal(t, "Bearer", r.Header.Get("WWW-Authenticate"), header)
	}
	for _, header := range []string{"Bearer", "Bearer ", "Bearer unknown", "Bearer user user", "Bearer =", "Bearer us\"er"} {
		r := b.send("POST", "/notes", "{}", "Authorization", header)
		require.Equal(t, "the access token is malformed, expired, revoked or not ours", r.problem(401, "AUTHENTICATION_ERROR").Detail)
		require.Equal(t, `Bearer error="invalid_token", error_description="the token is malformed, expired, revoked or not ours"`, r.Header.Get("WWW-Authenticate"), header)
	}
	b.send("POST", "/notes", "{}", "Authorization", "Bearer away").problem(503, "SERVICE_UNAVAILABLE")
	b.send("POST", "/notes", "{}", "Authorization", "Bearer panic").problem(500, "INTERNAL_ERROR")
}

func TestTheInsideStaysInside(t *testing.T) {
	t.Parallel()
	b := serve(t)
	for _, how := range []string{"panic", "error"} {
		r := b.send("GET", "/broken/"+how, "", "X-Request-ID", "the-"+how)
		require.Equal(t, "something went wrong on our side", r.problem(500, "INTERNAL_ERROR").Detail)
		require.NotContains(t, string(r.body), "SELECT")
		require.Equal(t, 2, strings.Count(b.log.String(), "the-"+how), "once as a failure, once in the access log")
	}
	require.Contains(t, b.log.String(), "border_test.go", "the panic's stack")
	require.Equal(t, 2, strings.Count(b.log.String(), `"stack":"goroutine`))
	r := b.send("GET", "/broken/away", "")
	r.problem(503, "SERVICE_UNAVAILABLE")
	require.Equal(t, "2", r.Header.Get("Retry-After"))
}

func TestEveryAnswerCarriesWhatEveryAnswerCarries(t *testing.T) {
	t.Parallel()
	b := serve(t, func(d *httpapi.Dependencies) { d.Settings.PublicURL = "https://api.example.com" })
	for _, path := range []string{"/notes", "/nothing", "/broken/panic", "/healthz", "/docs", "/", "/openapi.json", "/errors/conflict"} {
		r := b.send("GET", path, "", "X-Request-ID", "given.ID_1-2")
		require.Equal(t, "given.ID_1-2", r.Header.Get("X-Request-ID"), path)
		require.Regexp(t, `^app;dur=[0-9.]+$`, r.Header.Get("Server-Timing"))
		require.Equal(t, "nosniff", r.Header.Get("X-Content-Type-Options"))
		require.Equal(t, "no-referrer", r.Header.Get("Referrer-Policy"))
		require.NotEmpty(t, r.Header.Get("Cache-Control"))
		require.Contains(t, r.Header.Get("Strict-Transport-Security"), "max-age=")
		require.Empty(t, r.Header.Get("Server"))
	}
	for _, id := range []string{"", strings.Repeat("a", 129), "a b", "a\tb", "ä"} {
		require.Regexp(t, `^[0-9a-f-]{36}$`, b.send("GET", "/notes", "", "X-Request-ID", id).Header.Get("X-Request-ID"))
	}
}

func TestThePageAboutAnErrorShowsAnAnswer(t *testing.T) {
	t.Parallel()
	b := serve(t)
	invalid := string(b.send("GET", "/errors/validation-error", "").body)
	for _, text := range []string{"<code>pointer</code>", `&#34;detail&#34;: &#34;2 fields are invalid&#34;`, `&#34;pointer&#34;: &#34;#/full_name&#34;`} {
		require.Contains(t, invalid, text)
	}
	conflict := string(b.send("GET", "/errors/conflict", "").body)
	for _, text := range []string{`&#34;reason&#34;: &#34;locked&#34;`, `&#34;detail&#34;: &#34;the note is locked&#34;`, "<dt><code>locked</code></dt>"} {
		require.Contains(t, conflict, text)
	}
}

func TestTheAccessLogHasOneLineARequest(t *testing.T) {
	t.Parallel()
	b := serve(t)
	b.send("GET", "/notes/"+account.NewID().String(), "", "X-Request-ID", "one")
	b.send("BREW", "/secret-path?token=secret", "", "X-Request-ID", "two")
	var found []map[string]any
	for line := range strings.Lines(b.log.String()) {
		var l map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &l))
		if l["msg"] == "request" {
			delete(l, "time")
			require.IsType(t, 0.0, l["ms"])
			delete(l, "ms")
			found = append(found, l)
		}
	}
	require.Equal(t, []map[string]any{
		{"level": "INFO", "msg": "request", "method": "GET", "route": "/notes/{id}", "status": 200.0, "request_id": "one"},
		{"level": "INFO", "msg": "request", "method": "other", "route": "unmatched", "status": 404.0, "request_id": "two"},
	}, found)
	require.NotContains(t, b.log.String(), "secret")
}

func TestConditionalAndCompressedAnswers(t *testing.T) {
	t.Parallel()
	b := serve(t)
	path := "/notes/" + account.NewID().String()
	for header, want := range map[string]int{`"one"`: 304, `W/"one"`: 304, `"zero", "one"`: 304, "*": 304, `"two"`: 200, "one": 200} {
		r := b.send("GET", path, "", "If-None-Match", header)
		require.Equal(t, want, r.StatusCode, header)
		require.Equal(t, `"one"`, r.Header.Get("ETag"))
	}
	r := b.send("HEAD", path, "")
	require.Equal(t, 200, r.StatusCode)
	require.Empty(t, r.body)
	for accept, want := range map[string]string{"gzip": "gzip", "br, gzip;q=0.5": "gzip", "gzip;q=0": "", "identity": ""} {
		r := b.send("GET", "/notes", "", "Accept-Encoding", accept)
		require.Equal(t, want, r.Header.Get("Content-Encoding"), accept)
		require.Contains(t, r.Header.Values("Vary"), "Accept-Encoding")
	}
	require.Empty(t, b.send("GET", path, "", "Accept-Encoding", "gzip").Header.Get("Content-Encoding"), "too small to gain")
}

func TestCORSIsForListedOriginsAlone(t *testing.T) {
	t.Parallel()
	b := serve(t, func(d *httpapi.Dependencies) { d.Settings.CORSOrigins = []string{"https://app.example.com"} })
	r := b.send("OPTIONS", "/notes", "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "POST")
	require.Equal(t, 204, r.StatusCode)
	require.Equal(t, "https://app.example.com", r.Header.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "GET, POST", r.Header.Get("Access-Control-Allow-Methods"))
	require.Empty(t, r.Header.Get("Access-Control-Allow-Credentials"))
	require.Equal(t, "https://app.example.com", b.send("GET", "/notes", "", "Origin", "https://app.example.com").Header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, b.send("GET", "/notes", "", "Origin", "https://evil.example.com").Header.Get("Access-Control-Allow-Origin"))
	b.send("OPTIONS", "/notes", "", "Origin", "https://evil.example.com", "Access-Control-Request-Method", "POST").problem(405, "METHOD_NOT_ALLOWED")
	b.send("OPTIONS", "/nothing", "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "POST").problem(404, "NOT_FOUND")
	require.Empty(t, serve(t).send("GET", "/notes", "", "Origin", "https://app.example.com").Header.Get("Access-Control-Allow-Origin"))
}

func TestTheClientIsBelievedOnlyThroughTrustedProxies(t *testing.T) {
	t.Parallel()
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	for name, c := range map[string]struct {
		trusted []netip.Prefix
		header  string
		want    string
	}{
		"nobody trusted":           {nil, "192.0.2.1", "127.0.0.1"},
		"one hop":                  {loopback, "192.0.2.1", "192.0.2.1"},
		"the right-most untrusted": {loopback, "1.1.1.1, 192.0.2.1, 10.0.0.9", "192.0.2.1"},
		"with a port":              {loopback, "192.0.2.1:4711", "192.0.2.1"},
		"IPv6 with a port":         {loopback, "[2001:db8::1]:4711", "2001:db8::1"},
		"4 in 6":                   {loopback, "::ffff:192.0.2.1", "192.0.2.1"},
		"garbage":                  {loopback, "192.0.2.1, garbage", "127.0.0.1"},
		"all trusted":              {loopback, "10.1.1.1", "127.0.0.1"},
		"none":                     {loopback, "", "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serve(t, func(d *httpapi.Dependencies) { d.Settings.TrustedProxies = c.trusted })
			var got many
			require.NoError(t, json.Unmarshal(b.send("GET", "/broken/where", "", "X-Forwarded-For", c.header, "User-Agent", "agent"+strings.Repeat("x", 500)).body, &got))
			addr, agent, _ := strings.Cut(got.Text, " ")
			require.Equal(t, c.want, addr)
			require.Len(t, agent, 256)
			warned := strings.Count(b.log.String(), "trusted_proxies")
			require.Equal(t, c.header != "" && c.trusted == nil, warned == 1)
		})
	}
}

func TestAnOperationWithoutAnAccessRuleDoesNotMount(t *testing.T) {
	t.Parallel()
	rt := httpapi.NewRouter("x", "x", "1")
	require.PanicsWithValue(t, "GET /x has no access rule", func() {
		httpapi.Handle(rt, httpapi.Op{Method: "GET", Path: "/x", ID: "x"}, func(context.Context, struct{}) (many, error) { return many{}, nil })
	})
}

// brokenLimiter is one whose store, or whose code, has a mistake.
type brokenLimiter struct{ how string }

func (l brokenLimiter) Allow(context.Context, ...ratelimit.Check) ([]ratelimit.Decision, error) {
	switch l.how {
	case "away":
		return nil, errs.ErrUnavailable
	case "mistaken":
		return nil, errors.New("a limit of nothing")
	case "panic":
		panic("a limit of nothing")
	default: // forgets to decide
		return nil, nil
	}
}

func (l brokenLimiter) Peek(ctx context.Context, checks ...ratelimit.Check) ([]ratelimit.Decision, error) {
	return l.Allow(ctx, checks...)
}

func TestStatement29ErrorsNeverGrant(t *testing.T) {
	t.Parallel()
	for how, status := range map[string]int{"away": 503, "mistaken": 500, "panic": 500, "forgetful": 429} {
		b := serve(t, func(d *httpapi.Dependencies) { d.Limiter = brokenLimiter{how} })
		require.Equal(t, status, b.send("POST", "/notes", `{"title":"a"}`, "Authorization", "Bearer user").StatusCode, how)
	}
	b := serve(t, func(d *httpapi.Dependencies) {
		d.Authenticator = fakeAuth{"nobody": {}, "stranger": {Account: account.NewID(), Role: "superuser"}}
	})
	for token, status := range map[string]int{"away": 503, "panic": 500, "nobody": 403, "stranger": 403} {
		require.Equal(t, status, b.send("DELETE", "/notes/"+account.NewID().String(), "", "Authorization", "Bearer "+token).StatusCode, token)
	}
}

func TestAnswersThatHoldATokenAreNotCompressed(t *testing.T) {
	t.Parallel()
	for holdsToken, want := range map[bool]string{true: "", false: "gzip"} {
		rt := httpapi.NewRouter("x", "x", "1")
		httpapi.Handle(rt, httpapi.Op{Method: "GET", Path: "/x", ID: "x", Tag: "x", Summary: "x", Description: "x", Access: authz.Public, HoldsToken: holdsToken},
			func(context.Context, struct{}) (many, error) { return many{Text: strings.Repeat("token ", 1000)}, nil })
		handler, err := rt.Serve(httpapi.Dependencies{Settings: &httpapi.Settings{}, Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/x", http.NoBody)
		r.Header.Set("Accept-Encoding", "gzip")
		handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Header().Get("Content-Encoding"))
	}
}

func TestHeadersHaveTheSizeThatTheSettingSays(t *testing.T) {
	t.Parallel()
	for _, most := range []int{4 << 10, 64 << 10} {
		settings := &httpapi.Settings{MaxHeader: config.Size(most)}
		srv := httpapi.NewServer(settings, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), slog.New(slog.DiscardHandler))
		l, err := httpapi.Listen(t.Context(), "127.0.0.1:0", 10)
		require.NoError(t, err)
		go func() { _ = srv.Serve(l) }()
		t.Cleanup(func() { _ = srv.Close() })
		for size, want := range map[int]string{most: "204", most + 2: "431"} {
			conn, err := net.Dial("tcp", l.Addr().String())
			require.NoError(t, err)
			const head, tail = "GET / HTTP/1.1\r\nHost: x\r\nX: ", "\r\n\r\n"
			_, err = io.WriteString(conn, head+strings.Repeat("x", size-len(head)-len(tail))+tail)
			require.NoError(t, err)
			answer := make([]byte, len("HTTP/1.1 200"))
			_, err = io.ReadFull(conn, answer)
			require.NoError(t, err)
			require.Equal(t, "HTTP/1.1 "+want, string(answer), size)
			require.NoError(t, conn.Close())
		}
	}
}
