package event

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
)

// Destination is where events go outside the program, at least once each: a broker's topic, somebody's URL. Its methods
// are called by one goroutine at a time in a process, and by one process at a time but for a moment after another has died.
type Destination interface {
	// Name stays: under it the database keeps how far the destination is. It begins with a word and a dot.
	Name() string
	// Wants says whether it takes a type, by its name on the wire. It asks nobody.
	Wants(name string) bool
	// Publish hands a batch on and says what became of each event: nil in the event's place where it was taken, else an
	// error; no errors at all say that every one was. The batch is in order. Of a subject of which one was not taken, no later
	// one is to be: it says ErrNotTried, or what it likes. Publish has PublishDeadline, and returns soon once ctx ends.
	//
	// An error is written down for operators, so it holds nothing that a log may not. It is a failed attempt of the event,
	// unless it is Permanent, RetryAfter, Away or ErrNotTried.
	Publish(ctx context.Context, batch []Envelope) []error
}

// Source lists destinations that come and go, such as those that administrators make.
type Source struct {
	// Name begins the name of each, before a dot. Metrics tell of all of them under it.
	Name string
	// List gives those that are to be served now, MostListed at most. It is asked every few seconds, and when AddDestination,
	// RemoveDestination or DestinationChanged says so.
	List func(ctx context.Context) ([]Destination, error)
}

const (
	// PublishDeadline is what a destination has for a batch.
	PublishDeadline = 30 * time.Second
	// MostListed is how many destinations of its sources a process serves.
	MostListed = 1000

	longestAfter = time.Hour        // that RetryAfter lets a destination wait
	longestAway  = 30 * time.Second // between two looks whether it is there again
)

// ErrNotTried is of an event that Publish has not got to. It comes again, and that is no attempt.
var ErrNotTried = errors.New("event: not tried yet")

// refusal is an error of Publish that says what is to follow.
type refusal struct {
	cause     error
	permanent bool
	after     time.Duration // 0: of the relay's choice
}

func (r refusal) Error() string { return r.cause.Error() }
func (r refusal) Unwrap() error { return r.cause }

// Permanent is of an event that no further attempt would have taken: it is set aside at once.
func Permanent(cause error) error { return refusal{cause: cause, permanent: true} }

// Away is of a destination that takes nothing just now, whatever the event. It is let alone for a while, longer each time
// up to half a minute, and that is no attempt of the event.
func Away(cause error) error { return refusal{cause: cause} }

// RetryAfter is Away for as long as the destination has asked for, an hour at most.
func RetryAfter(cause error, after time.Duration) error {
	return refusal{cause: cause, after: min(max(after, time.Second), longestAfter)}
}

// OneByOne is a Publish that sends each event by itself, in order. It leaves out those that follow one of their subject
// that was not taken, and stops where the destination is away, where three in a row have failed, and where ctx leaves less
// than each, which is how long one takes at most.
func OneByOne(ctx context.Context, batch []Envelope, each time.Duration, send func(ctx context.Context, e Envelope) error) []error {
	faults := make([]error, len(batch))
	blocked := map[account.ID]bool{}
	over, failures := false, 0
	for i, e := range batch {
		if deadline, ok := ctx.Deadline(); ctx.Err() != nil || i > 0 && ok && time.Until(deadline) < each {
			over = true
		}
		if over || blocked[e.Subject] {
			faults[i] = ErrNotTried
			continue
		}
		fault := send(ctx, e)
		faults[i] = fault
		if fault == nil {
			failures = 0
			continue
		}
		r, ok := errors.AsType[refusal](fault)
		permanent := ok && r.permanent
		blocked[e.Subject] = !permanent
		if !permanent {
			failures++
		}
		over = ok && !permanent || failures == pauseAfter
	}
	return faults
}

var validOutside = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z0-9][a-z0-9_-]{0,59}$`)

// route is a destination as a relay serves it: a subscription, or one outside the program.
type route struct {
	name    string
	label   string // in metrics
	inside  *Subscription
	outside Destination
}

func (d *route) wants(name string) bool {
	if d.inside != nil {
		_, ok := d.inside.handlers[name]
		return ok
	}
	return d.outside.Wants(name)
}

// fix makes the routes that stay while the program runs.
func fix(subscriptions []*Subscription, destinations []Destination) ([]*route, error) {
	all := make([]*route, 0, len(subscriptions)+len(destinations))
	taken := map[string]bool{}
	for _, s := range subscriptions {
		taken[s.name] = true
		all = append(all, &route{name: s.name, label: s.name, inside: s})
	}
	for _, d := range destinations {
		name := d.Name()
		switch {
		case !validOutside.MatchString(name):
			return nil, fmt.Errorf("event: %q is no name for a destination", name)
		case taken[name]:
			return nil, fmt.Errorf("event: there are two destinations %s", name)
		}
		taken[name] = true
		all = append(all, &route{name: name, label: name, outside: d})
	}
	return all, nil
}
