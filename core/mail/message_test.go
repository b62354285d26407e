package mail_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/mail"
	"github.com/gatehouse/gatehouse/core/mail/mailtest"
	"github.com/gatehouse/gatehouse/core/secret"
)

var start = time.Date(2026, 11, 24, 9, 30, 0, 0, time.UTC)

// mailbox gives a sender that writes to a folder, and the folder.
func mailbox(t *testing.T, clk clock.Clock) (*mail.Sender, mailtest.Mailbox) {
	t.Helper()
	box := mailtest.Mailbox{Folder: filepath.Join(t.TempDir(), "data", "mail")}
	s, err := mail.Open(mail.Settings{URL: secret.New("dir:" + box.Folder), From: "Müller & Söhne <post@müller.example>"}, mail.Options{Clock: clk})
	require.NoError(t, err)
	return s, box
}

func message() mail.Message {
	return mail.Message{ID: "0192-abc", To: "Ada.Lovelace@Bücher.example", Language: "de", Subject: "Prüfen Sie Ihre Adresse", Text: "Grüße\n", HTML: "<p>Grüße</p>\n"}
}

func TestAMailSaysAllThatRFC5322Wants(t *testing.T) {
	t.Parallel()
	s, box := mailbox(t, clock.NewFake(start))
	require.NoError(t, s.Send(t.Context(), message()))
	all := box.All(t)
	require.Len(t, all, 1)
	m := all[0]
	require.Equal(t, "20261124T093000.000Z-0192-abc.eml", m.File)
	require.Equal(t, "0192-abc@xn--mller-kva.example", m.MessageID)
	require.Equal(t, "post@xn--mller-kva.example", m.From)
	require.Equal(t, "Ada.Lovelace@xn--bcher-kva.example", m.To)
	require.True(t, m.Date.Equal(start))
	require.Equal(t, "auto-generated", m.Header.Get("Auto-Submitted"))
	require.Equal(t, "1.0", m.Header.Get("Mime-Version"))
	require.Equal(t, "de", m.Language)
	from, err := m.Header.AddressList("From")
	require.NoError(t, err)
	require.Equal(t, "Müller & Söhne", from[0].Name)
	require.Empty(t, m.Header.Get("User-Agent")+m.Header.Get("X-Mailer"), "which library wrote it is nobody's business")
}

func TestEveryLineOfAMailIsShortASCII(t *testing.T) {
	t.Parallel()
	s, box := mailbox(t, clock.NewFake(start))
	m := message()
	long := "https://example.com/" + strings.Repeat("ä€𝄞=.", 500)
	m.Subject = strings.Repeat("Übergrößenträger ", 12)
	m.Text = ".\n..\nFrom here\n" + long + "\n  trailing space \n\n" + strings.Repeat("x", 3000)
	m.HTML = "<p>" + long + "</p>\r\n.\r\n"
	m.Subject = strings.TrimSpace(m.Subject)
	require.NoError(t, s.Send(t.Context(), m))
	got := box.All(t)[0]
	require.Equal(t, m.Subject, got.Subject)
	require.Equal(t, m.Text, got.Text)
	require.Equal(t, strings.ReplaceAll(m.HTML, "\r\n", "\n"), got.HTML)
	raw, err := os.ReadFile(filepath.Join(box.Folder, got.File))
	require.NoError(t, err)
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		require.LessOrEqual(t, len(line), 78, line)
		require.NotContains(t, line, "\n")
		for _, b := range []byte(line) {
			require.Less(t, b, byte(0x80))
		}
	}
}

func TestTheSameMailAgainReplacesItself(t *testing.T) {
	t.Parallel()
	clk := clock.NewFake(start)
	s, box := mailbox(t, clk)
	m := message()
	require.NoError(t, s.Send(t.Context(), m))
	clk.Advance(time.Hour)
	require.NoError(t, s.Send(t.Context(), m))
	other := m
	other.ID = "x-" + m.ID // ends like the other
	require.NoError(t, s.Send(t.Context(), other))
	all := box.All(t)
	require.Len(t, all, 2)
	require.Equal(t, "0192-abc@xn--mller-kva.example", all[0].MessageID)
	require.Equal(t, "x-0192-abc@xn--mller-kva.example", all[1].MessageID)
	entries, err := os.ReadDir(box.Folder)
	require.NoError(t, err)
	require.Len(t, entries, 2, "nothing unfinished stays")
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]os.FileMode{box.Folder: 0o700, filepath.Join(box.Folder, all[0].File): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, want, info.Mode().Perm(), path)
	}
}

func TestAMailThatCannotBeSentIsRefusedForGood(t *testing.T) {
	t.Parallel()
	s, box := mailbox(t, clock.NewFake(start))
	for name, change := range map[string]func(*mail.Message){
		"a header in the subject": func(m *mail.Message) { m.Subject = "Hello\r\nBcc: marker@example.com" },
		"a lone line feed":        func(m *mail.Message) { m.Subject = "Hello\nmarker" },
		"no subject":              func(m *mail.Message) { m.Subject = "" },
		"a header in the address": func(m *mail.Message) { m.To = "marker@example.com\r\nBcc: marker@example.com" },
		"two addresses":           func(m *mail.Message) { m.To = "marker@example.com, marker@example.org" },
		"an address in brackets":  func(m *mail.Message) { m.To = "<marker@example.com>" },
		"no address":              func(m *mail.Message) { m.To = "" },
		"a path as the id":        func(m *mail.Message) { m.ID = "../marker" },
		"no id":                   func(m *mail.Message) { m.ID = "" },
		"no text":                 func(m *mail.Message) { m.Text = "" },
		"no HTML":                 func(m *mail.Message) { m.HTML = "" },
	} {
		m := message()
		change(&m)
		err := s.Send(t.Context(), m)
		require.ErrorIs(t, err, mail.ErrRefused, name)
		require.NotContains(t, err.Error(), "marker", name)
	}
	require.Empty(t, box.All(t))
}

func TestAFolderThatCannotBeWrittenIsWorthARetry(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	s, err := mail.Open(mail.Settings{URL: secret.New("dir:" + filepath.Join(file, "mail"))}, mail.Options{Clock: clock.System{}})
	require.NoError(t, err)
	err = s.Send(t.Context(), message())
	require.Error(t, err)
	require.NotErrorIs(t, err, mail.ErrRefused)
	require.ErrorContains(t, s.Probe(t.Context()), "is no folder")
}

func TestASenderThatIsNotOpenSaysSo(t *testing.T) {
	t.Parallel()
	var s mail.Sender
	for _, err := range []error{s.Send(t.Context(), message()), s.Probe(t.Context())} {
		require.ErrorContains(t, err, "not open")
		require.NotErrorIs(t, err, mail.ErrRefused)
	}
}
