package event

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/gatehouse/gatehouse/core/database"
)

// Received is an event of one type, with its data read.
type Received[E Event] struct {
	Envelope
	Event E // members that are personal are empty where the account was deleted
}

// Handler takes the events of one type. On makes it.
type Handler struct {
	name   string // of the type, on the wire
	handle func(ctx context.Context, tx *database.Tx, e Envelope) error
}

// On makes the handler of a type. handle runs in a transaction that commits together with the note that the event was
// delivered: its effect in the database happens once, and not at all where it returns an error. It has HandlerDeadline, and
// does what InTx asks of its function; what is slow, or leaves the database, is a job that it enqueues. No error may hold
// what a log may not.
func On[E Event](handle func(ctx context.Context, tx *database.Tx, r Received[E]) error) Handler {
	var zero E
	return Handler{name: typePrefix + zero.Event().Type, handle: func(ctx context.Context, tx *database.Tx, e Envelope) error {
		r := Received[E]{Envelope: e}
		if err := json.Unmarshal(e.Data, &r.Event); err != nil {
			return fmt.Errorf("event: the data of %s is not what it was declared to be", e.Type) // the error itself would quote it
		}
		return handle(ctx, tx, r)
	}}
}

// Subscription is a destination within the program.
type Subscription struct {
	name     string
	handlers map[string]Handler
	twice    string // a type that two handlers are for
}

// Subscribe makes a subscription of handlers, one for each type. Its name begins with the module's name and a dot, and
// stays: under it the database keeps how far the subscription is.
func Subscribe(name string, handlers ...Handler) Subscription {
	s := Subscription{name: name, handlers: make(map[string]Handler, len(handlers))}
	for _, h := range handlers {
		if _, ok := s.handlers[h.name]; ok {
			s.twice = h.name
		}
		s.handlers[h.name] = h
	}
	return s
}

// Name is the subscription's name.
func (s Subscription) Name() string { return s.name }

var validDestination = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]{0,59}$`)

// Check says what is wrong with a module's subscriptions: a mistake in the program.
func (o *Outbox) Check(module string, subscriptions ...Subscription) error {
	for _, s := range subscriptions {
		if !strings.HasPrefix(s.name, module+".") {
			return fmt.Errorf("module %s subscribes as %q, which does not begin with its name and a dot", module, s.name)
		}
	}
	_, err := o.check(subscriptions)
	return err
}

func (o *Outbox) check(subscriptions []Subscription) ([]*Subscription, error) {
	seen := map[string]bool{}
	all := make([]*Subscription, 0, len(subscriptions))
	for _, s := range subscriptions {
		switch {
		case !validDestination.MatchString(s.name):
			return nil, fmt.Errorf("event: %q is no name for a subscription", s.name)
		case seen[s.name]:
			return nil, fmt.Errorf("event: there are two subscriptions %s", s.name)
		case s.twice != "":
			return nil, fmt.Errorf("event: subscription %s has two handlers for %s", s.name, short(s.twice))
		case len(s.handlers) == 0:
			return nil, fmt.Errorf("event: subscription %s has no handler", s.name)
		}
		for name := range s.handlers {
			if _, ok := o.types[name]; !ok {
				return nil, fmt.Errorf("event: subscription %s follows %s, which no module declares", s.name, short(name))
			}
		}
		seen[s.name] = true
		all = append(all, &s)
	}
	return all, nil
}
