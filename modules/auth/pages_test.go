package auth_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/browser"
	"github.com/gatehouse/gatehouse/testkit"
)

// submit sends a form as a browser does.
func submit(api *testkit.API, path string, values url.Values) *testkit.Response {
	return api.WithHeader("Content-Type", "application/x-www-form-urlencoded").Post(path, values.Encode())
}

func TestThePagesDoWhatTheOperationsDo(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, public())
		u := api.User(func(u *testkit.User) { u.Email = "babbage@example.com" })
		forReset, forVerify := forgot(t, api, u.Email), verification(t, api, u.Email)
		require.Contains(t, string(submit(api, "/reset-password", url.Values{"token": {forReset}, "new_password": {"Babbage-1"}}).Status(http.StatusBadRequest).Body),
			"must not contain your e-mail address")
		require.Contains(t, string(submit(api, "/reset-password", url.Values{"token": {forReset}, "new_password": {nextPassword}}).Status(http.StatusOK).Body), "Your password is changed")
		require.Contains(t, string(submit(api, "/reset-password", url.Values{"token": {forReset}, "new_password": {nextPassword}}).Status(http.StatusBadRequest).Body), "does not work any more")
		api.Post("/auth/login", credentials(u.Email, nextPassword)).Status(http.StatusOK)

		require.Contains(t, string(api.WithHeader("Accept-Language", "de").Get("/verify-email?token="+forVerify).Status(http.StatusOK).Body), "Adresse bestätigen")
		require.Contains(t, string(submit(api, "/verify-email", url.Values{"token": {forVerify}}).Status(http.StatusOK).Body), "Your address is confirmed")
		require.Contains(t, string(submit(api, "/verify-email", url.Values{"token": {forVerify}}).Status(http.StatusBadRequest).Body), "does not work any more")

		u.Password = nextPassword
		api.LogIn(&u)
		forConfirm := move(t, api, u, newAddress)
		require.Contains(t, string(api.WithHeader("Accept-Language", "de").Get("/confirm-email?token="+forConfirm).Status(http.StatusOK).Body), "Diese Adresse verwenden")
		require.Contains(t, string(submit(api, "/confirm-email", url.Values{"token": {forConfirm}}).Status(http.StatusOK).Body), "Your e-mail address is changed")
		require.Contains(t, string(submit(api, "/confirm-email", url.Values{"token": {forConfirm}}).Status(http.StatusBadRequest).Body), "does not work any more")
		require.NotContains(t, api.Logs.String(), "gtm_")
	})
}

func TestAPageAndItsOperationShareALimit(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithLimits())
	for path, operation := range map[string]string{"/reset-password": "/auth/reset-password", "/verify-email": "/auth/verify-email", "/confirm-email": "/auth/confirm-email"} {
		require.Eventually(t, func() bool { return api.Post(operation, "{}").StatusCode == http.StatusTooManyRequests }, time.Minute, time.Millisecond)
		r := submit(api, path, url.Values{"token": {"x"}}).Status(http.StatusTooManyRequests)
		require.Contains(t, string(r.Body), "one try too many")
		require.NotEmpty(t, r.Header.Get("Retry-After"))
		api.Get(path).Status(http.StatusBadRequest) // looking is free
	}
}

func TestTheResetPageAsksForWhatThePolicyAsks(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t), public(), testkit.WithSetting("auth.password.policy", "nist"))
	u := api.User()
	text := forgot(t, api, u.Email)
	for language, hint := range map[string]string{"en": "At least 15 characters.", "de": "Mindestens 15 Zeichen."} {
		require.Contains(t, string(api.WithHeader("Accept-Language", language).Get("/reset-password?token="+text).Body), hint)
	}
}

// TestPeopleComeBackInABrowser walks through both pages in a real browser without script, at the sizes that people have.
// There is one case where TEST_CHROMIUM names a browser, and none elsewhere.
func TestPeopleComeBackInABrowser(t *testing.T) {
	t.Parallel()
	for _, path := range browser.Paths() {
		b := browser.Start(t, path)
		for _, v := range []browser.View{browser.Desktop, browser.Phone} {
			for _, dark := range []bool{false, true} {
				v.Dark, v.NoScript = dark, true
				name := v.Name
				if dark {
					name += " dark"
				}
				t.Run(name, func(t *testing.T) { comeBack(t, b, v) })
			}
		}
	}
}

func comeBack(t *testing.T, b *browser.Browser, v browser.View) {
	t.Helper()
	api := testkit.Serve(t, testkit.SQLite(t), public())
	u := api.User()
	p := b.Page(t, api.URL, v)
	shows := func(text string) {
		t.Helper()
		require.Contains(t, browser.Evaluate[string](t, p, `document.body.innerText`), text)
		p.RequireNoSidewaysScroll(t)
	}

	p.Open(t, "/reset-password?token="+forgot(t, api, u.Email))
	shows("Choose a new password")
	require.Equal(t, "new-password", browser.Evaluate[string](t, p, `document.querySelector("input[type=password]").autocomplete`))
	require.Equal(t, "New password", browser.Evaluate[string](t, p, `document.querySelector("input[type=password]").labels[0].innerText`))
	p.Screenshot(t, "reset")
	fill(t, p, "short", "ul.faults")
	shows("at least 8 characters")
	require.Equal(t, "Error: Choose a new password · Gatehouse", browser.Evaluate[string](t, p, `document.title`))
	require.Equal(t, "new_password", browser.Evaluate[string](t, p, `document.querySelector("[aria-invalid=true]").id`))
	require.Empty(t, browser.Evaluate[string](t, p, `document.querySelector("input[type=password]").value`))
	p.Screenshot(t, "reset-faults")
	fill(t, p, nextPassword, finished)
	shows("You can sign in with it now.")
	p.Screenshot(t, "reset-done")
	u.Password = nextPassword
	api.LogIn(&u)

	p.Open(t, "/reset-password?token=garbage")
	shows("This link does not work any more")
	p.Screenshot(t, "reset-refused")

	p.Open(t, "/verify-email?token="+verification(t, api, u.Email))
	shows("Confirm your e-mail address")
	p.Screenshot(t, "verify")
	p.Do(t, chromedp.Click(button), chromedp.WaitVisible(finished))
	shows("Your address is confirmed")
	p.Screenshot(t, "verify-done")

	p.Open(t, "/confirm-email?token="+move(t, api, u, newAddress))
	shows("Confirm your new e-mail address")
	p.Screenshot(t, "confirm")
	p.Do(t, chromedp.Click(button), chromedp.WaitVisible(finished))
	shows("Your e-mail address is changed")
	p.Screenshot(t, "confirm-done")

	// A page that says no has the status of a no, which the browser notes. There is nothing else to note.
	require.Empty(t, slices.DeleteFunc(p.Problems(), func(s string) bool { return strings.Contains(s, "status of 400") }))
}

// finished is the heading of a page that asks for nothing.
const finished chromedp.CSS = `main:not(:has(form)) h1`

const button chromedp.CSS = `button`

func fill(t *testing.T, p *browser.Page, password string, until chromedp.CSS) {
	t.Helper()
	p.Do(t, chromedp.SendKeys(chromedp.CSS(`input[type=password]`), password), chromedp.Click(button), chromedp.WaitVisible(until))
}
