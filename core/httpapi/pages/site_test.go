package pages_test

import (
	_ "embed"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/httpapi/pages"
)

//go:embed testdata/openapi.json
var openAPI []byte

func options(base string) pages.Options {
	return pages.Options{BasePath: base, ServiceName: "Example", Errors: []pages.ErrorDoc{
		{
			Type: "validation-error", Code: "VALIDATION_ERROR", Title: "Validation error", Status: 400,
			Meaning: "The input is wrong: a field is missing, too long, unknown or of the wrong type.",
			Advice:  "Read `errors`: each entry points at one place and says what is wrong with it.",
			Example: map[string]any{"detail": "1 field is <invalid>"},
			Reasons: []pages.Reason{
				{Name: "invalid_token", Meaning: "The mailed token is unknown, used or expired. Ask for a new one."},
				{Name: "email_not_allowed", Meaning: "Addresses of this domain may not register."},
			},
		},
		{
			Type: "authentication-error", Code: "AUTHENTICATION_ERROR", Title: "Authentication error", Status: 401,
			Meaning: "There is no valid access token with the request.", Advice: "Refresh the session or log in again.",
		},
		{
			Type: "rate-limited", Code: "RATE_LIMITED", Title: "Too many requests", Status: 429,
			Meaning: "There were too many requests.", Advice: "Wait as long as Retry-After says.",
		},
	}}
}

// site mounts the pages of o as a service does, with an answer of its own where there is no page.
func site(t *testing.T, o pages.Options) *http.ServeMux {
	t.Helper()
	p, err := pages.New(o)
	require.NoError(t, err)
	mux := http.NewServeMux()
	for _, route := range p.Routes() {
		path := route.Path
		if path == "/" {
			path = "/{$}"
		}
		mux.HandleFunc(route.Method+" "+o.BasePath+path, func(w http.ResponseWriter, r *http.Request) {
			if !route.Serve(w, r) {
				http.Error(w, "no such page", http.StatusTeapot)
			}
		})
	}
	mux.HandleFunc("GET "+o.BasePath+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(openAPI)
	})
	return mux
}

func get(t *testing.T, mux http.Handler, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Result()
}
