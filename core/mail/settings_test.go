package mail

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/secret"
)

func faults(url, from string) map[string]string {
	out := map[string]string{}
	Settings{URL: secret.New(url), From: from}.Check(func(field, fault string) { out[field] = fault })
	return out
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"", "dir:mail", "dir:/var/mail", "dir:///var/mail", "smtp://h", "smtps://h:1", "smtp://u:p%40@h/", "smtp://[::1]:25?tls=none",
	} {
		require.Empty(t, faults(url, ""), url)
	}
	for url, fault := range map[string]error{
		"smtp://u:hunter2@h:x":            errURLSyntax,
		"smtp:hunter2":                    errURLSyntax,
		"hunter2":                         errURLScheme,
		"http://u:hunter2@h":              errURLScheme,
		"dir:":                            errURLFolder,
		"smtp://u:hunter2@":               errURLHost,
		"smtp://u:hunter2@h/x":            errURLPath,
		"smtp://u:hunter2@h#x":            errURLPath,
		"smtp://u:hunter2@h?tls=maybe":    errURLQuery,
		"smtp://u:hunter2@h?":             errURLQuery,
		"smtps://u:hunter2@h?tls=none":    errURLQuery,
		"smtp://u:hunter2@h?tls=none&a=b": errURLQuery,
		"smtp://u:hunter2@h:0":            errURLPort,
		"smtp://u:hunter2@h:70000":        errURLPort,
		"smtp://hunter2@h":                errURLPassword,
		"smtp://:hunter2@h":               errURLPassword,
	} {
		require.Equal(t, map[string]string{"url": fault.Error()}, faults(url, ""), url)
		_, err := Open(Settings{URL: secret.New(url)}, Options{})
		require.Error(t, err)
		require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), "hunter2")
	}
	for _, from := range []string{"a@example.com", "Acme <a@example.com>", `"Acme, Inc." <a@example.com>`, "Bücher <a@bücher.example>"} {
		require.Empty(t, faults("", from), from)
	}
	for _, from := range []string{"Acme", "a@b", "a@example.com, b@example.com", "A\nB <a@example.com>", `"a b"@example.com`, "a@example.com\r\nBcc: b@example.com"} {
		require.Equal(t, map[string]string{"from": errFrom.Error()}, faults("", from), from)
		_, err := Open(Settings{From: from}, Options{})
		require.Error(t, err)
	}
}

func TestATargetTellsWhereMailGoesAndNoSecret(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]Target{
		"":                                    {Folder: "data/mail"},
		"dir:x":                               {Folder: "x"},
		"smtp://u:hunter2@h":                  {Server: "h:587", TLS: "STARTTLS", SignIn: true},
		"smtps://u:hunter2@h":                 {Server: "h:465", TLS: "TLS", SignIn: true},
		"smtp://h:1025?tls=none":              {Server: "h:1025", TLS: "plain text", PlainText: true},
		"smtp://u:hunter2@127.0.0.1?tls=none": {Server: "127.0.0.1:25", TLS: "plain text", SignIn: true},
		"smtp://localhost?tls=none":           {Server: "localhost:25", TLS: "plain text"},
		"hunter2":                             {},
	} {
		require.Equal(t, want, Settings{URL: secret.New(url)}.Target("data"), url)
	}
}

func TestMailIsSignedWithTheSendersName(t *testing.T) {
	t.Parallel()
	for from, want := range map[string]string{"": "Gatehouse", "a@example.com": "Gatehouse", "Acme <a@example.com>": "Acme", "no": "Gatehouse"} {
		require.Equal(t, want, Settings{From: from}.Service())
	}
}
