package mail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/mail"
)

type greeting struct{ Name, Link string }

var sample = greeting{Name: "Ada", Link: "https://example.com/begin?token=gtm_sample"}

// catalogue gives one with the mail "greeting", not loaded.
func catalogue() *mail.Catalogue {
	c := mail.NewCatalogue()
	c.Declare(mail.Template{Name: "greeting", Files: os.DirFS("testdata/ours"), Sample: sample})
	return c
}

func TestAMailIsWrittenInTheLanguageAskedFor(t *testing.T) {
	t.Parallel()
	c := catalogue()
	require.NoError(t, c.Load(mail.Settings{From: "Acme <post@acme.example>"}))
	subject, text, html, err := c.Render("greeting", "de", sample)
	require.NoError(t, err)
	require.Equal(t, "Willkommen bei Acme, Ada", subject)
	require.Equal(t, "Grüß Gott Ada,\n\nöffnen Sie diesen Link, um zu beginnen:\n\nhttps://example.com/begin?token=gtm_sample\n", text)
	require.Contains(t, html, `<html lang="de">`)
	require.Contains(t, html, `<p class="brand">Acme</p>`)
	require.Contains(t, html, `href="https://example.com/begin?token=gtm_sample"`)
	for _, outside := range []string{"<img", "<script", "@import", "url(", "src="} {
		require.NotContains(t, html, outside, "a mail loads nothing")
	}
	subject, _, _, err = c.Render("greeting", "fr", sample)
	require.NoError(t, err)
	require.Equal(t, "Welcome to Acme, Ada", subject)
	require.Equal(t, []string{"greeting"}, c.Names())
	subject, _, _, err = c.Render("farewell", "en", sample)
	require.ErrorContains(t, err, `no template "farewell"`)
	require.Empty(t, subject)
}

func TestDataStaysData(t *testing.T) {
	t.Parallel()
	c := catalogue()
	require.NoError(t, c.Load(mail.Settings{}))
	subject, text, html, err := c.Render("greeting", "en", greeting{
		Name: "A\r\nBcc: x@example.com\r\n\r\n<script>alert(1)</script>\u2028\x00" + strings.Repeat("ä", 500), Link: "javascript:alert(1)",
	})
	require.NoError(t, err)
	require.NotRegexp(t, `[\x00-\x1f\x7f\x{2028}]`, subject)
	require.True(t, strings.HasPrefix(subject, "Welcome to Gatehouse, A Bcc: x@example.com <script>"), subject)
	require.LessOrEqual(t, len([]rune(subject)), 201)
	require.Contains(t, text, "<script>", "plain text is plain")
	require.NotContains(t, html, "<script>")
	require.NotContains(t, html, "javascript:")
}

func TestFilesOfAFolderReplaceOurs(t *testing.T) {
	t.Parallel()
	c := catalogue()
	require.NoError(t, c.Load(mail.Settings{Templates: "testdata/replaced"}))
	subject, text, html, err := c.Sample("greeting", "de")
	require.NoError(t, err)
	require.Equal(t, "Servus Ada", subject)
	require.Equal(t, "Hier geht es los: "+sample.Link+"\n", text)
	require.Contains(t, html, "Grüß Gott", "what is not replaced stays")

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "layout.html"), []byte("<html lang={{.Language}}>{{template \"content\" .Data}}"), 0o600))
	require.NoError(t, c.Load(mail.Settings{Templates: dir}))
	_, _, html, err = c.Sample("greeting", "en")
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(html, "<html lang=en><h1>Hello Ada"), html)
}

func TestAFaultOfATemplateNamesFileAndLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ file, content, says string }{
		"a text that does not parse": {"greeting.de.txt", "Subject: x\n\nline 3\n{{if}}", "greeting.de.txt:4"},
		"a text that does not fit":   {"greeting.de.txt", "Subject: x\n\n{{.Nothing}}\n", "greeting.de.txt:3"},
		"a subject that does not":    {"greeting.en.txt", "Subject: {{.Nothing}}\n\nx\n", "greeting.en.txt:1"},
		"no subject":                 {"greeting.en.txt", "Hello\n", "greeting.en.txt:1: must begin with a line Subject:"},
		"no empty line":              {"greeting.en.txt", "Subject: x\ny\n", "greeting.en.txt:1: must begin"},
		"no text":                    {"greeting.en.txt", "Subject: x\n\n", "comes out empty"},
		"HTML that does not parse":   {"greeting.en.html", "<p>\n{{end}}", "greeting.en.html:2"},
		"HTML that does not fit":     {"greeting.en.html", "<p>\n\n{{.Nothing}}", "greeting.en.html:3"},
		"HTML that nothing escapes":  {"greeting.en.html", "<p>\n<a href='{{if .Name}}'{{end}}>", "greeting.en.html:2"},
		"a layout without content":   {"layout.html", "<p>{{template \"nothing\"}}", "layout.html"},
		"a typing error":             {"greting.en.html", "", "greting.en.html replaces nothing"},
		"a foreign language":         {"greeting.fr.txt", "", "greeting.fr.txt replaces nothing"},
		"a huge file":                {"greeting.en.html", strings.Repeat("x", 257<<10), "larger than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, c.file), []byte(c.content), 0o600))
			err := catalogue().Load(mail.Settings{Templates: dir})
			require.ErrorContains(t, err, "mail.templates: ")
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, dir)
		})
	}
	require.Error(t, catalogue().Load(mail.Settings{Templates: filepath.Join(t.TempDir(), "nothing")}))
}

func TestADeclarationThatCannotBeIsAMistakeOfTheProgram(t *testing.T) {
	t.Parallel()
	ours := os.DirFS("testdata/ours")
	for says, t2 := range map[string]mail.Template{
		"is no name":             {Name: "Greeting", Files: ours},
		`"layout" is no name`:    {Name: "layout", Files: ours},
		"declared twice":         {Name: "greeting", Files: ours},
		"lacks farewell.en.txt":  {Name: "farewell", Files: ours},
		"lacks farewell.de.html": {Name: "farewell", Files: fstest.MapFS{"farewell.en.txt": {}, "farewell.en.html": {}, "farewell.de.txt": {}}},
	} {
		func() {
			defer func() { require.Contains(t, recover(), says) }()
			catalogue().Declare(t2)
		}()
	}
}

func TestWhatIsNotLoadedIsNotRendered(t *testing.T) {
	t.Parallel()
	subject, _, _, err := catalogue().Render("greeting", "en", sample)
	require.Error(t, err)
	require.Empty(t, subject)
}
