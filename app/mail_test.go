package app

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// refusals are what the environment forbids about mail.
func refusals(t *testing.T, set map[string]string) string {
	t.Helper()
	a := loaded(t, set)
	if err := a.CheckSafety(); err != nil {
		return err.Error()
	}
	return ""
}

func TestProductionSendsMailToPeople(t *testing.T) {
	t.Parallel()
	const folder, from, plain, password = "mail.url writes mail to a folder", "mail.from must be", "mail.url asks for plain text", "mail.url sends its password"
	for _, c := range []struct {
		set   map[string]string
		wants []string
	}{
		{map[string]string{}, []string{folder, from}},
		{map[string]string{"mail.url": "dir:/var/mail", "mail.from": "a@example.com"}, []string{folder}},
		{map[string]string{"mail.url": "smtp://u:marker@mail.example.com", "mail.from": "a@example.com"}, nil},
		{map[string]string{"mail.url": "smtp://mail.example.com?tls=none", "mail.from": "a@example.com"}, []string{plain}},
		{map[string]string{"mail.url": "smtp://u:marker@mail.example.com?tls=none", "mail.from": "a@example.com"}, []string{password}},
		{map[string]string{"mail.url": "smtp://u:marker@mail.example.com?tls=none", "mail.from": "a@example.com", "insecure": "true"}, nil},
		{map[string]string{"mail.url": "smtp://u:marker@127.0.0.1?tls=none", "mail.from": "a@example.com"}, nil},
	} {
		c.set["env"] = "production"
		said := refusals(t, c.set)
		for _, sentence := range []string{folder, from, plain, password} {
			if len(c.wants) > 0 && c.wants[0] == sentence {
				c.wants = c.wants[1:]
				require.Contains(t, said, sentence, c.set)
				continue
			}
			require.NotContains(t, said, sentence, c.set)
		}
		require.Empty(t, c.wants)
		require.NotContains(t, said, "marker")
	}
}

func TestDevelopmentKeepsItsMailPasswordToItself(t *testing.T) {
	t.Parallel()
	require.Empty(t, refusals(t, map[string]string{"mail.url": "smtp://mail?tls=none"}))
	require.Contains(t, refusals(t, map[string]string{"mail.url": "smtp://u:marker@mail?tls=none"}), "mail.url sends its password to another machine")
}

func TestExamineLooksAtWhereMailGoes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	all := loaded(t, map[string]string{"data_dir": dir}).Examine(t.Context())
	requireFinding(t, all, LevelOK, "mail", filepath.Join(dir, "mail"))
	require.NoDirExists(t, filepath.Join(dir, "mail"))

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	requireFinding(t, loaded(t, map[string]string{"data_dir": dir, "mail.url": "dir:" + file}).Examine(t.Context()), LevelFail, "mail", "is no folder")

	const nobody = "127.0.0.1:1"
	all = loaded(t, map[string]string{"data_dir": dir, "mail.url": "smtp://user:marker@" + nobody}).Examine(t.Context())
	requireFinding(t, all, LevelFail, "mail.url", "connect with "+nobody)
	for _, f := range all {
		require.NotContains(t, f.Message+f.Advice, "marker")
	}
}

func TestExamineAsksTheMailServer(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer func() { _ = c.Close() }()
		buf := make([]byte, 512)
		for _, answer := range []string{"220 test\r\n", "250 test\r\n", "221 bye\r\n"} { // EHLO and QUIT, and nothing between
			if _, err := c.Write([]byte(answer)); err != nil {
				return
			}
			_, _ = c.Read(buf)
		}
	}()
	all := loaded(t, map[string]string{"data_dir": t.TempDir(), "mail.url": "smtp://" + l.Addr().String() + "?tls=none"}).Examine(t.Context())
	requireFinding(t, all, LevelOK, "mail.url", "answers over plain text, without signing in")
	require.NoError(t, l.Close())
	<-done
}

func TestExamineReadsTheTemplates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	set := map[string]string{"data_dir": t.TempDir(), "mail.templates": dir}
	requireFinding(t, loaded(t, set).Examine(t.Context()), LevelOK, "mail.templates", dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "reset.html"), []byte("<p>"), 0o600))
	requireFinding(t, loaded(t, set).Examine(t.Context()), LevelFail, "mail.templates", filepath.Join(dir, "reset.html")+" replaces nothing")
	require.ErrorContains(t, loaded(t, set).Open(t.Context()), "replaces nothing")
}
