package mail

import (
	"errors"
	"net"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/secret"
)

// The ways a connection to a server is protected.
const (
	tlsStart    = "STARTTLS"
	tlsImplicit = "TLS"
	tlsNone     = "plain text"
)

// place is what mail.url says: a folder, or a server.
type place struct {
	folder     string
	host, port string
	user       string
	password   secret.String
	tls        string
}

// The faults of a URL. They name what is wrong and never quote it, since it holds a password.
var (
	errURLSyntax   = errors.New("is not a valid URL")
	errURLScheme   = errors.New("must begin with dir:, smtp:// or smtps://")
	errURLFolder   = errors.New("must name a folder after dir:, such as dir:./mail")
	errURLHost     = errors.New("must name a host, such as smtp://mail.example.com")
	errURLPath     = errors.New("takes no path and no fragment")
	errURLQuery    = errors.New("takes no query but tls=none, and that after smtp:// alone")
	errURLPort     = errors.New("has a port outside 1 to 65535")
	errURLPassword = errors.New("must hold both user and password, or neither")
)

// defaultPorts are RFC 8314's for programs that submit mail, and the plain old one.
var defaultPorts = map[string]string{tlsStart: "587", tlsImplicit: "465", tlsNone: "25"}

// parseURL reads dir:<path>, smtp://… and smtps://…; the empty URL is the folder mail in the data folder.
func parseURL(raw secret.String, dataDir string) (place, error) {
	text := raw.Reveal()
	if text == "" {
		return place{folder: filepath.Join(dataDir, "mail")}, nil
	}
	if path, ok := strings.CutPrefix(text, "dir:"); ok {
		if path = strings.TrimPrefix(path, "//"); path == "" || strings.ContainsRune(path, 0) {
			return place{}, errURLFolder
		}
		return place{folder: filepath.Clean(path)}, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return place{}, errURLSyntax
	case u.Scheme != "smtp" && u.Scheme != "smtps":
		return place{}, errURLScheme
	case u.Opaque != "":
		return place{}, errURLSyntax
	case u.Hostname() == "":
		return place{}, errURLHost
	case strings.Trim(u.Path, "/") != "" || u.Fragment != "":
		return place{}, errURLPath
	}
	p := place{host: u.Hostname(), tls: tlsStart}
	if u.Scheme == "smtps" {
		p.tls = tlsImplicit
	}
	switch {
	case u.RawQuery == "tls=none" && u.Scheme == "smtp":
		p.tls = tlsNone
	case u.RawQuery != "" || u.ForceQuery:
		return place{}, errURLQuery
	}
	if p.port = u.Port(); p.port == "" {
		p.port = defaultPorts[p.tls]
	}
	if n, err := strconv.ParseUint(p.port, 10, 16); err != nil || n == 0 {
		return place{}, errURLPort
	}
	if u.User != nil {
		password, _ := u.User.Password()
		p.user, p.password = u.User.Username(), secret.New(password)
		if p.user == "" || p.password.IsZero() {
			return place{}, errURLPassword
		}
	}
	return p, nil
}

func (p place) addr() string { return net.JoinHostPort(p.host, p.port) }

// loopback says whether the server is this machine.
func (p place) loopback() bool {
	if strings.EqualFold(p.host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(p.host)
	return err == nil && addr.Unmap().IsLoopback()
}

// developmentFrom signs mail where mail.from is empty, which production does not allow.
const developmentFrom = "Gatehouse <no-reply@gatehouse.localhost>"

var errFrom = errors.New("must be an address, alone or as Name <address>")

// parseFrom reads the sender; its domain comes back in A-labels.
func parseFrom(text string) (netmail.Address, error) {
	if text == "" {
		text = developmentFrom
	}
	from, err := netmail.ParseAddress(text)
	if err != nil || strings.ContainsFunc(from.Name, isControl) {
		return netmail.Address{}, errFrom
	}
	email, err := account.ParseEmail(from.Address)
	if err != nil {
		return netmail.Address{}, errFrom
	}
	local, _, _ := strings.Cut(email.String(), "@")
	from.Address = local + "@" + email.Domain()
	return *from, nil
}
