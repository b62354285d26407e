package contract_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func TestContractPages(t *testing.T) {
	t.Parallel()
	proveChapter(t, linkedPages())
}

func linkedPages() []proof {
	return []proof{
		{says: `GET /reset-password, GET /verify-email, GET /confirm-email: plain, accessible, localised HTML with a form or a button that posts to its own path on the same limits (opening the page consumes nothing), strict CSP, no script needed.`, prove: func(s *stage) {
			api := s.limited()
			for _, path := range []string{"/verify-email", "/confirm-email", "/reset-password"} {
				u := s.api.User() // for each, since a new password or address voids what was mailed before
				token := mailedTokens(s.T, s.api, u)[path]
				for range 3 { // as mail scanners do
					page := api.Get(path + "?token=" + token).Status(http.StatusOK)
					s.isPlainPage(page, "en")
					require.Contains(s.T, string(page.Body), `<form method="post" action="`+path+`"`)
					require.Contains(s.T, string(page.Body), `<button`)
				}
				s.isPlainPage(api.WithHeader("Accept-Language", "de").Get(path+"?token="+token).Status(http.StatusOK), "de")
				s.isPlainPage(api.Get(path).Status(http.StatusBadRequest), "en")
				form := url.Values{"token": {token}}
				if path == "/reset-password" {
					form.Set("new_password", "Analytical-Engine-1843")
				}
				post := func() *testkit.Response {
					return api.WithHeader("Content-Type", "application/x-www-form-urlencoded").Post(path, form.Encode())
				}
				s.isPlainPage(post().Status(http.StatusOK), "en")
				s.isPlainPage(post().Status(http.StatusBadRequest), "en") // it was used
				limit := map[string]string{"/reset-password": "reset", "/verify-email": "verify", "/confirm-email": "confirm"}[path]
				require.Contains(s.T, post().Header.Get("RateLimit"), `"`+limit+`";r=`+map[string]string{"reset": "0", "verify": "7", "confirm": "7"}[limit])
			}
			s.refused(api.Post("/auth/reset-password", "{}"))
			s.isPlainPage(api.WithHeader("Content-Type", "application/x-www-form-urlencoded").Post("/reset-password", "token=x").Status(http.StatusTooManyRequests), "en")
		}, elsewhere: []string{"modules/auth TestPeopleComeBackInABrowser", "modules/auth TestAMailScannerChangesNothing"}},
		{says: `A setting points the links at the product's own pages.`, prove: func(s *stage) {
			api := s.with("auth.pages.reset_url=https://app.example.com/new?lang=en", "auth.pages.verify_url=https://app.example.com/verify", "auth.pages.confirm_url=https://app.example.com/confirm")
			u := s.api.User()
			api.Post("/auth/forgot-password", email(u.Email)).Status(http.StatusAccepted)
			api.Post("/auth/verify-email/resend", email(u.Email)).Status(http.StatusAccepted)
			api.As(u).Post("/users/me/email", newEmail("own-"+u.Email, u.Password)).Status(http.StatusAccepted)
			api.WorkJobs()
			var all []string
			for _, m := range append(api.MailTo(u.Email, 3), api.MailTo("own-"+u.Email, 1)...) {
				all = append(all, m.Links...)
			}
			joined := strings.Join(all, " ")
			for _, link := range []string{"https://app.example.com/new?lang=en&token=gtm_", "https://app.example.com/verify?token=gtm_", "https://app.example.com/confirm?token=gtm_"} {
				require.Contains(s.T, joined, link)
			}
		}},
		{says: `GET / names the service and links to the docs.`, prove: func(s *stage) {
			home := s.api.Get("/").Status(http.StatusOK)
			s.isPlainPage(home, "en")
			require.Contains(s.T, string(home.Body), "<h1>Gatehouse</h1>")
			require.Contains(s.T, string(home.Body), `href="/docs"`)
		}},
	}
}

var (
	inputs = regexp.MustCompile(`<input id="([^"]+)"`)
	loaded = regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
)

// isPlainPage wants a page that says its language, labels its inputs, runs nothing and asks nobody else.
func (s *stage) isPlainPage(r *testkit.Response, language string) {
	page := string(r.Body)
	require.Equal(s.T, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
	require.Contains(s.T, r.Header.Get("Content-Security-Policy"), "default-src 'none'")
	require.Contains(s.T, r.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	require.Contains(s.T, page, `<html lang="`+language+`">`)
	require.Contains(s.T, page, "<title>")
	require.Contains(s.T, page, "<main")
	require.Equal(s.T, 1, strings.Count(page, "<h1>"))
	require.NotContains(s.T, page, "<script")
	require.NotRegexp(s.T, `\son[a-z]+=`, page)
	for _, input := range inputs.FindAllStringSubmatch(page, -1) {
		require.Contains(s.T, page, `<label for="`+input[1]+`">`)
	}
	for _, at := range loaded.FindAllStringSubmatch(page, -1) {
		require.Regexp(s.T, `^/[^/]|^/$`, at[1])
	}
}
