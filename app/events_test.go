package app_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/modules/users"
	"github.com/gatehouse/gatehouse/testkit"
)

// hook is a destination of a module's source that takes everything, or nothing while it is away.
type hook struct {
	took chan event.Envelope
	away bool
}

func (h *hook) Name() string      { return "greetings.hook-1" }
func (h *hook) Wants(string) bool { return true }

func (h *hook) Publish(_ context.Context, batch []event.Envelope) []error {
	faults := make([]error, len(batch))
	for i, e := range batch {
		if h.away {
			faults[i] = event.Away(errors.New("away"))
			continue
		}
		h.took <- e
	}
	return faults
}

// greeting appends a module that is to greet, cannot, and tells a hook.
func greeting(h *hook) app.Build {
	return func(s *app.Stores) ([]module.Module, error) {
		modules, err := app.Standard(s)
		refuse := func(context.Context, *database.Tx, event.Received[users.Registered]) error { return errors.New("no") }
		return append(modules, module.Module{
			Name: "greetings", Subscribes: []event.Subscription{event.Subscribe("greetings.new", event.On(refuse))},
			Destinations: func(context.Context) ([]event.Destination, error) { return []event.Destination{h}, nil },
		}), err
	}
}

func metrics(t *testing.T, api *testkit.API) string {
	t.Helper()
	out := httptest.NewRecorder()
	api.App.Metrics().ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", http.NoBody))
	return out.Body.String()
}

func TestMetricsTellHowFarEachDestinationIs(t *testing.T) {
	t.Parallel()
	h := &hook{took: make(chan event.Envelope, 99), away: true}
	api := testkit.Serve(t, testkit.SQLite(t), testkit.WithBuild(greeting(h)), testkit.WithSetting("events.max_attempts", "1"))
	s := api.App.Stores
	require.NoError(t, s.DB.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
		return s.Events.AddDestination(ctx, tx, h.Name())
	}))
	api.User()
	require.NoError(t, api.App.WorkJobs(t.Context()))
	require.Contains(t, metrics(t, api), `events_deliveries_total{destination="greetings.new",outcome="dead"} 1`)
	stop, err := api.App.StartWorker(t.Context())
	require.NoError(t, err)
	defer stop()
	require.Eventually(t, func() bool { // a registration and a login wait for the hook
		all := metrics(t, api)
		return strings.Contains(all, `events_dead{destination="greetings.new"} 1`) && strings.Contains(all, `events_lag{destination="greetings"} 2`) &&
			strings.Contains(all, `events_lag{destination="greetings.new"} 0`) && !strings.Contains(all, `events_oldest_seconds{destination="greetings"} 0`+"\n")
	}, 20*time.Second, 10*time.Millisecond, "%s", metrics(t, api))
}
