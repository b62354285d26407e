//go:build !live

package servicebus_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/internal/brokertest"
)

// ids of messages, in the order in which they came.
func ids(messages []brokertest.Message) []string {
	all := make([]string, 0, len(messages))
	for _, m := range messages {
		all = append(all, m.ID)
	}
	return all
}

func TestOfABatchThatIsRefusedTheEventAtFaultAloneIsLeftOut(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{})
	b.Fault(t, brokertest.Faults{Entity: queue, Refuse: `"n":7}`})
	p := newPublisher(t, b.Connection(), queue)
	ada, eve := account.NewID(), account.NewID()
	events := append(eventsOf(ada, 0, 10), eventsOf(eve, 10, 10)...)
	faults := p.Publish(t.Context(), events)
	for i, fault := range faults {
		switch i {
		case 7:
			require.ErrorContains(t, fault, "amqp:not-allowed")
			require.False(t, event.IsPermanent(fault))
		case 8, 9:
			require.ErrorIs(t, fault, event.ErrNotTried, "it would pass the one before it")
		default:
			require.NoError(t, fault, i)
		}
	}
	require.Equal(t, append(idsOf(events[:7]), idsOf(events[10:])...), ids(b.Contents(t, queue).Active))
}

// TestWhatIsWrongWithABrokerIsSaidInOneLine covers what Probe says at start and in doctor, and that none of it costs an
// event an attempt.
func TestWhatIsWrongWithABrokerIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue, locked := b.Queue(t, brokertest.Options{}), b.Queue(t, brokertest.Options{})
	b.Fault(t, brokertest.Faults{Entity: locked, Unauthorized: true})
	away := b.Line(t)
	away.Away(true)
	for name, c := range map[string]struct{ connection, entity, says string }{
		"wrong key":    {b.ConnectionWithWrongKey(), queue, "the key or identity is wrong, or has no right to " + queue},
		"no right":     {b.Connection(), locked, "the key or identity is wrong, or has no right to " + locked},
		"no such":      {b.Connection(), "nowhere", "there is no nowhere at localhost:"},
		"away":         {away.Connection(), queue, "localhost:"},
		"nobody there": {"Endpoint=sb://localhost:1;SharedAccessKeyName=x;SharedAccessKey=eA==;UseDevelopmentEmulator=true", queue, "localhost:1 cannot be reached: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPublisher(t, c.connection, c.entity)
			err := p.Probe(t.Context())
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n")
			ctx, cancel := context.WithTimeout(t.Context(), event.PublishDeadline)
			defer cancel()
			faults := p.Publish(ctx, eventsOf(account.NewID(), 0, 2))
			require.Len(t, faults, 2)
			for _, fault := range faults {
				require.ErrorContains(t, fault, c.says)
				require.Equal(t, event.Away(errors.New(fault.Error())), fault)
			}
		})
	}
}

func TestABusyBrokerIsLetAloneForAsLongAsAzureAsks(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{})
	b.Fault(t, brokertest.Faults{Entity: queue, Busy: 100})
	p := newPublisher(t, b.Connection(), queue)
	faults := p.Publish(t.Context(), eventsOf(account.NewID(), 0, 2))
	said := queue + " at "
	for _, fault := range faults {
		require.ErrorContains(t, fault, said)
		require.Equal(t, event.RetryAfter(errors.New(fault.Error()), 10*time.Second), fault)
	}
	b.Fault(t, brokertest.Faults{Entity: queue})
	for _, fault := range p.Publish(t.Context(), eventsOf(account.NewID(), 0, 2)) {
		require.NoError(t, fault)
	}
}

// TestCutSendsLoseNothingAndRepeatTheSameID has a third of the connections cut after a message has come and before the client
// hears of it.
func TestCutSendsLoseNothingAndRepeatTheSameID(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue, dedup := b.Queue(t, brokertest.Options{}), b.Queue(t, brokertest.Options{Dedup: true})
	for _, q := range []string{queue, dedup} {
		b.Fault(t, brokertest.Faults{Entity: q, Cut: 0.3})
		p := newPublisher(t, b.Connection(), q)
		ada := account.NewID()
		var want []string
		for n := 0; n < 20 || q == queue && n < 200 && len(b.Contents(t, q).Active) == n; n++ { // until one has come twice
			events := eventsOf(ada, n, 1)
			want = append(want, idsOf(events)...)
			require.Eventually(t, func() bool {
				return p.Publish(t.Context(), events)[0] == nil
			}, time.Minute, time.Millisecond)
		}
		got := ids(b.Contents(t, q).Active)
		if q == dedup {
			require.Equal(t, want, got, "where duplicates are detected there are none")
			continue
		}
		first := map[string]bool{}
		var firsts []string
		for _, id := range got {
			if !first[id] {
				firsts = append(firsts, id)
			}
			first[id] = true
		}
		require.Equal(t, want, firsts, "in order but for those that come again")
		require.Greater(t, len(got), len(want), "some came twice")
	}
}
