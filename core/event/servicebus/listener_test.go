//go:build !live

package servicebus_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/internal/brokertest"
)

func from(b *brokertest.Broker, entity string) servicebus.Receiver {
	return servicebus.Receiver{URL: "servicebus:///" + entity, ConnectionString: secret.New(b.Connection())}
}

// TestCutSettlementsDoubleNoEffect has connections cut when the client says that it is done.
func TestCutSettlementsDoubleNoEffect(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	i := newInbox(t, databasetest.SQLite(t))
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
	i := newInbox(t, databasetest.SQLite(t))
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

func TestMessagesOfASubscriptionAreReceivedWhenTheBrokerIsBack(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	i := newInbox(t, databasetest.SQLite(t))
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
