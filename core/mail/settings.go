package mail

import (
	"github.com/gatehouse/gatehouse/core/secret"
)

// Settings are the settings under "mail".
type Settings struct {
	URL       secret.String `conf:"url" default:"" doc:"where mail goes: dir:<folder> writes .eml files; smtp://[user:password@]host[:port] needs STARTTLS and smtps:// speaks TLS from the first byte, both verified; ?tls=none after smtp:// is plain text; empty means dir:<data_dir>/mail, which production refuses"`
	From      string        `conf:"from" default:"" doc:"sender of every mail, as Name <address>; the name also heads the mail itself; production needs one"`
	Templates string        `conf:"templates" default:"" doc:"folder whose files replace the templates of the same name, such as reset_password.de.html; gatehouse mail preview lists them"`
}

// Check reports what the settings may not be. No report holds the URL. The templates are read by Catalogue.Load.
func (s Settings) Check(report func(field, fault string)) {
	if _, err := parseURL(s.URL, "."); err != nil {
		report("url", err.Error())
	}
	if _, err := parseFrom(s.From); err != nil {
		report("from", err.Error())
	}
}

// Service is the name that mail is signed with.
func (s Settings) Service() string {
	from, err := parseFrom(s.From)
	if err != nil || from.Name == "" {
		return "Gatehouse"
	}
	return from.Name
}

// Target is where mail goes, for people: no part of it is secret.
type Target struct {
	Folder string // empty for a server
	Server string // host:port
	TLS    string // STARTTLS, TLS or plain text
	SignIn bool
	// PlainText says that the mail, and with it every link, leaves this machine unencrypted.
	PlainText bool
}

// Target says where mail goes. Settings that Check has found faulty give the zero Target.
func (s Settings) Target(dataDir string) Target {
	p, err := parseURL(s.URL, dataDir)
	switch {
	case err != nil:
		return Target{}
	case p.folder != "":
		return Target{Folder: p.folder}
	}
	return Target{Server: p.addr(), TLS: p.tls, SignIn: p.user != "", PlainText: p.tls == tlsNone && !p.loopback()}
}
