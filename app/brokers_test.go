package app

import (
	"context"
	"encoding/json"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/internal/brokertest"
)

// entry is a list of one destination or receiver, as the environment has it.
func entry(t *testing.T, fields map[string]any) string {
	t.Helper()
	text, err := json.Marshal([]map[string]any{fields})
	require.NoError(t, err)
	return string(text)
}

const elsewhere = "servicebus://example.servicebus.windows.net/accounts"

func TestADestinationOfAnUnknownSchemeFailsTheStartWithOneLine(t *testing.T) {
	t.Parallel()
	a, err := New(Standard, Options{Logs: io.Discard})
	require.NoError(t, err)
	_, err = a.Load(config.Source{Args: map[string]string{
		"data_dir": t.TempDir(), "events.destinations": entry(t, map[string]any{"name": "accounts", "url": "kafka://marker/accounts"}),
	}})
	require.ErrorContains(t, err, "events.destinations[0].url: has an unknown scheme")
	require.NotContains(t, err.Error(), "marker")
}

func TestADestinationOfAnUnknownTypeFailsTheStartWithOneLine(t *testing.T) {
	t.Parallel()
	for path, c := range map[string]struct {
		fields map[string]any
		says   string
	}{
		"events.destinations": {map[string]any{"name": "accounts", "url": elsewhere, "types": []string{"user.*", "user.grown.v1"}}, "events.destinations[0].types: no event is called user.grown.v1"},
		"events.receivers":    {map[string]any{"name": "orders.paid", "url": elsewhere}, "events.receivers[0].name: no module receives as orders.paid"},
	} {
		set := map[string]string{"data_dir": t.TempDir(), path: entry(t, c.fields)}
		a := loaded(t, set)
		err := a.Open(t.Context())
		a.Close(context.Background())
		require.ErrorIs(t, err, ErrUnknownName)
		require.ErrorContains(t, err, c.says)
		requireFinding(t, loaded(t, set).Examine(t.Context()), LevelFail, "events", c.says)
	}
}

func TestExamineAsksEachBroker(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{})
	for _, c := range []struct {
		connection, entity, says string
		level                    Level
	}{
		{b.Connection(), queue, queue + " at localhost", LevelOK},
		{b.Connection(), "nowhere", "there is no nowhere", LevelFail},
		{b.ConnectionWithWrongKey(), queue, "the key or identity is wrong", LevelFail},
	} {
		set := map[string]string{"data_dir": t.TempDir(), "events.destinations": entry(t, map[string]any{"name": "accounts", "url": "servicebus:///" + c.entity, "connection_string": c.connection})}
		requireFinding(t, loaded(t, set).Examine(t.Context()), c.level, "events.destinations[0]", c.says)
	}
}

func TestProductionRefusesABrokerWithoutTLS(t *testing.T) {
	t.Parallel()
	set := map[string]string{"env": "production", "data_dir": t.TempDir(), "events.destinations": entry(t, map[string]any{
		"name": "accounts", "url": "servicebus:///accounts", "connection_string": "Endpoint=sb://localhost:5672;SharedAccessKeyName=x;SharedAccessKey=bWFya2Vy;UseDevelopmentEmulator=true",
	})}
	const says = "events.destinations[0] asks for plain text"
	require.ErrorContains(t, loaded(t, set).CheckSafety(), says)
	require.NotContains(t, loaded(t, set).CheckSafety().Error(), "bWFya2Vy")
	set["insecure"] = "true"
	require.NotContains(t, loaded(t, set).CheckSafety().Error(), says)
}
