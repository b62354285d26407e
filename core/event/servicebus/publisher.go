package servicebus

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
)

// Publisher sends events to a queue or topic. It implements event.Destination.
type Publisher struct {
	name  string
	types []string
	at    address

	mu     sync.Mutex // of what follows
	client *azservicebus.Client
	sender *azservicebus.Sender
}

// NewPublisher makes the destination that the settings name, "servicebus." before its name. It asks nobody. Settings that
// Check has found faulty are an error.
func NewPublisher(d Destination) (*Publisher, error) {
	at, fault := parse(d.URL, d.ConnectionString)
	if fault != nil {
		return nil, fmt.Errorf("destination %s: %s %s", d.Name, fault.field, fault.text)
	}
	return &Publisher{name: "servicebus." + d.Name, types: d.Types, at: at}, nil
}

// Name implements event.Destination.
func (p *Publisher) Name() string { return p.name }

// Entity names what it sends to, for people.
func (p *Publisher) Entity() string { return p.at.String() }

// Wants implements event.Destination.
func (p *Publisher) Wants(name string) bool { return matches(p.types, name) }

// Unknown gives the first of its types that is none of those on the wire; empty where each is.
func (p *Publisher) Unknown(names []string) string {
	for _, pattern := range p.types {
		found := false
		for _, n := range names {
			found = found || matches([]string{pattern}, n)
		}
		if !found {
			return pattern
		}
	}
	return ""
}

// Probe asks the broker whether it would take events. Its error is one line that says what is wrong.
func (p *Publisher) Probe(ctx context.Context) error {
	sender, err := p.open()
	if err == nil {
		_, err = sender.NewMessageBatch(ctx, nil) // makes the link
	}
	if err != nil {
		p.drop(ctx)
		return errors.New(p.at.explain(err)) // the client's own text is long, and has lines
	}
	return nil
}

// Close ends the connection. A later Publish makes another.
func (p *Publisher) Close(ctx context.Context) { p.drop(ctx) }

func (p *Publisher) open() (*azservicebus.Sender, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sender != nil {
		return p.sender, nil
	}
	client, err := p.at.open()
	if err != nil {
		return nil, err
	}
	sender, err := client.NewSender(p.at.entity, nil)
	if err != nil {
		return nil, err
	}
	p.client, p.sender = client, sender
	return sender, nil
}

// drop gives a connection up that does not work.
func (p *Publisher) drop(ctx context.Context) {
	p.mu.Lock()
	client := p.client
	p.client, p.sender = nil, nil
	p.mu.Unlock()
	if client != nil {
		shut(ctx, client)
	}
}

// Publish implements event.Destination. As many events as fit go at once, and are taken or refused at once. Of a message
// that is refused for what it holds, each event is tried by itself, so that it is the one at fault that is set aside.
func (p *Publisher) Publish(ctx context.Context, batch []event.Envelope) []error {
	s := &sending{publisher: p, batch: batch, faults: make([]error, len(batch)), blocked: map[account.ID]bool{}}
	sender, err := p.open()
	for at := 0; err == nil && at < len(batch); {
		at, err = s.some(ctx, sender, at)
	}
	if err != nil {
		s.giveUp(err)
		p.drop(ctx)
	}
	return s.faults
}

// sending is a Publish under way.
type sending struct {
	publisher *Publisher
	batch     []event.Envelope
	faults    []error
	done      int                 // what is before it has its answer
	blocked   map[account.ID]bool // of an event that was refused
}

// giveUp says of what has no answer yet that the broker is away.
func (s *sending) giveUp(err error) {
	away := s.publisher.at.away(err)
	for i := s.done; i < len(s.faults); i++ {
		s.faults[i] = away
	}
}

// some sends as many events, from the one at a place on, as fit into a message, and says where the next begins. Its error is
// of the broker as a whole.
func (s *sending) some(ctx context.Context, sender *azservicebus.Sender, at int) (next int, err error) {
	message, err := sender.NewMessageBatch(ctx, nil)
	if err != nil {
		return at, err
	}
	var sent []int
	for next = at; next < len(s.batch); next++ {
		if s.blocked[s.batch[next].Subject] {
			s.faults[next] = event.ErrNotTried
			continue
		}
		m, err := messageOf(s.batch[next])
		if err == nil {
			err = message.AddMessage(m, nil)
		}
		if err == nil {
			sent = append(sent, next)
			continue
		}
		if errors.Is(err, azservicebus.ErrMessageTooLarge) && len(sent) > 0 {
			break // it comes with the next
		}
		s.faults[next] = event.Permanent(fmt.Errorf("is no message that %s takes: %s", s.publisher.at, firstLine(err.Error())))
	}
	if len(sent) > 0 {
		err = sender.SendMessageBatch(ctx, message, nil)
	}
	if isRefusal(err) {
		return next, s.each(ctx, sender, sent)
	}
	if err == nil {
		s.done = next
	}
	return next, err
}

// each sends events one by one.
func (s *sending) each(ctx context.Context, sender *azservicebus.Sender, places []int) error {
	for _, at := range places {
		s.done = at
		if s.blocked[s.batch[at].Subject] {
			s.faults[at] = event.ErrNotTried
			continue
		}
		m, err := messageOf(s.batch[at])
		if err == nil {
			err = sender.SendMessage(ctx, m, nil)
		}
		switch {
		case err == nil:
		case isRefusal(err):
			s.faults[at] = errors.New(s.publisher.at.explain(err))
			s.blocked[s.batch[at].Subject] = true
		default:
			return err
		}
		s.done = at + 1
	}
	return nil
}
