package contract_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/testkit"
)

// commands are what the command line, brokers and a start make the database do. They come after all other flows: the last one
// ends every access token. What was told before has been numbered by then, and nobody works jobs any more.
func commands(t *testing.T, api *testkit.API, clk *clock.Fake, restart func()) []flow {
	t.Helper()
	app, events := api.App, api.App.Stores.Events
	var id uuid.UUID // of an event that has a number
	list := func(f event.Filter) (all []event.Listed) {
		all, err := events.List(t.Context(), f)
		require.NoError(t, err)
		return all
	}
	dead := func(destination string) func() {
		return func() {
			_, err := events.ListDead(t.Context(), destination, 50)
			require.NoError(t, err)
		}
	}
	offer := func(want int, again func() (int, error)) func() {
		return func() {
			n, err := again()
			require.NoError(t, err)
			require.GreaterOrEqual(t, n, want)
		}
	}
	inbox := event.Receive("flows.inbox", func(context.Context, *database.Tx, event.Message) error { return nil })
	handle := func(again bool) func() {
		return func() {
			duplicate, err := events.Handle(t.Context(), inbox, event.Message{ID: "flow"})
			require.NoError(t, err)
			require.Equal(t, again, duplicate)
		}
	}
	return []flow{
		{"events list", func() { list(event.Filter{Limit: 50}) }},
		{"events list, of a user", func() { list(event.Filter{Subject: account.NewID(), Limit: 50}) }},
		{"events list, of a type", func() {
			all := list(event.Filter{Type: "gatehouse.user.registered.v1", Limit: 50})
			i := slices.IndexFunc(all, func(e event.Listed) bool { return e.Number > 0 })
			require.GreaterOrEqual(t, i, 0)
			id = all[i].ID
		}},
		{"events show", func() {
			_, _, err := events.Find(t.Context(), id)
			require.NoError(t, err)
		}},
		{"events replay", offer(1, func() (int, error) { return app.ReplayEvent(t.Context(), "", id) })},
		{"events replay, of a time", offer(0, func() (int, error) {
			return app.ReplayEvents(t.Context(), "", event.Span{Since: clk.Now().Add(time.Hour)})
		})},
		{"events dead", dead("")},
		{"events dead, of a destination", dead("filler.events")},
		{"events dead, tried again", offer(0, func() (int, error) { return app.RetryDeadEvents(t.Context(), "") })},
		{"events dead, one of them tried again", offer(0, func() (int, error) { return app.RetryDeadEvents(t.Context(), "", id) })},
		{"receivers, a message", handle(false)},
		{"receivers, a message that comes again", handle(true)},
		{"serve, at its start", restart},
		{"keys rotate", func() {
			_, err := app.RotateKeys(t.Context())
			require.NoError(t, err)
		}},
		{"keys rotate, and revoke the old ones", func() {
			_, err := app.RevokeKeys(t.Context())
			require.NoError(t, err)
		}},
	}
}
