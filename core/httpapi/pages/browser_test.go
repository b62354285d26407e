package pages_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/browser"
)

// views are the sizes and colours that every page is looked at in.
func views() []browser.View {
	all := []browser.View{browser.Desktop, browser.Phone}
	for _, v := range all[:2] {
		v.Dark = true
		all = append(all, v)
	}
	return all
}

func viewName(v browser.View) string {
	if v.Dark {
		return v.Name + " dark"
	}
	return v.Name
}

// TestPeopleTryAnOperationWithTheirToken holds what /docs promises: it works in a browser without any network, under its
// own policy, and sends the token that was typed in. There is one case where TEST_CHROMIUM names a browser, and none elsewhere.
func TestPeopleTryAnOperationWithTheirToken(t *testing.T) {
	t.Parallel()
	for _, path := range browser.Paths() {
		b := browser.Start(t, path)
		dark := browser.Desktop
		dark.Dark = true
		for _, c := range []struct {
			base string
			view browser.View
		}{{"", browser.Desktop}, {"/api", browser.Phone}, {"/api", dark}} {
			t.Run(viewName(c.view)+" at "+c.base+"/docs", func(t *testing.T) { tryOperation(t, b, c.base, c.view) })
		}
	}
}

func tryOperation(t *testing.T, b *browser.Browser, base string, v browser.View) {
	t.Helper()
	tokens := make(chan string, 1)
	mux := site(t, options(base))
	mux.HandleFunc("GET "+base+"/users/me", func(w http.ResponseWriter, r *http.Request) {
		tokens <- r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"0198c0de-7e57-7000-8000-000000000001","full_name":"Grace Hopper"}`))
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)

	p := b.Page(t, server.URL, v)
	p.Open(t, base+"/docs")
	field := chromedp.JSPath(`document.querySelector('input[placeholder="Token"]')`)
	p.Do(t, chromedp.WaitVisible(field))
	for _, operation := range []string{"/auth/register", "/auth/login", "/users/me", "/users/{id}"} {
		p.Until(t, `document.body.innerText.includes("`+operation+`")`)
	}
	p.RequireNoSidewaysScroll(t)
	p.Screenshot(t, "docs")

	p.Do(t, chromedp.SendKeys(field, "gatehouse-test-token"),
		chromedp.Click(visible(`a`, "/users/me")),
		chromedp.WaitVisible(visible(`button.show-api-client-button`, "/users/me")))
	p.Settle(t)
	p.Screenshot(t, "operation")
	p.Do(t, chromedp.Click(visible(`button.show-api-client-button`, "/users/me")),
		chromedp.WaitVisible(visible(`button`, "Send")))
	p.Settle(t)
	p.Screenshot(t, "client")
	p.Do(t, chromedp.Click(visible(`button`, "Send")))
	require.Equal(t, "Bearer gatehouse-test-token", <-tokens)
	p.Until(t, `document.body.innerText.includes("Grace Hopper")`)
	p.Settle(t)
	p.Screenshot(t, "answer")

	require.Empty(t, browser.Evaluate[[]string](t, p,
		`[...document.links].filter(a => a.checkVisibility() && a.origin !== location.origin).map(a => a.href)`), "links elsewhere")
	require.NotContains(t, browser.Evaluate[string](t, p, `JSON.stringify({...localStorage, ...sessionStorage})`), "gatehouse-test-token")
	require.Contains(t, p.Requests(), server.URL+base+"/users/me")
	p.RequireNoProblems(t)
}

// visible finds the first element that can be seen and has the text.
func visible(selector, text string) chromedp.JSPath {
	return chromedp.JSPath(`[...document.querySelectorAll('` + selector + `')].find(e => e.checkVisibility() && e.innerText.includes('` + text + `'))`)
}

func TestPlainPagesNeedNoScriptAndFitTheWindow(t *testing.T) {
	t.Parallel()
	for _, path := range browser.Paths() {
		b := browser.Start(t, path)
		server := httptest.NewServer(site(t, options("/api")))
		t.Cleanup(server.Close)
		for _, v := range views() {
			v.NoScript = true
			t.Run(viewName(v), func(t *testing.T) {
				p := b.Page(t, server.URL, v)
				for _, page := range []struct{ name, path, text string }{
					{"home", "/api/", "Open the documentation"},
					{"error", "/api/errors/validation-error", "VALIDATION_ERROR"},
					{"error-short", "/api/errors/rate-limited", "RATE_LIMITED"},
					{"docs-without-script", "/api/docs", "needs JavaScript"},
				} {
					p.Open(t, page.path)
					require.Contains(t, browser.Evaluate[string](t, p, `document.body.innerText`), page.text)
					p.RequireNoSidewaysScroll(t)
					p.Screenshot(t, page.name)
				}
				p.RequireNoProblems(t)
			})
		}
	}
}
