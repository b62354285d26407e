package httpapi_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/httpapi"
	"github.com/gatehouse/gatehouse/core/ratelimit"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

type renaming struct {
	Token string `json:"token" example:"good"`
	Name  string `json:"name" maxLength:"10" example:"Ada"`
}

var errStale = errs.Validation("stale", "the link is stale")

// serveForm mounts an operation that renames, and a form for it. It counts how often the work was done.
func serveForm(t testing.TB, mutators ...func(*httpapi.Dependencies)) (*border, *atomic.Int64) {
	t.Helper()
	done := &atomic.Int64{}
	rt := httpapi.NewRouter("Notes", "Notes for tests.", "1.0.0")
	limit := ratelimit.NewLimits().Declare("rename", ratelimit.PerMinute(3), "names changed")
	httpapi.Handle(rt, httpapi.Op{Method: "POST", Path: "/api/rename", ID: "rename", Tag: "Names", Summary: "Rename", Description: "Renames.", Access: authz.Public, Limit: limit},
		func(_ context.Context, in httpapi.Body[renaming]) (httpapi.NoContent, error) {
			done.Add(1)
			return httpapi.NoContent{}, map[string]error{
				"stale": errStale, "away": errs.ErrUnavailable.WithRetryAfter(90 * time.Second), "bug": errors.New("SELECT secret"),
				"slow": errs.ErrRateLimited.WithRetryAfter(2 * time.Minute),
			}[in.Body.Name]
		}, func(in *httpapi.Body[renaming], report func(errs.Field)) {
			if in.Body.Name == "root" {
				report(errs.Field{Pointer: "#/name", Code: errs.NotAllowed, Message: "is <not> allowed"})
			}
		})
	httpapi.HandleForm(rt, httpapi.Form{
		Path: "/rename", Operation: "rename", Inputs: []httpapi.FormInput{{Name: "name", Type: "text", Autocomplete: "name"}},
		Genuine: func(token string) bool { return strings.HasPrefix(token, "good") },
		Text: func(accept string) httpapi.FormText {
			text := httpapi.FormText{
				Language: "en", Title: "Your name", Lead: "Choose one.", Button: "Rename",
				Labels: map[string]string{"name": "New name"}, Hints: map[string]string{"name": "Up to 10 characters."},
				Faults: map[errs.Fault]string{errs.TooLong: "Too long a name.", errs.Required: "Enter a name."},
				Done:   httpapi.FormMessage{Title: "Renamed", Text: "That is all."}, Refused: httpapi.FormMessage{Title: "Stale link", Text: "Ask for another."},
			}
			if accept == "de" {
				text.Language, text.Title = "de", "Ihr Name"
			}
			return text
		},
	})
	log := &logtest.Logs{}
	deps := httpapi.Dependencies{
		Settings: &httpapi.Settings{MaxBody: 1 << 10, MaxHeader: 64 << 10, MaxConnections: 100, BasePath: "/base"},
		Logger:   slog.New(slog.NewJSONHandler(log, nil)),
	}
	for _, m := range mutators {
		m(&deps)
	}
	handler, err := rt.Serve(deps)
	require.NoError(t, err)
	b := &border{t: t, router: rt, server: httptest.NewServer(handler), log: log}
	t.Cleanup(b.server.Close)
	return b, done
}

// fill sends the form.
func (b *border) fill(values url.Values, headers ...string) *reply {
	b.t.Helper()
	return b.send("POST", "/base/rename", values.Encode(), append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)...)
}

func filled(name string) url.Values { return url.Values{"token": {"good-token"}, "name": {name}} }

// page wants an HTML page of the status with all headers of one that is for a single pair of eyes.
func (r *reply) page(status int, contains ...string) {
	r.t.Helper()
	require.Equal(r.t, status, r.StatusCode, "%s", r.body)
	for name, value := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
	} {
		require.Equal(r.t, value, r.Header.Get(name), name)
	}
	require.NotContains(r.t, string(r.body), "<script")
	for _, text := range contains {
		require.Contains(r.t, string(r.body), text)
	}
}

func TestOpeningAFormChangesNothing(t *testing.T) {
	t.Parallel()
	b, done := serveForm(t, func(d *httpapi.Dependencies) { d.Limiter = ratelimit.NewMemory(clock.NewFake(time.Now()), 0) })
	for range 20 { // the limit is the operation's, and a look is no use of it
		r := b.send("GET", "/base/rename?token=good-token&utm_source=mail", "", "Accept-Language", "de")
		r.page(200, `<html lang="de">`, "Ihr Name", `action="/base/rename"`, `name="token" value="good-token"`, `<label for="name">New name</label>`, `aria-describedby="name-hint"`)
		require.Equal(t, "de", r.Header.Get("Content-Language"))
		require.Empty(t, r.Header.Get("RateLimit"))
	}
	require.Equal(t, 200, b.send("HEAD", "/base/rename?token=good-token", "").StatusCode)
	require.Zero(t, done.Load())
}

func TestALinkThatCannotBeOursIsSaidToBeNoGood(t *testing.T) {
	t.Parallel()
	b, done := serveForm(t)
	for _, query := range []string{"", "?token=", "?token=bad", "?token=%zz", "?other=good", "?token=" + strings.Repeat("x", 5000)} {
		r := b.send("GET", "/base/rename"+query, "")
		r.page(400, "Stale link", "Ask for another.")
		require.NotContains(t, string(r.body), "<form")
	}
	for _, token := range []string{"", "bad", `"><script>alert(1)</script>`} {
		r := b.fill(url.Values{"token": {token}, "name": {"Ada"}})
		r.page(400, "Stale link")
	}
	require.Zero(t, done.Load())
}

func TestAFormDoesTheOperationsWork(t *testing.T) {
	t.Parallel()
	b, done := serveForm(t)
	r := b.fill(filled("Ada"))
	r.page(200, "<h1>Renamed</h1>", "That is all.")
	require.NotContains(t, string(r.body), "<form")
	require.NotContains(t, string(r.body), "good-token")
	require.EqualValues(t, 1, done.Load())
}

func TestAFormSaysWhatIsWrongBesideTheInput(t *testing.T) {
	t.Parallel()
	b, done := serveForm(t)
	for value, said := range map[string]string{"": "Enter a name.", "far too long a name": "Too long a name.", "root": "is &lt;not&gt; allowed"} {
		r := b.fill(filled(value))
		r.page(400, said, `<title>Error: Your name`, `role="alert"`, `aria-invalid="true"`, `aria-describedby="name-hint name-faults"`, `value="good-token"`)
		if value != "" {
			require.NotContains(t, string(r.body), value, "what was filled in is not shown again")
		}
	}
	require.Zero(t, done.Load())
}

func TestAFormSaysWhyItFailed(t *testing.T) {
	t.Parallel()
	b, _ := serveForm(t)
	stale := b.fill(filled("stale"))
	stale.page(400, "Stale link")
	require.NotContains(t, string(stale.body), "<form")
	away := b.fill(filled("away"))
	away.page(503, "not possible just now", "<form")
	require.Equal(t, "90", away.Header.Get("Retry-After"))
	bug := b.fill(filled("bug"), "Accept-Language", "de")
	bug.page(500, "schiefgegangen", "<form")
	require.NotContains(t, string(bug.body), "SELECT")
	slow := b.fill(filled("slow"))
	slow.page(429, "wait 2 minutes", "<form")
	require.Contains(t, b.log.String(), `"route":"/rename","status":503`)
	require.Contains(t, b.log.String(), `"cause":"INTERNAL_ERROR: SELECT secret"`)
	require.NotContains(t, b.log.String(), "good-token")
}

func TestAFormIsReadStrictly(t *testing.T) {
	t.Parallel()
	b, done := serveForm(t)
	const kind = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		body, kind string
		status     int
	}{
		"JSON":                {`{"token":"good"}`, "application/json", 415},
		"multipart":           {"token=good", "multipart/form-data", 415},
		"another charset":     {"token=good&name=x", kind + "; charset=latin1", 415},
		"too large":           {"token=good&name=" + strings.Repeat("x", 2<<10), kind, 413},
		"an unknown value":    {"token=good&name=x&role=admin", kind, 400},
		"a value twice":       {"token=good&name=x&name=y", kind, 400},
		"a bad escape":        {"token=good&name=%zz", kind, 400},
		"no UTF-8":            {"token=good&name=%ff", kind, 400},
		"a name that escapes": {"token=good&n%61me=x", kind, 400},
	} {
		r := b.send("POST", "/base/rename", c.body, "Content-Type", c.kind)
		r.page(c.status, "Your name", "did not arrive whole")
		require.NotContains(t, string(r.body), "<form", name)
	}
	b.send("POST", "/base/rename", "token=good&name=Ada", "Content-Type", kind+"; charset=UTF-8").page(200)
	require.EqualValues(t, 1, done.Load())
	b.send("PUT", "/base/rename", "").problem(405, "METHOD_NOT_ALLOWED")
}

func TestAFormCountsOnTheOperationsLimit(t *testing.T) {
	t.Parallel()
	b, done := serveForm(t, func(d *httpapi.Dependencies) { d.Limiter = ratelimit.NewMemory(clock.NewFake(time.Now()), 0) })
	require.Equal(t, http.StatusNoContent, b.send("POST", "/base/api/rename", `{"token":"x","name":"Ada"}`).StatusCode)
	for range 2 {
		r := b.fill(filled("Ada"))
		r.page(200)
		require.Equal(t, `"rename";q=3;w=60`, r.Header.Get("RateLimit-Policy"))
	}
	r := b.fill(filled("Ada"))
	r.page(429, "Please wait 20 seconds, then open the link in the mail again.")
	require.Equal(t, "20", r.Header.Get("Retry-After"))
	require.Contains(t, r.Header.Get("RateLimit"), `"rename";r=0`)
	require.EqualValues(t, 3, done.Load())
}

func TestAFormForNothingDoesNotMount(t *testing.T) {
	t.Parallel()
	rt := httpapi.NewRouter("Notes", "Notes for tests.", "1.0.0")
	mount(rt, ratelimit.NewLimits().Declare("notes", ratelimit.PerMinute(3), "notes made"))
	for _, operation := range []string{"nothing", "createNote", "getNote"} {
		require.Panics(t, func() { httpapi.HandleForm(rt, httpapi.Form{Path: "/form", Operation: operation}) }, operation)
	}
}
