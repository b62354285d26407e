package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/gatehouse/gatehouse/core/mail"
)

// MailTarget says where mail goes. The settings must be loaded.
func (a *App) MailTarget() mail.Target { return a.settings.mail.Target(a.settings.root.DataDir) }

// LoadMails reads the templates of every mail, those that the settings replace included. Open does it too.
func (a *App) LoadMails() error { return a.Stores.Mails.Load(a.settings.mail) }

// openMail connects to nothing: a mail server that is away delays mail, and not the start.
func (a *App) openMail() error {
	if err := a.LoadMails(); err != nil {
		return err
	}
	sender, err := a.mailSender()
	if err != nil {
		return err
	}
	*a.Stores.Mail = *sender
	return nil
}

// previewTo stands in previews where the reader's address would.
const previewTo = "ada@example.com"

// PreviewMail makes a mail from its sample, as a message and as it would go out. The mails must be loaded.
func (a *App) PreviewMail(name, language string) (mail.Message, []byte, error) {
	m := mail.Message{ID: "preview-" + name + "-" + language, To: previewTo, Language: language}
	var err error
	if m.Subject, m.Text, m.HTML, err = a.Stores.Mails.Sample(name, language); err != nil {
		return mail.Message{}, nil, err
	}
	sender, err := a.mailSender()
	if err != nil {
		return mail.Message{}, nil, err
	}
	raw, err := sender.Letter(m)
	return m, raw, err
}

func (a *App) mailSender() (*mail.Sender, error) {
	return mail.Open(a.settings.mail, mail.Options{DataDir: a.settings.root.DataDir, Clock: a.options.Clock, Insecure: a.settings.root.Insecure})
}

// mail looks at the templates and at where mail goes, and sends none.
func (e *examination) mail(ctx context.Context) {
	if err := e.app.LoadMails(); err != nil {
		e.fail("mail.templates", strings.ReplaceAll(strings.TrimPrefix(err.Error(), "mail.templates: "), "\n", "; "), "mend the file, or remove it to have ours again")
	} else if folder := e.settings.mail.Templates; folder != "" {
		e.ok("mail.templates", folder+": every template fits")
	}
	ctx, cancel := context.WithTimeout(ctx, examineDeadline)
	defer cancel()
	sender, err := e.app.mailSender()
	if err != nil {
		e.fail("mail", err.Error(), "mend it")
		return
	}
	at := e.app.MailTarget()
	err = sender.Probe(ctx)
	switch {
	case at.Folder != "":
		e.mailFolder(at.Folder, err)
	case err != nil:
		e.fail("mail.url", err.Error(), "check host, port, user, password and TLS in mail.url; until then mail waits in its jobs")
	default:
		e.ok("mail.url", fmt.Sprintf("%s answers over %s", at.Server, describe(at)))
	}
	if at.PlainText {
		e.warn("mail.url", "mail, and the links in it, go to another machine in plain text", "remove ?tls=none")
	}
}

func describe(at mail.Target) string {
	if at.SignIn {
		return at.TLS + ", signed in"
	}
	return at.TLS + ", without signing in"
}

func (e *examination) mailFolder(folder string, err error) {
	const advice = "let this user write there, or set mail.url"
	if err != nil {
		e.fail("mail", err.Error(), advice)
		return
	}
	if dir := firstThere(folder); !writable(dir) {
		e.fail("mail", dir+" may not be written by this user", advice)
		return
	}
	e.ok("mail", "is written to "+filepath.Clean(folder)+" as .eml files; nobody gets it")
}
