//go:build !live

package servicebus_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/internal/brokertest"
	"github.com/gatehouse/gatehouse/testkit"
)

func from(b *brokertest.Broker, entity string) servicebus.Receiver {
	return servicebus.Receiver{URL: "servicebus:///" + entity, ConnectionString: secret.New(b.Connection())}
}

func TestAMessageThatCannotBeHandledIsDeadLetteredWithItsReason(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	i := newInbox(t, testkit.SQLite(t))
	queue := b.Queue(t, brokertest.Options{})
	send(t, b.Connection(), queue, "", "good-0", "failing", "refused", "panicking", "good-1")
	s := from(b, queue)
	s.MaxDeliveries = 2
	count, stop := i.listen(t, s, func(ctx context.Context, tx *database.Tx, m event.Message) error {
		switch m.ID {
		case "failing":
			return errors.New("cannot do it")
		case "refused":
			return event.Permanent(errors.New("is no order"))
		case "panicking":
			panic("a bug with " + string(m.Body))
		}
		return once(ctx, tx, m)
	})
	count.wait(t, 7)
	stop()
	require.Equal(t, 2, i.effects(t))
	reasons := map[string][2]string{}
	c := b.Contents(t, queue)
	for _, m := range c.Dead {
		reasons[m.ID] = [2]string{m.Reason, m.Description}
	}
	require.Equal(t, map[string][2]string{
		"failing": {"HandlerFailed", "cannot do it"}, "refused": {"Refused", "is no order"},
		"panicking": {"HandlerFailed", "the handler panicked; the log has the stack"},
	}, reasons)
	require.Empty(t, c.Active)
	require.NotContains(t, i.logs.String(), "body of")
}

// TestTheLockOfASlowMessageIsRenewed has a handler that takes longer than the lock is given for.
func TestTheLockOfASlowMessageIsRenewed(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	for name, sessions := range map[string]bool{"queue": false, "sessions": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := brokertest.Connect(t)
			i := newInbox(t, testkit.SQLite(t))
			queue, session := b.Queue(t, brokertest.Options{LockMS: 1000, Sessions: sessions}), ""
			s := from(b, queue)
			if sessions {
				session, s.URL = "a", s.URL+"?sessions=true"
			}
			send(t, b.Connection(), queue, session, "slow")
			var began atomic.Int64
			count, _ := i.listen(t, s, func(ctx context.Context, tx *database.Tx, m event.Message) error {
				began.Add(1)
				slow := time.NewTimer(3 * time.Second)
				defer slow.Stop()
				<-slow.C
				return once(ctx, tx, m)
			})
			count.wait(t, 1)
			require.Equal(t, 1, count.of(servicebus.Handled))
			require.EqualValues(t, 1, began.Load(), "it did not come again meanwhile")
			require.Eventually(t, func() bool { return b.Contents(t, queue).Completed == 1 }, 10*time.Second, 10*time.Millisecond)
		})
	}
}

// TestCutSettlementsDoubleNoEffect has connections cut when the client says that it is done.
func TestCutSettlementsDoubleNoEffect(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	i := newInbox(t, testkit.SQLite(t))
	queue := b.Queue(t, brokertest.Options{LockMS: 1000, MaxDeliveries: 100})
	b.Fault(t, brokertest.Faults{Entity: queue, CutSettlement: 0.2})
	send(t, b.Connection(), queue, "", numbered("note", 12)...)
	i.listen(t, from(b, queue), once)
	require.Eventually(t, func() bool { return b.Contents(t, queue).Completed == 12 }, time.Minute, 50*time.Millisecond)
	require.Equal(t, 12, i.effects(t))
}

func TestAStopLetsTheHandlerAtWorkEndAndGivesTheRestBack(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	i := newInbox(t, testkit.SQLite(t))
	queue := b.Queue(t, brokertest.Options{})
	send(t, b.Connection(), queue, "", numbered("note", 20)...)
	began, release := make(chan struct{}, 20), make(chan struct{})
	s := from(b, queue)
	s.Concurrency = 1
	count, stop := i.listen(t, s, func(ctx context.Context, tx *database.Tx, m event.Message) error {
		began <- struct{}{}
		<-release
		return once(ctx, tx, m)
	})
	<-began
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	close(release)
	<-stopped
	done := count.of(servicebus.Handled)
	require.Equal(t, done, i.effects(t))
	c := b.Contents(t, queue)
	require.Equal(t, done, c.Completed)
	require.Len(t, c.Active, 20-done)
	again, _ := i.listen(t, s, once)
	again.wait(t, 20-done)
	require.Equal(t, 20, i.effects(t))
}

func TestAMessageWithoutAnIDIsDeadLettered(t *testing.T) {
	t.Parallel()
	i := newInbox(t, testkit.SQLite(t))
	r := event.Receive("notes.inbox", once)
	_, err := i.Handle(t.Context(), r, event.Message{})
	require.True(t, event.IsPermanent(err))
	duplicate, err := i.Handle(t.Context(), r, event.Message{ID: "a"})
	require.NoError(t, err)
	require.False(t, duplicate)
	duplicate, err = i.Handle(t.Context(), r, event.Message{ID: "a"})
	require.NoError(t, err)
	require.True(t, duplicate)
	require.Equal(t, 1, i.effects(t))
}

func TestMessagesOfASubscriptionAreReceivedWhenTheBrokerIsBack(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	i := newInbox(t, testkit.SQLite(t))
	topic := b.Topic(t, brokertest.Options{LockMS: 1000}, map[string]map[string]string{"inbox": nil})
	line := b.Line(t)
	s := servicebus.Receiver{URL: "servicebus:///" + topic + "/subscriptions/inbox", ConnectionString: secret.New(line.Connection())}
	count, _ := i.listen(t, s, once)
	send(t, b.Connection(), topic, "", "before")
	count.wait(t, 1)
	line.Away(true)
	send(t, b.Connection(), topic, "", "meanwhile")
	line.Away(false)
	require.Eventually(t, func() bool { return i.effects(t) == 2 }, 50*time.Second, 20*time.Millisecond, "%s", i.logs)
}
