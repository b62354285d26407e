package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/cli"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/mail/mailtest"
	"github.com/gatehouse/gatehouse/core/module"
)

// runMail runs a command of a program that sends one mail more than the standard one.
func runMail(t *testing.T, args ...string) result {
	t.Helper()
	build := func(s *app.Stores) ([]module.Module, error) {
		s.Mails.Declare(mail.Template{Name: "shipped", Sample: map[string]string{"Parcel": "№ 7"}, Files: fstest.MapFS{
			"shipped.en.txt":  {Data: []byte("Subject: Your parcel {{.Parcel}}\n\nIt is on its way.\n")},
			"shipped.en.html": {Data: []byte("<p>It is on its way.</p>")},
			"shipped.de.txt":  {Data: []byte("Subject: Ihr Päckchen {{.Parcel}}\n\nEs ist unterwegs.\n")},
			"shipped.de.html": {Data: []byte("<p>Es ist unterwegs.</p>")},
		}})
		return app.Standard(s)
	}
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), build, args, cli.IO{Out: &out, Err: &errs})
	return result{code, out.String(), errs.String()}
}

func TestMailsAreListedAndShown(t *testing.T) {
	t.Parallel()
	list := runMail(t, "mail", "preview")
	require.Zero(t, list.code, list.err)
	require.Regexp(t, `(?m)^MAIL +SUBJECT$`, list.out)
	require.Regexp(t, `(?m)^shipped +Your parcel № 7$`, list.out)
	require.Equal(t, "Subject: Your parcel № 7\n\nIt is on its way.\n", runMail(t, "mail", "preview", "shipped").out)
	require.Equal(t, "Subject: Ihr Päckchen № 7\n\nEs ist unterwegs.\n", runMail(t, "mail", "preview", "shipped", "--language", "de").out)
}

func TestPreviewsAreWrittenForBrowsersAndMailPrograms(t *testing.T) {
	t.Parallel()
	dir, replaced := filepath.Join(t.TempDir(), "out"), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(replaced, "shipped.de.txt"), []byte("Subject: Dein Päckchen\n\nDa kommt es.\n"), 0o600))
	r := runMail(t, "mail", "preview", "shipped", "--out", dir, "--set", "mail.templates="+replaced, "--set", "mail.from=Läden <post@example.com>")
	require.Zero(t, r.code, r.err)
	require.Contains(t, r.out, "shipped.en.{txt,html,eml}")
	raw, err := os.ReadFile(filepath.Join(dir, "shipped.de.eml"))
	require.NoError(t, err)
	m := mailtest.Parse(t, raw)
	require.Equal(t, "Dein Päckchen", m.Subject)
	require.Equal(t, "post@example.com", m.From)
	html, err := os.ReadFile(filepath.Join(dir, "shipped.de.html"))
	require.NoError(t, err)
	require.Equal(t, m.HTML, string(html))
	require.Contains(t, m.HTML, "Läden")
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, all, 6)
}

func TestWhatCannotBePreviewedIsToldAsWrongUsage(t *testing.T) {
	t.Parallel()
	replaced := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(replaced, "shipped.de.txt"), []byte("Subject: {{.Parcel}}\n\n{{if}}"), 0o600))
	for says, args := range map[string][]string{
		`there is no mail "parcel"`:                               {"parcel"},
		`--language "fr": expected en or de`:                      {"shipped", "--language", "fr"},
		"one mail at a time":                                      {"shipped", "shipped"},
		filepath.Join(replaced, "shipped.de.txt") + ":3: missing": {"shipped", "--set", "mail.templates=" + replaced},
	} {
		r := runMail(t, append([]string{"mail", "preview"}, args...)...)
		require.Equal(t, 2, r.code)
		require.Contains(t, r.err, says)
		require.Empty(t, r.out)
	}
	served := runMail(t, "serve", "--addr", "127.0.0.1:0", "--data-dir", t.TempDir(), "--set", "mail.templates="+replaced)
	require.Equal(t, 1, served.code)
	require.Contains(t, served.err, "shipped.de.txt:3: missing")
}
