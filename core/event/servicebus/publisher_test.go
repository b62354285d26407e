//go:build !live

package servicebus_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/core/secret"
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

func idsOf(events []event.Envelope) []string {
	all := make([]string, 0, len(events))
	for _, e := range events {
		all = append(all, e.ID.String())
	}
	return all
}

func TestEverySubscriptionOfATopicGetsWhatItsFilterLetsThrough(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	topic := b.Topic(t, brokertest.Options{}, map[string]map[string]string{"all": nil, "notes": {"type": someType}, "others": {"label": "gatehouse.other.v1"}})
	p := newPublisher(t, b.Connection(), topic)
	events := eventsOf(account.NewID(), 0, 3)
	for _, fault := range p.Publish(t.Context(), events) {
		require.NoError(t, fault)
	}
	for name, want := range map[string][]string{"all": idsOf(events), "notes": idsOf(events), "others": {}} {
		require.Equal(t, want, ids(b.Contents(t, topic+"/subscriptions/"+name).Active), name)
	}
}

func TestBatchesAreCutToTheSizeThatTheEntityTakes(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{MaxSize: 10_000})
	p := newPublisher(t, b.Connection(), queue)
	ada := account.NewID()
	events := eventsOf(ada, 0, 60)
	events[20].Data = json.RawMessage(`"` + string(bytes.Repeat([]byte("x"), 20_000)) + `"`)
	faults := p.Publish(t.Context(), events)
	require.Len(t, faults, 60)
	for i, fault := range faults {
		require.Equal(t, i == 20, fault != nil, "%d: %v", i, fault)
	}
	require.True(t, event.IsPermanent(faults[20]), "it will never fit")
	require.NotContains(t, faults[20].Error(), "xxx")
	require.Equal(t, append(idsOf(events[:20]), idsOf(events[21:])...), ids(b.Contents(t, queue).Active))
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
		for n := range 20 {
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

func TestADestinationWantsTheTypesThatItNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		types []string
		want  map[string]bool
	}{
		{nil, map[string]bool{"gatehouse.user.registered.v1": true}},
		{[]string{"*"}, map[string]bool{"gatehouse.user.registered.v1": true}},
		{[]string{"user.*"}, map[string]bool{"gatehouse.user.registered.v1": true, "gatehouse.session.revoked.v1": false}},
		{[]string{"user.registered.v1", "session.revoked.*"}, map[string]bool{
			"gatehouse.user.registered.v1": true, "gatehouse.user.registered.v10": false, "gatehouse.session.revoked.v2": true, "gatehouse.user.deleted.v1": false,
		}},
	} {
		p, err := servicebus.NewPublisher(servicebus.Destination{Name: "x", URL: "servicebus://example.servicebus.windows.net/accounts", Types: c.types})
		require.NoError(t, err)
		require.Equal(t, "servicebus.x", p.Name())
		for name, want := range c.want {
			require.Equal(t, want, p.Wants(name), "%v %s", c.types, name)
		}
	}
	p, err := servicebus.NewPublisher(servicebus.Destination{Name: "x", URL: "servicebus://example.servicebus.windows.net/accounts", Types: []string{"user.*", "user.grown.v1"}})
	require.NoError(t, err)
	require.Equal(t, "user.grown.v1", p.Unknown([]string{"gatehouse.user.registered.v1"}))
	require.Empty(t, p.Unknown([]string{"gatehouse.user.registered.v1", "gatehouse.user.grown.v1"}))
}

func TestSettingsSayWhatIsWrongAndNoSecret(t *testing.T) {
	t.Parallel()
	const good = "Endpoint=sb://example.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=bWFya2Vy"
	for name, c := range map[string]struct {
		url, connection string
		want            string // field and fault; empty where it is good
	}{
		"identity":            {"servicebus://example.servicebus.windows.net/accounts", "", ""},
		"key":                 {"servicebus:///accounts", good, ""},
		"key and namespace":   {"servicebus://Example.servicebus.windows.net/accounts", good, ""},
		"key of the entity":   {"servicebus:///accounts", good + ";EntityPath=accounts", ""},
		"a path of an entity": {"servicebus:///team/accounts", good, ""},
		"nothing":             {"", "", "url must be set"},
		"unknown scheme":      {"kafka://example.com/accounts", "", "url has an unknown scheme"},
		"key in the url":      {"servicebus://send:marker@example.servicebus.windows.net/accounts", "", "url is not servicebus://"},
		"no entity":           {"servicebus://example.servicebus.windows.net", "", "url must name a queue or topic"},
		"no namespace":        {"servicebus:///accounts", "", "url must name the namespace"},
		"a subscription":      {"servicebus:///accounts/subscriptions/all", good, "url must name a queue or a topic"},
		"unknown query":       {"servicebus:///accounts?tls=none", good, "url takes ?sessions=true"},
		"no connection":       {"servicebus:///accounts", "marker", "connection_string is none"},
		"another scheme":      {"servicebus:///accounts", "Endpoint=http://x;SharedAccessKeyName=send;SharedAccessKey=bWFya2Vy", "connection_string has an Endpoint that"},
		"another namespace":   {"servicebus://other.servicebus.windows.net/accounts", good, "connection_string leads to another namespace"},
		"another entity":      {"servicebus:///accounts", good + ";EntityPath=orders", "connection_string has an EntityPath"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := servicebus.Destination{Name: "accounts", URL: c.url, ConnectionString: secret.New(c.connection)}
			said := ""
			d.Check(func(field, fault string) { said += field + " " + fault })
			require.NotContains(t, said, "marker")
			if c.want == "" {
				require.Empty(t, said)
				return
			}
			require.Contains(t, said, c.want)
		})
	}
	s := servicebus.Settings{
		Destinations: []servicebus.Destination{{Name: "a"}, {Name: "a"}}, Receivers: []servicebus.Receiver{{Name: "x.a"}, {Name: "x.a"}},
	}
	var said []string
	s.Check(func(field, _ string) { said = append(said, field) })
	require.Equal(t, []string{"destinations[1].name", "receivers[1].name"}, said)
	said = nil
	bad := servicebus.Receiver{URL: "servicebus:///accounts/subscriptions/"}
	bad.Check(func(field, _ string) { said = append(said, field) })
	require.Equal(t, []string{"name", "url", "concurrency", "max_deliveries"}, said)
	said = nil
	types := servicebus.Destination{Name: "Not So", URL: "servicebus://x/y", Types: []string{"user"}}
	types.Check(func(field, _ string) { said = append(said, field) })
	require.Equal(t, []string{"name", "types"}, said)
	local := servicebus.Settings{
		Destinations: []servicebus.Destination{{URL: "servicebus:///a", ConnectionString: secret.New(good)}, {URL: "servicebus:///a", ConnectionString: secret.New(fmt.Sprintf(local, 5672))}},
		Receivers:    []servicebus.Receiver{{URL: "servicebus:///a", ConnectionString: secret.New(fmt.Sprintf(local, 5672))}},
	}
	require.Equal(t, []string{"destinations[1]", "receivers[0]"}, local.PlainText())
}

// local leads to a broker on this machine, without TLS.
const local = "Endpoint=sb://localhost:%d;SharedAccessKeyName=send;SharedAccessKey=bWFya2Vy;UseDevelopmentEmulator=true"
