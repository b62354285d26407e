package servicebus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/gatehouse/gatehouse/core/event"
)

// Outcome is what became of a message.
type Outcome string

// The outcomes. An abandoned message comes again.
const (
	Handled   Outcome = "handled"
	Duplicate Outcome = "duplicate"
	Abandoned Outcome = "abandoned"
	Dead      Outcome = "dead"
)

// ListenOptions are what a Listener needs.
type ListenOptions struct {
	// Handle handles a message once: event.Outbox.Handle.
	Handle  func(ctx context.Context, r event.Receiver, m event.Message) (duplicate bool, err error)
	Logger  *slog.Logger
	Observe func(receiver string, outcome Outcome) // is told of every message; may be nil
}

// Listener receives the messages of a queue or subscription for a receiver.
type Listener struct {
	receiver event.Receiver
	at       address
	most     Receiver // its bounds
	options  ListenOptions
	came     atomic.Bool // a message did, over this connection
}

// NewListener makes a listener for a receiver after its settings. It asks nobody. Settings that Check has found faulty are
// an error.
func NewListener(s Receiver, r event.Receiver, o ListenOptions) (*Listener, error) {
	at, fault := parse(s.URL, s.ConnectionString)
	if fault != nil {
		return nil, fmt.Errorf("receiver %s: %s %s", s.Name, fault.field, fault.text)
	}
	if o.Observe == nil {
		o.Observe = func(string, Outcome) {}
	}
	o.Logger = o.Logger.With("receiver", r.Name())
	return &Listener{receiver: r, at: at, most: s, options: o}, nil
}

// Name is its receiver's.
func (l *Listener) Name() string { return l.receiver.Name() }

// Entity names what it receives from, for people.
func (l *Listener) Entity() string { return l.at.String() }

const (
	shortestPause = time.Second // before another connection
	longestPause  = 30 * time.Second
)

// Start begins to receive. ctx does not end that: stop does, which waits for the messages at work, event.HandlerDeadline and a
// little at most. A broker that is away is waited for.
func (l *Listener) Start(ctx context.Context) (stop func()) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	group.Go(func() { l.run(running) })
	return func() {
		cancel()
		group.Wait()
	}
}

// run receives, over one connection after the other.
func (l *Listener) run(ctx context.Context) {
	pause, said := shortestPause, ""
	for ctx.Err() == nil {
		err := l.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if l.came.Swap(false) {
			pause, said = shortestPause, ""
		}
		if text := l.at.explain(err); text != said {
			said = text
			l.options.Logger.WarnContext(ctx, "messages are not received just now, trying again", "cause", text)
		}
		sleep(ctx, pause)
		pause = min(2*pause, longestPause)
	}
}

// connect receives until the connection fails or ctx ends.
func (l *Listener) connect(ctx context.Context) error {
	client, err := l.at.open()
	if err != nil {
		return err
	}
	defer shut(ctx, client)
	if l.at.sessions {
		return l.receiveSessions(ctx, client)
	}
	return l.receive(ctx, client)
}

// Probe asks the broker whether it lets us listen. Its error is one line that says what is wrong.
func (l *Listener) Probe(ctx context.Context) error {
	client, err := l.at.open()
	if err == nil {
		defer shut(ctx, client)
		err = l.peek(ctx, client)
	}
	if err != nil {
		return errors.New(l.at.explain(err)) // the client's own text is long, and has lines
	}
	return nil
}

// peek makes a link, and takes nothing.
func (l *Listener) peek(ctx context.Context, client *azservicebus.Client) error {
	if l.at.sessions {
		r, err := l.acceptSession(ctx, client)
		if err == nil {
			shut(ctx, r)
		}
		if isNoSession(err) {
			return nil
		}
		return err
	}
	r, err := l.open(client)
	if err != nil {
		return err
	}
	defer shut(ctx, r)
	_, err = r.PeekMessages(ctx, 1, nil)
	return err
}

func (l *Listener) open(client *azservicebus.Client) (*azservicebus.Receiver, error) {
	if l.at.subscription != "" {
		return client.NewReceiverForSubscription(l.at.entity, l.at.subscription, nil)
	}
	return client.NewReceiverForQueue(l.at.entity, nil)
}

// receive handles messages, as many at once as the settings say.
func (l *Listener) receive(ctx context.Context, client *azservicebus.Client) error {
	r, err := l.open(client)
	if err != nil {
		return err
	}
	defer shut(ctx, r)
	slots := make(chan struct{}, l.most.Concurrency)
	var group sync.WaitGroup
	defer group.Wait()
	for {
		free, err := takeSlots(ctx, slots)
		if err != nil {
			return err
		}
		messages, err := r.ReceiveMessages(ctx, free, nil)
		for range free - len(messages) {
			<-slots
		}
		for _, m := range messages {
			group.Go(func() {
				defer func() { <-slots }()
				l.one(ctx, m, r, m.LockedUntil, func(ctx context.Context) (*time.Time, error) {
					err := r.RenewMessageLock(ctx, m, nil)
					return m.LockedUntil, err
				})
			})
		}
		if err != nil {
			return err
		}
	}
}

// takeSlots waits for a slot, and takes every other that is free.
func takeSlots(ctx context.Context, slots chan struct{}) (n int, err error) {
	select {
	case slots <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n = 1; ; n++ {
		select {
		case slots <- struct{}{}:
		default:
			return n, nil
		}
	}
}

// sleep waits, and says whether ctx let it.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
