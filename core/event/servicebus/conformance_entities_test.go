package servicebus_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/core/secret"
)

// take receives so many messages, each once the one before it was completed, so that they come in order.
func take(t *testing.T, r *azservicebus.Receiver, n int) []*azservicebus.ReceivedMessage {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	all := make([]*azservicebus.ReceivedMessage, 0, n)
	for range n {
		messages, err := r.ReceiveMessages(ctx, 1, nil)
		require.NoError(t, err, "%d of %d", len(all), n)
		require.NoError(t, r.CompleteMessage(ctx, messages[0], nil))
		all = append(all, messages[0])
	}
	return all
}

// takeIDs receives so many messages and gives their ids.
func takeIDs(t *testing.T, r *azservicebus.Receiver, n int) []string {
	t.Helper()
	all := make([]string, 0, n)
	for _, m := range take(t, r, n) {
		all = append(all, m.MessageID)
	}
	return all
}

// TestEverySubscriptionOfATopicGetsWhatItsFilterLetsThrough knows by the order what a subscription did not get.
func TestEverySubscriptionOfATopicGetsWhatItsFilterLetsThrough(t *testing.T) {
	t.Parallel()
	if !hasVenue() {
		return
	}
	v := venueOf(t)
	events := eventsOf(account.NewID(), 0, 5)
	events[3].Type = otherType
	for _, fault := range newPublisher(t, v.connection, v.topic).Publish(t.Context(), events) {
		require.NoError(t, fault)
	}
	c := client(t, v.connection)
	for name, want := range map[string][]event.Envelope{"all": events, "notes": slices.Concat(events[:3], events[4:]), "others": events[3:4]} {
		r, err := c.NewReceiverForSubscription(v.topic, name, nil)
		require.NoError(t, err)
		require.Equal(t, idsOf(want), takeIDs(t, r, len(want)), name)
	}
}

func TestBatchesAreCutToTheSizeThatTheEntityTakes(t *testing.T) {
	t.Parallel()
	if !hasVenue() {
		return
	}
	v := venueOf(t)
	text := func(size int) json.RawMessage { return json.RawMessage(`"` + strings.Repeat("x", size) + `"`) }
	events := eventsOf(account.NewID(), 0, 60)
	for i := range events {
		events[i].Data = text(v.largest / 20)
	}
	events[20].Data = text(2 * v.largest)
	faults := newPublisher(t, v.connection, v.bounded).Publish(t.Context(), events)
	require.Len(t, faults, 60)
	for i, fault := range faults {
		require.Equal(t, i == 20, fault != nil, "%d: %v", i, fault)
	}
	require.True(t, event.IsPermanent(faults[20]), "it will never fit")
	require.NotContains(t, faults[20].Error(), "xxx")
	r, err := client(t, v.connection).NewReceiverForQueue(v.bounded, nil)
	require.NoError(t, err)
	require.Equal(t, idsOf(slices.Concat(events[:20], events[21:])), takeIDs(t, r, 59))
}

func TestAMessageThatCannotBeHandledIsDeadLetteredWithItsReason(t *testing.T) {
	t.Parallel()
	if !hasVenue() {
		return
	}
	v := venueOf(t)
	i := newInbox(t, databasetest.SQLite(t))
	send(t, v.connection, v.plain, "", "good-0", "failing", "refused", "panicking", "good-1")
	s := servicebus.Receiver{URL: "servicebus:///" + v.plain, ConnectionString: secret.New(v.connection), MaxDeliveries: 2}
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
	require.Equal(t, 2, count.of(servicebus.Handled))
	require.Equal(t, 2, count.of(servicebus.Abandoned))
	require.Equal(t, 3, count.of(servicebus.Dead))
	r, err := client(t, v.connection).NewReceiverForQueue(v.plain, &azservicebus.ReceiverOptions{SubQueue: azservicebus.SubQueueDeadLetter})
	require.NoError(t, err)
	reasons := map[string][2]string{}
	for _, m := range take(t, r, 3) {
		require.NotNil(t, m.DeadLetterReason, m.MessageID)
		require.NotNil(t, m.DeadLetterErrorDescription, m.MessageID)
		reasons[m.MessageID] = [2]string{*m.DeadLetterReason, *m.DeadLetterErrorDescription}
	}
	require.Equal(t, map[string][2]string{
		"failing": {"HandlerFailed", "cannot do it"}, "refused": {"Refused", "is no order"},
		"panicking": {"HandlerFailed", "the handler panicked; the log has the stack"},
	}, reasons)
	require.NotContains(t, i.logs.String(), "body of")
}

// TestTheLockOfASlowMessageIsRenewed has the store take longer than the lock is given for, which is some seconds.
func TestTheLockOfASlowMessageIsRenewed(t *testing.T) {
	t.Parallel()
	if !hasVenue() {
		return
	}
	for name, sessions := range map[string]bool{"queue": false, "sessions": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := venueOf(t)
			i := newInbox(t, databasetest.SQLite(t))
			queue, session, query := v.brief, "", ""
			if sessions {
				queue, session, query = v.briefSessions, uuid.NewString(), "?sessions=true"
			}
			send(t, v.connection, queue, session, uuid.NewString())
			var began atomic.Int64
			i.before = func() {
				began.Add(1)
				slow := time.NewTimer(3 * v.lock)
				defer slow.Stop()
				<-slow.C
			}
			count, stop := i.listen(t, servicebus.Receiver{URL: "servicebus:///" + queue + query, ConnectionString: secret.New(v.connection)}, once)
			count.wait(t, 1)
			stop()
			require.Equal(t, 1, count.of(servicebus.Handled))
			require.EqualValues(t, 1, began.Load(), "it did not come again meanwhile")
			require.NotContains(t, i.logs.String(), "could not be settled")
			require.Equal(t, 1, i.effects(t))
		})
	}
}

func TestAMessageWithoutAnIDIsDeadLettered(t *testing.T) {
	t.Parallel()
	i := newInbox(t, databasetest.SQLite(t))
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
