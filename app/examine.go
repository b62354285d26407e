package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/gatehouse/gatehouse/core/errs"
)

// Level is how grave a Finding is.
type Level string

// The levels.
const (
	LevelOK   Level = "ok"
	LevelWarn Level = "warn"
	LevelFail Level = "fail" // the app will not start, or will not work as it should
)

// Finding is what Examine found out about one thing.
type Finding struct {
	Level   Level  `json:"level"`
	Subject string `json:"subject"`          // a setting's path, or the part looked at
	Message string `json:"message"`          // what is
	Advice  string `json:"advice,omitempty"` // what to do about it
}

// Examine looks at the settings, every store and this machine, and changes none of them. The settings must be loaded; no
// store may be open, and a server may run beside it.
func (a *App) Examine(ctx context.Context) []Finding {
	e := &examination{app: a, settings: a.settings}
	e.safety()
	e.database(ctx)
	e.redis(ctx)
	e.mail(ctx)
	e.blobs(ctx)
	e.brokers(ctx)
	e.queues()
	e.egress()
	e.files()
	e.listeners(ctx)
	e.proxies()
	return e.found
}

type examination struct {
	app      *App
	settings *settings
	found    []Finding
}

func (e *examination) add(l Level, subject, message, advice string) {
	e.found = append(e.found, Finding{Level: l, Subject: subject, Message: message, Advice: advice})
}

func (e *examination) ok(subject, message string) { e.add(LevelOK, subject, message, "") }

func (e *examination) warn(subject, message, advice string) {
	e.add(LevelWarn, subject, message, advice)
}

func (e *examination) fail(subject, message, advice string) {
	e.add(LevelFail, subject, message, advice)
}

// strict is a failure in production and a warning in development.
func (e *examination) strict(subject, message, advice string) {
	l := LevelWarn
	if e.settings.production() {
		l = LevelFail
	}
	e.add(l, subject, message, advice)
}

// safety says what the environment forbids.
func (e *examination) safety() {
	where := "from the environment and defaults"
	if f := e.app.values.File(); f != "" {
		where = "from " + f + ", the environment and defaults"
	}
	e.ok("settings", fmt.Sprintf("%d read, %s", len(e.app.values.All()), where))
	faults := e.app.unsafe()
	for _, f := range faults {
		message, advice, _ := strings.Cut(f, ": ")
		if !strings.Contains(message, " ") { // a setting's name, not a sentence
			message, advice = f, ""
		}
		e.fail("env", message, advice)
	}
	if len(faults) == 0 {
		e.ok("env", e.settings.root.Env+", and nothing that it forbids")
	}
	if e.settings.production() {
		return
	}
	if !e.app.Stores.Limits.Enabled() {
		e.warn("ratelimit.enabled", "every limit is off", "remove it; production refuses it")
	}
	for _, x := range e.app.values.Exposed() {
		e.warn(x.Path, "was read from "+x.File+", which everybody on this machine may read", "chmod 600 "+x.File)
	}
}

// proxies looks for the proxy that the settings forgot: behind one, every client would count as one.
func (e *examination) proxies() {
	h := e.settings.http
	u, err := url.Parse(h.PublicURL)
	if h.PublicURL == "" || err != nil || len(h.TrustedProxies) > 0 {
		return
	}
	if h.TLSCert == "" && u.Scheme == "https" {
		e.warn("http.trusted_proxies", "is empty, while http.public_url is https and this service itself is not: some proxy stands in front, and all clients count as that one",
			"name the proxy's network, such as 10.0.0.0/8")
		return
	}
	e.ok("http.trusted_proxies", "is empty: right if clients connect to this service directly")
}

// Plain is an error's text for operators, without the code that clients get for a store that is away.
func Plain(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*errs.Error](err); ok {
		text = strings.Replace(text, e.Code()+": ", "", 1)
	}
	return text
}
