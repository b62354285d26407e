package app

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/module"
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

// receiving is the standard modules, and one that receives.
func receiving(s *Stores) ([]module.Module, error) {
	modules, err := Standard(s)
	ignore := func(context.Context, *database.Tx, event.Message) error { return nil }
	return append(modules, module.Module{Name: "orders", Receives: []event.Receiver{event.Receive("orders.paid", ignore)}}), err
}

// journal hands each line of a log on as it is written.
type journal chan string

// Write implements io.Writer.
func (j journal) Write(line []byte) (int, error) {
	j <- string(line)
	return len(line), nil
}

// waitFor gives the next line that holds a text.
func (j journal) waitFor(t *testing.T, text string) string {
	t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	for {
		select {
		case line := <-j:
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline.C:
			require.FailNow(t, "nothing of that kind was logged", "%s", text)
		}
	}
}

// withBroker gives an app with one destination or receiver, whose settings are read and whose stores are closed, and its log.
func withBroker(t *testing.T, path string, fields map[string]any) (*App, journal) {
	t.Helper()
	logs := make(journal, 1<<12)
	a, err := New(receiving, Options{Logs: logs})
	require.NoError(t, err)
	_, err = a.Load(config.Source{Args: map[string]string{
		"http.addr": "127.0.0.1:0", "ops.addr": "127.0.0.1:0", "data_dir": t.TempDir(), "log.format": "json", path: entry(t, fields),
	}})
	require.NoError(t, err)
	return a, logs
}

func TestExamineAsksEachBrokerForMessages(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{})
	inbox := b.Topic(t, brokertest.Options{}, map[string]map[string]string{"orders": nil}) + "/subscriptions/orders"
	for _, c := range []struct {
		connection, entity, says string
		level                    Level
	}{
		{b.Connection(), queue, queue + " at localhost", LevelOK},
		{b.Connection(), inbox, inbox + " at localhost", LevelOK},
		{b.Connection(), "nowhere", "there is no nowhere", LevelFail},
		{b.ConnectionWithWrongKey(), queue, "the key or identity is wrong", LevelFail},
	} {
		a, _ := withBroker(t, "events.receivers", map[string]any{"name": "orders.paid", "url": "servicebus:///" + c.entity, "connection_string": c.connection})
		requireFinding(t, a.Examine(t.Context()), c.level, "events.receivers[0]", c.says)
	}
}

// TestAWorkerSaysAtItsStartInOneLineWhatIsWrongWithABroker starts, which a broker never keeps it from.
func TestAWorkerSaysAtItsStartInOneLineWhatIsWrongWithABroker(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{})
	const (
		destinations, accounts = "events.destinations", "accounts"
		receivers, paid        = "events.receivers", "orders.paid"
		takesNone              = "destination of events would take none just now; what is for it waits"
		givesNone              = "messages are not received just now, trying again"
	)
	for name, c := range map[string]struct{ path, name, connection, entity, says, cause string }{
		"destination, wrong key":     {destinations, accounts, b.ConnectionWithWrongKey(), queue, takesNone, "the key or identity is wrong, or has no right to " + queue},
		"destination, missing topic": {destinations, accounts, b.Connection(), "nowhere", takesNone, "there is no nowhere at localhost:"},
		"receiver, wrong key":        {receivers, paid, b.ConnectionWithWrongKey(), queue, givesNone, "the key or identity is wrong, or has no right to " + queue},
		"receiver, missing queue":    {receivers, paid, b.Connection(), "nowhere", givesNone, "there is no nowhere at localhost:"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, logs := withBroker(t, c.path, map[string]any{"name": c.name, "url": "servicebus:///" + c.entity, "connection_string": c.connection})
			defer a.Close(context.Background())
			require.NoError(t, a.Open(t.Context()))
			stop, err := a.StartWorker(t.Context())
			require.NoError(t, err)
			text := logs.waitFor(t, c.says)
			stop()
			var line struct {
				Level       string `json:"level"`
				Msg         string `json:"msg"`
				Destination string `json:"destination"`
				Receiver    string `json:"receiver"`
				Cause       string `json:"cause"`
			}
			require.NoError(t, json.Unmarshal([]byte(text), &line))
			require.Equal(t, "WARN", line.Level)
			require.Equal(t, c.says, line.Msg)
			require.Equal(t, c.name, strings.TrimPrefix(line.Destination, "servicebus.")+line.Receiver)
			require.Contains(t, line.Cause, c.cause)
			require.NotContains(t, line.Cause, "\n")
			require.NotContains(t, text, "SharedAccessKey")
			for len(logs) > 0 {
				require.NotContains(t, <-logs, c.says, "it is said once")
			}
		})
	}
}
