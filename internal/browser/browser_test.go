package browser_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/browser"
)

// TestAPageNoticesWhatGoesWrong has a case for everything that RequireNoProblems must find. There are cases where
// TEST_CHROMIUM names a browser, and none elsewhere.
func TestAPageNoticesWhatGoesWrong(t *testing.T) {
	t.Parallel()
	for _, path := range browser.Paths() {
		b := browser.Start(t, path)
		for name, c := range map[string]struct{ policy, html, script, problem string }{
			"nothing":                  {script: `document.title = "done"`},
			"a console error":          {script: `console.error("bad", {a: 1}); document.title = "done"`, problem: `console: "bad"`},
			"an uncaught exception":    {script: `setTimeout(() => { document.title = "done" }); throw new Error("thrown")`, problem: "exception: Uncaught Error: thrown"},
			"a rejected promise":       {script: `Promise.reject(new Error("rejected")); setTimeout(() => { document.title = "done" }, 10)`, problem: "rejected"},
			"a request elsewhere":      {script: `fetch("https://elsewhere.example/x").catch(() => { document.title = "done" })`, problem: "request elsewhere: https://elsewhere.example/x"},
			"a missing file":           {html: `<img src="/missing.png">`, script: `document.title = "done"`, problem: "404"},
			"eval that was caught":     {policy: "default-src 'self'", script: `try { Function("") } catch {} document.title = "done"`, problem: "content security policy: script-src kEvalViolation"},
			"an inline script":         {policy: "default-src 'self'", html: `<script>1</script>`, script: `document.title = "done"`, problem: "content security policy: script-src-elem kInlineViolation"},
			"a picture from elsewhere": {policy: "default-src 'self'", html: `<img src="https://elsewhere.example/i.png">`, script: `document.title = "done"`, problem: "content security policy: img-src kURLViolation"},
		} {
			t.Run(name, func(t *testing.T) {
				server := httptest.NewServer(page(c.policy, c.html, c.script))
				t.Cleanup(server.Close)
				p := b.Page(t, server.URL, browser.Desktop)
				p.Open(t, "/")
				p.Until(t, `document.title === "done"`)
				p.Settle(t)
				require.Contains(t, p.Requests(), server.URL+"/script.js")
				if c.problem == "" {
					p.RequireNoProblems(t)
					p.RequireNoSidewaysScroll(t)
					return
				}
				require.Contains(t, strings.Join(p.Problems(), "\n"), c.problem)
			})
		}
	}
}

func page(policy, html, script string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		if policy != "" {
			w.Header().Set("Content-Security-Policy", policy)
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><body>` + html + `<script src="/script.js"></script>`))
	})
	mux.HandleFunc("GET /script.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte(script))
	})
	return mux
}
