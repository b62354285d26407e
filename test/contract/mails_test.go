package contract_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/mail/mailtest"
)

var (
	loads = regexp.MustCompile(`(?i)<(img|script|link|iframe|object|video|audio|form|input)\b|@import|url\(|\bsrc=|\bbackground=`)
	hrefs = regexp.MustCompile(`href="([^"]*)"`)
)

// TestEveryMailIsWhole looks at each mail that the program sends, in each language: it says the same in text and HTML,
// loads nothing, and goes out as a strict reader wants it.
func TestEveryMailIsWhole(t *testing.T) {
	t.Parallel()
	a, err := app.New(app.Standard, app.Options{})
	require.NoError(t, err)
	_, err = a.Load(config.Source{})
	require.NoError(t, err)
	require.NoError(t, a.LoadMails())
	for _, name := range a.Stores.Mails.Names() {
		subjects := map[string]string{}
		for _, language := range mail.Languages {
			m, raw, err := a.PreviewMail(name, language)
			require.NoError(t, err, "%s in %s", name, language)
			got := mailtest.Parse(t, raw)
			require.Equal(t, m.Subject, got.Subject)
			require.Equal(t, m.Text, got.Text)
			require.Equal(t, m.HTML, got.HTML)
			require.Less(t, len(m.Subject), 80, "%s in %s: the subject is cut off in lists", name, language)
			require.NotRegexp(t, loads, m.HTML, "%s in %s loads or sends something", name, language)
			require.Contains(t, m.HTML, `<html lang="`+language+`">`)
			require.NotContains(t, m.Text+m.HTML, "<no value>", "%s in %s", name, language)
			var inHTML []string
			for _, h := range hrefs.FindAllStringSubmatch(m.HTML, -1) {
				inHTML = append(inHTML, strings.ReplaceAll(h[1], "&amp;", "&"))
			}
			require.ElementsMatch(t, slices.Compact(got.Links), slices.Compact(inHTML), "%s in %s: the links of text and HTML differ", name, language)
			require.Empty(t, subjects[m.Subject], "%s has one subject in two languages", name)
			subjects[m.Subject] = language
		}
	}
}
