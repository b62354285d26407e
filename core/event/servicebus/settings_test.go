package servicebus_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/core/secret"
)

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

// local leads to a broker on loopback, without TLS.
const local = "Endpoint=sb://localhost:%d;SharedAccessKeyName=send;SharedAccessKey=bWFya2Vy;UseDevelopmentEmulator=true"
