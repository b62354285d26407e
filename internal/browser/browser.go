// Package browser drives a real, headless browser in tests. A Page remembers every request it made and everything that
// went wrong on it: console errors, exceptions, violations of the content security policy and requests that left the origin.
// The browser has no network but loopback. This package is for tests alone.
package browser

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

const (
	pathVariable        = "TEST_CHROMIUM"
	screenshotsVariable = "TEST_SCREENSHOTS"
	startTimeout        = 60 * time.Second
	pageTimeout         = 120 * time.Second
	screenshotTimeout   = 10 * time.Second
)

// Paths lists the browsers that tests can use: the one that TEST_CHROMIUM names, or none. Range over it, so that a case
// exists exactly where there is a browser.
func Paths() []string {
	path := os.Getenv(pathVariable)
	if path == "" {
		return nil
	}
	return []string{path}
}

// Browser is a running browser with a profile of its own.
type Browser struct {
	ctx context.Context
}

// Start runs the browser at path until the test ends.
func Start(t testing.TB, path string) *Browser {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path),
		chromedp.NoFirstRun,
		chromedp.NoDefaultBrowserCheck,
		chromedp.Headless,
		chromedp.NoSandbox, // the pages are ours, and containers often have no user namespaces
		chromedp.DisableGPU,
		chromedp.WSURLReadTimeout(startTimeout),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-default-apps", true),
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("disable-extensions", true),
		chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
		chromedp.Flag("password-store", "basic"),
		chromedp.Flag("no-proxy-server", true),
		// Whatever a page asks for elsewhere fails at once, on machines with and without a network alike.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
	}
	// Without a user-data-dir among the options chromedp makes a fresh one and removes it once the browser has ended.
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // closes the browser and waits for it
		stop()
	})
	require.NoError(t, chromedp.Do(ctx), "start %s", path)
	return &Browser{ctx: ctx}
}
