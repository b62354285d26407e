package servicebus

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/core/secret"
)

// Settings are those under "events" that lead to Service Bus.
type Settings struct {
	Destinations []Destination `conf:"destinations" default:"" doc:"queues and topics that events go to, each with name, url (servicebus://<namespace>/<queue or topic>), connection_string (or the identity of this machine) and types (such as user.*; none means all)"`
	Receivers    []Receiver    `conf:"receivers" default:"" doc:"where modules receive messages from, each with name (as the module says), url (servicebus://<namespace>/<queue>, or …/<topic>/subscriptions/<subscription>, with ?sessions=true where it has them), connection_string, concurrency (1 to 100, default 4) and max_deliveries (1 to 100, default 10)"`
}

// Destination is a queue or topic that events go to.
type Destination struct {
	Name             string        `conf:"name" doc:"lower-case letters, digits, - and _, at most 40; it stays, since the database keeps under it how far the destination is"`
	URL              string        `conf:"url" doc:"servicebus://<namespace>/<queue or topic>; the namespace may be left to connection_string"`
	ConnectionString secret.String `conf:"connection_string" doc:"of a policy that may send; empty uses the identity of this machine"`
	Types            []string      `conf:"types" doc:"types of events, such as user.registered.v1, user.* or session.*; none means all"`
}

// Receiver is a queue or subscription that a module receives messages from.
type Receiver struct {
	Name             string        `conf:"name" doc:"the name that the module receives under"`
	URL              string        `conf:"url" doc:"servicebus://<namespace>/<queue>, or servicebus://<namespace>/<topic>/subscriptions/<subscription>; ?sessions=true where it requires sessions"`
	ConnectionString secret.String `conf:"connection_string" doc:"of a policy that may listen; empty uses the identity of this machine"`
	Concurrency      int           `conf:"concurrency" default:"4" doc:"messages, or sessions, that are handled at once, 1 to 100"`
	MaxDeliveries    int           `conf:"max_deliveries" default:"10" doc:"how often a message is handled before it is dead-lettered, 1 to 100; the entity's own limit may be lower"`
}

const mostAtOnce = 100

var (
	validName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,39}$`)
	validType = regexp.MustCompile(`^(\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*\.(\*|v[1-9][0-9]*)))$`)
)

// Check reports what the settings may not be: two entries of one name. Each entry checks itself.
func (s *Settings) Check(report func(field, fault string)) {
	seen := map[string]bool{}
	for i, d := range s.Destinations {
		if seen[d.Name] {
			report(fmt.Sprintf("destinations[%d].name", i), "is the name of another one")
		}
		seen[d.Name] = true
	}
	clear(seen)
	for i, r := range s.Receivers {
		if seen[r.Name] {
			report(fmt.Sprintf("receivers[%d].name", i), "is the name of another one")
		}
		seen[r.Name] = true
	}
}

// Check reports what the settings may not be. No report holds a secret.
func (d *Destination) Check(report func(field, fault string)) {
	if !validName.MatchString(d.Name) {
		report("name", "must be 1 to 40 lower-case letters, digits, - and _")
	}
	at, err := parse(d.URL, d.ConnectionString)
	switch {
	case err != nil:
		report(err.field, err.text)
	case at.subscription != "" || at.sessions:
		report("url", "must name a queue or a topic: servicebus://<namespace>/<queue or topic>")
	}
	for _, t := range d.Types {
		if !validType.MatchString(t) {
			report("types", "must be types of events, such as user.registered.v1 or user.*")
			return
		}
	}
}

// Check reports what the settings may not be. No report holds a secret.
func (r *Receiver) Check(report func(field, fault string)) {
	if r.Name == "" {
		report("name", "must be the name that a module receives under")
	}
	if _, err := parse(r.URL, r.ConnectionString); err != nil {
		report(err.field, err.text)
	}
	if r.Concurrency < 1 || r.Concurrency > mostAtOnce {
		report("concurrency", "must be between 1 and 100")
	}
	if r.MaxDeliveries < 1 || r.MaxDeliveries > mostAtOnce {
		report("max_deliveries", "must be between 1 and 100")
	}
}

// PlainText lists the entries, by their path below "events", whose connection is not encrypted.
func (s *Settings) PlainText() []string {
	var all []string
	for i, d := range s.Destinations {
		if at, err := parse(d.URL, d.ConnectionString); err == nil && at.plainText {
			all = append(all, fmt.Sprintf("destinations[%d]", i))
		}
	}
	for i, r := range s.Receivers {
		if at, err := parse(r.URL, r.ConnectionString); err == nil && at.plainText {
			all = append(all, fmt.Sprintf("receivers[%d]", i))
		}
	}
	return all
}

// wireName is a type, or a pattern, as it is on the wire.
func wireName(name string) string { return "gatehouse." + strings.TrimPrefix(name, "gatehouse.") }

// matches says whether a type on the wire is one of those that a destination is for.
func matches(patterns []string, name string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		if p == "*" {
			return true
		}
		if head, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(name, wireName(head))
		}
		return name == wireName(p)
	})
}
