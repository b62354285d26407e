package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// View is how a page is looked at.
type View struct {
	Name          string // for the names of screenshots
	Width, Height int64  // CSS pixels
	Mobile        bool   // touch, and the viewport rules of phones
	Dark          bool   // prefers-color-scheme: dark
	NoScript      bool   // scripts are off
}

// Desktop and Phone are the sizes that pages must look good at.
var (
	Desktop = View{Name: "desktop", Width: 1280, Height: 900}
	Phone   = View{Name: "phone", Width: 390, Height: 844, Mobile: true}
)

// Page is a tab that listens to itself.
type Page struct {
	tab    context.Context
	ctx    context.Context // tab with a deadline
	origin string
	view   View

	mu       sync.Mutex
	requests []string
	problems []string
}

// Page opens an empty tab for pages of one origin (scheme, host and port), with no cookies, storage or cache of another
// tab. The tab closes when the test ends.
func (b *Browser) Page(t testing.TB, origin string, view View) *Page {
	t.Helper()
	p := &Page{origin: origin, view: view}
	tab, closeTab := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.hear))
	ctx, cancel := context.WithTimeout(tab, pageTimeout)
	p.tab, p.ctx = tab, ctx
	t.Cleanup(func() {
		cancel()
		closeTab()
	})
	colours := "light"
	if view.Dark {
		colours = "dark"
	}
	require.NoError(t, chromedp.Do(ctx,
		command(network.Enable, network.EnableParams{}),
		command(log.Enable, cdp.Empty{}),
		command(runtime.Enable, cdp.Empty{}),
		command(audits.Enable, cdp.Empty{}),
		command(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: view.Width, Height: view.Height, DeviceScaleFactor: 1, Mobile: view.Mobile,
		}),
		command(emulation.SetTouchEmulationEnabled, emulation.SetTouchEmulationEnabledParams{Enabled: view.Mobile}),
		command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: view.NoScript}),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: colours}},
		}),
	), "open a tab")
	return p
}

// Do takes the steps in order and fails the test at the first that fails, with all that went wrong on the page so far.
func (p *Page) Do(t testing.TB, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.Screenshot(t, t.Name()+"-failure")
		require.NoError(t, err, "problems of the page: %q", p.Problems())
	}
}

// Open goes to a path of the origin and waits until the page is loaded.
func (p *Page) Open(t testing.TB, path string) {
	t.Helper()
	p.Do(t, chromedp.Navigate(p.origin+path))
}

// Until waits until the JavaScript expression is true. It looks at every frame and evaluates nothing that a content
// security policy would forbid.
func (p *Page) Until(t testing.TB, expression string) {
	t.Helper()
	p.Do(t, chromedp.Evaluate[chromedp.Void](
		`new Promise(done => { const look = () => { (`+expression+`) ? done() : requestAnimationFrame(look) }; look() })`,
		chromedp.EvalAwaitPromise))
}

// Evaluate returns the value of a JavaScript expression on the page, awaited where it is a promise.
func Evaluate[T any](t testing.TB, p *Page, expression string) T {
	t.Helper()
	value, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(t, err, "problems of the page: %q", p.Problems())
	return value
}

// Requests lists the URL of every request of the page so far, in order. data: and blob: are not requests.
func (p *Page) Requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Problems lists everything that went wrong on the page so far.
func (p *Page) Problems() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.problems)
}

// RequireNoProblems fails the test if anything has gone wrong on the page.
func (p *Page) RequireNoProblems(t testing.TB) {
	t.Helper()
	require.Empty(t, p.Problems(), "problems of the page")
}

// RequireNoSidewaysScroll fails the test if the page is wider than its window.
func (p *Page) RequireNoSidewaysScroll(t testing.TB) {
	t.Helper()
	width := Evaluate[int64](t, p, `document.documentElement.scrollWidth`)
	require.LessOrEqual(t, width, p.view.Width, "the page scrolls sideways")
}

// Settle waits until nothing on the page moves any more, except what moves for ever.
func (p *Page) Settle(t testing.TB) {
	t.Helper()
	p.Until(t, `document.getAnimations().every(a => a.playState !== "running" || a.effect.getTiming().iterations === Infinity)`)
}

// Screenshot writes what the window shows as <name>-<view>.png into the folder that TEST_SCREENSHOTS names, if it is set.
func (p *Page) Screenshot(t testing.TB, name string) {
	t.Helper()
	folder := os.Getenv(screenshotsVariable)
	if folder == "" {
		return
	}
	ctx, cancel := context.WithTimeout(p.tab, screenshotTimeout) // also once the page's own time is up
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		t.Logf("screenshot %s: %v", name, err)
		return
	}
	name = strings.ReplaceAll(name, "/", "_") + "-" + p.view.Name
	if p.view.Dark {
		name += "-dark"
	}
	require.NoError(t, os.MkdirAll(folder, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(folder, name+".png"), png, 0o600))
}

// hear is called for every event of the tab, in order.
func (p *Page) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		p.heardRequest(e.Request.URL)
	case *network.EventWebSocketCreated:
		p.heardRequest(e.URL)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			p.problem("log (%s): %s %s", e.Entry.Source, e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeAssert {
			p.problem("console: %s", consoleText(e.Args))
		}
	case *runtime.EventExceptionThrown:
		p.heardException(e.ExceptionDetails)
	case *audits.EventIssueAdded:
		if d := e.Issue.Details.ContentSecurityPolicyIssueDetails; d != nil {
			p.problem("content security policy: %s %s %s", d.ViolatedDirective, d.ContentSecurityPolicyViolationType, d.BlockedURL)
		}
	}
}

func (p *Page) heardRequest(address string) {
	u, err := url.Parse(address)
	if err == nil && (u.Scheme == "data" || u.Scheme == "blob") {
		return
	}
	p.mu.Lock()
	p.requests = append(p.requests, address)
	p.mu.Unlock()
	if err != nil || u.Scheme+"://"+u.Host != p.origin {
		p.problem("request elsewhere: %s", address)
	}
}

func (p *Page) heardException(e *runtime.ExceptionDetails) {
	text := e.Text
	if e.Exception != nil {
		text += " " + e.Exception.Description
	}
	p.problem("exception: %s", text)
}

func (p *Page) problem(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

func consoleText(args []*runtime.RemoteObject) string {
	words := make([]string, 0, len(args))
	for _, a := range args {
		if a.Description != "" {
			words = append(words, a.Description)
			continue
		}
		words = append(words, string(a.Value))
	}
	return strings.Join(words, " ")
}

// command is one command of the protocol as a step.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, c, params)
		return err
	})
}
