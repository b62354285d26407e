package servicebus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const (
	// sessionIdle is how long a session that has nothing is kept from others.
	sessionIdle = 2 * time.Second
	// sessionPause is how long nobody asks for a session after there was none. Azure itself takes a minute to say so.
	sessionPause = 500 * time.Millisecond
)

func (l *Listener) acceptSession(ctx context.Context, client *azservicebus.Client) (*azservicebus.SessionReceiver, error) {
	if l.at.subscription != "" {
		return client.AcceptNextSessionForSubscription(ctx, l.at.entity, l.at.subscription, nil)
	}
	return client.AcceptNextSessionForQueue(ctx, l.at.entity, nil)
}

// isNoSession says whether the broker has no session for us just now.
func isNoSession(err error) bool {
	e, ok := errors.AsType[*azservicebus.Error](err)
	return ok && e.Code == azservicebus.CodeTimeout || condition(err) == "com.microsoft:timeout"
}

// receiveSessions handles sessions, as many at once as the settings say, and the messages of each one after the other.
func (l *Listener) receiveSessions(ctx context.Context, client *azservicebus.Client) error {
	running, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for range l.most.Concurrency {
		group.Go(func() {
			for running.Err() == nil {
				r, err := l.acceptSession(running, client)
				switch {
				case err == nil:
					l.receiveSession(running, r)
				case isNoSession(err):
					sleep(running, sessionPause)
				default:
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return context.Cause(running)
}

// receiveSession handles the messages of a session until there are none, or its lock is lost. One message is taken at a time:
// behind one that comes again the next would be out of order.
func (l *Listener) receiveSession(ctx context.Context, r *azservicebus.SessionReceiver) {
	defer shut(ctx, r)
	for ctx.Err() == nil {
		waiting, cancel := context.WithTimeout(ctx, sessionIdle)
		messages, err := r.ReceiveMessages(waiting, 1, nil)
		cancel()
		for _, m := range messages {
			until := r.LockedUntil()
			l.one(ctx, m, r, &until, func(ctx context.Context) (*time.Time, error) {
				err := r.RenewSessionLock(ctx, nil)
				until := r.LockedUntil()
				return &until, err
			})
		}
		if err != nil {
			return
		}
	}
}
