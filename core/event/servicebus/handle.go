package servicebus

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/event"
)

const (
	settleDeadline  = 5 * time.Second
	renewDeadline   = 10 * time.Second
	shortestRenewal = 100 * time.Millisecond
	storePause      = time.Second      // while the database is away
	longestDelay    = 30 * time.Second // before a message that failed is given back
	mostDescription = 500              // characters of an error that go into a dead-letter queue
)

// The reasons in a dead-letter queue, beside Azure's own.
const (
	reasonRefused = "Refused"       // no further attempt would have been of use
	reasonFailed  = "HandlerFailed" // the last attempt failed
)

// settler is what says to the broker what became of a message.
type settler interface {
	CompleteMessage(ctx context.Context, m *azservicebus.ReceivedMessage, o *azservicebus.CompleteMessageOptions) error
	AbandonMessage(ctx context.Context, m *azservicebus.ReceivedMessage, o *azservicebus.AbandonMessageOptions) error
	DeadLetterMessage(ctx context.Context, m *azservicebus.ReceivedMessage, o *azservicebus.DeadLetterOptions) error
}

// renewal renews a lock and says until when it is held now.
type renewal func(ctx context.Context) (until *time.Time, err error)

// one handles a message and settles it. Its lock is renewed meanwhile. Once ctx ends, what is at work comes to its end, and
// what waits is given back.
func (l *Listener) one(ctx context.Context, m *azservicebus.ReceivedMessage, s settler, until *time.Time, renew renewal) {
	l.came.Store(true)
	working := context.WithoutCancel(ctx)
	held, cancel := context.WithCancel(working)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.hold(held, until, renew)
	}()
	duplicate, err := l.handle(ctx, m)
	settle := l.outcome(ctx, m, s, duplicate, err)
	cancel()
	<-done
	settling, stop := context.WithTimeout(working, settleDeadline)
	defer stop()
	if err := settle(settling); err != nil { // it comes again, and is known then
		l.options.Logger.InfoContext(ctx, "a message could not be settled and will come again", "message_id", m.MessageID, "cause", l.at.explain(err))
	}
}

// hold renews a lock whenever half of its time is over, until ctx ends or it is lost.
func (l *Listener) hold(ctx context.Context, until *time.Time, renew renewal) {
	for until != nil && sleep(ctx, max(time.Until(*until)/2, shortestRenewal)) {
		renewing, cancel := context.WithTimeout(ctx, renewDeadline)
		next, err := renew(renewing)
		cancel()
		if err != nil && ctx.Err() == nil {
			l.options.Logger.InfoContext(ctx, "the lock of a message could not be renewed", "cause", l.at.explain(err))
			if e, ok := errors.AsType[*azservicebus.Error](err); ok && e.Code == azservicebus.CodeLockLost {
				return
			}
			continue
		}
		until = next
	}
}

// handle has the receiver handle a message. A database that is away is waited for: that is no fault of the message's.
func (l *Listener) handle(ctx context.Context, m *azservicebus.ReceivedMessage) (duplicate bool, err error) {
	for {
		duplicate, err = l.options.Handle(context.WithoutCancel(ctx), l.receiver, received(m))
		if !errors.Is(err, errs.ErrUnavailable) || !sleep(ctx, storePause) {
			return duplicate, err
		}
	}
}

// outcome decides what becomes of a message, and gives what tells the broker. Before a message that failed is given back, it
// waits, so that it does not come again at once.
func (l *Listener) outcome(ctx context.Context, m *azservicebus.ReceivedMessage, s settler, duplicate bool, err error) (settle func(ctx context.Context) error) {
	attempt := int(m.DeliveryCount)
	log := l.options.Logger.With("message_id", m.MessageID, "delivery", attempt, "of", l.most.MaxDeliveries)
	observe := func(o Outcome) { l.options.Observe(l.receiver.Name(), o) }
	bury := func(reason string) func(ctx context.Context) error {
		log.ErrorContext(ctx, "message is dead-lettered", "reason", reason, "cause", err)
		observe(Dead)
		text := err.Error()
		if len(text) > mostDescription {
			text = text[:mostDescription]
		}
		return func(ctx context.Context) error {
			return s.DeadLetterMessage(ctx, m, &azservicebus.DeadLetterOptions{Reason: &reason, ErrorDescription: &text})
		}
	}
	switch {
	case err == nil:
		if duplicate {
			observe(Duplicate)
		} else {
			observe(Handled)
		}
		return func(ctx context.Context) error { return s.CompleteMessage(ctx, m, nil) }
	case errors.Is(err, errs.ErrUnavailable):
	case event.IsPermanent(err):
		return bury(reasonRefused)
	case attempt >= l.most.MaxDeliveries:
		return bury(reasonFailed)
	default:
		log.WarnContext(ctx, "message failed; it will come again", "cause", err)
		sleep(ctx, min(time.Duration(attempt*attempt)*time.Second, longestDelay))
	}
	observe(Abandoned)
	return func(ctx context.Context) error { return s.AbandonMessage(ctx, m, nil) }
}

// received is a message as handlers get it.
func received(m *azservicebus.ReceivedMessage) event.Message {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	out := event.Message{
		ID: m.MessageID, Label: text(m.Subject), Session: text(m.SessionID), ContentType: text(m.ContentType),
		Properties: m.ApplicationProperties, Body: m.Body, Delivery: int(m.DeliveryCount),
	}
	if m.EnqueuedTime != nil {
		out.EnqueuedAt = m.EnqueuedTime.UTC()
	}
	return out
}
