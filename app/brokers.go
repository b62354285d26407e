package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
)

// probeDeadline bounds how long a broker is asked whether it would take events.
const probeDeadline = 15 * time.Second

// brokers are what this process sends events to and receives messages from, after the settings.
type brokers struct {
	publishers []*servicebus.Publisher
	listeners  []*servicebus.Listener
}

// checkReceivers wants the name of every receiver to begin with its module's.
func (a *App) checkReceivers() error {
	for _, m := range a.Modules {
		if err := event.CheckReceivers(m.Name, m.Receives...); err != nil {
			return err
		}
	}
	return nil
}

// ErrUnknownName is a setting that names what this program does not have.
var ErrUnknownName = errors.New("the settings name what there is not")

// newBrokers makes them, and asks nobody. It returns ErrUnknownName where a setting names an event or a receiver that no
// module has.
func (a *App) newBrokers(observe func(receiver string, outcome servicebus.Outcome)) (*brokers, error) {
	b, names := &brokers{}, []string{}
	for _, t := range a.Stores.Events.Types() {
		names = append(names, t.Name)
	}
	for i, d := range a.settings.servicebus.Destinations {
		p, err := servicebus.NewPublisher(d)
		if err != nil {
			return nil, err
		}
		if unknown := p.Unknown(names); unknown != "" {
			return nil, fmt.Errorf("%w: events.destinations[%d].types: no event is called %s; `gatehouse reference events` lists them", ErrUnknownName, i, unknown)
		}
		b.publishers = append(b.publishers, p)
	}
	receivers := map[string]event.Receiver{}
	for _, m := range a.Modules {
		for _, r := range m.Receives {
			receivers[r.Name()] = r
		}
	}
	for i, s := range a.settings.servicebus.Receivers {
		r, ok := receivers[s.Name]
		if !ok {
			return nil, fmt.Errorf("%w: events.receivers[%d].name: no module receives as %s", ErrUnknownName, i, s.Name)
		}
		l, err := servicebus.NewListener(s, r, servicebus.ListenOptions{Handle: a.Stores.Events.Handle, Logger: a.Stores.Logger, Observe: observe})
		if err != nil {
			return nil, err
		}
		b.listeners = append(b.listeners, l)
	}
	return b, nil
}

// openBrokers makes them for good, with what counts messages.
func (a *App) openBrokers() error {
	counted, err := a.telemetry.CounterBy("messages.received", "{message}", "Messages from outside that were settled by this process, by receiver and outcome.", "receiver", "outcome")
	if err != nil {
		return err
	}
	a.brokers, err = a.newBrokers(func(receiver string, outcome servicebus.Outcome) {
		counted(context.Background(), 1, receiver, string(outcome))
	})
	return err
}

// start begins to receive, and says in the log which destinations would take no event. stop ends both.
func (b *brokers) start(ctx context.Context, say func(entity string, err error)) (stop func()) {
	probing, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeDeadline)
	var probes sync.WaitGroup
	for _, p := range b.publishers {
		probes.Go(func() {
			if err := p.Probe(probing); err != nil && !errors.Is(probing.Err(), context.Canceled) {
				say(p.Name(), err)
			}
		})
	}
	stops := make([]func(), 0, len(b.listeners))
	for _, l := range b.listeners {
		stops = append(stops, l.Start(ctx))
	}
	return func() {
		cancel()
		var all sync.WaitGroup
		for _, stop := range stops {
			all.Go(stop)
		}
		all.Wait()
		probes.Wait()
	}
}

// close ends every connection.
func (b *brokers) close(ctx context.Context) {
	var all sync.WaitGroup
	for _, p := range b.publishers {
		all.Go(func() { p.Close(ctx) })
	}
	all.Wait()
}

// brokers looks whether each would take events, or gives messages.
func (e *examination) brokers(ctx context.Context) {
	b, err := e.app.newBrokers(nil)
	if err != nil {
		e.fail(eventsName, strings.TrimPrefix(err.Error(), ErrUnknownName.Error()+": "), "mend the settings under events")
		return
	}
	defer b.close(ctx)
	ctx, cancel := context.WithTimeout(ctx, examineDeadline)
	defer cancel()
	for i, p := range b.publishers {
		subject := fmt.Sprintf("events.destinations[%d]", i)
		if err := p.Probe(ctx); err != nil {
			e.fail(subject, err.Error(), "mend it; until then its events wait")
			continue
		}
		e.ok(subject, p.Entity()+" takes events")
	}
	for i, l := range b.listeners {
		subject := fmt.Sprintf("events.receivers[%d]", i)
		if err := l.Probe(ctx); err != nil {
			e.fail(subject, err.Error(), "mend it; until then its messages wait")
			continue
		}
		e.ok(subject, l.Entity()+" gives messages")
	}
}
