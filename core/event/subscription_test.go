package event_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/postgrestest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/push"
)

func hasPostgres() bool { return postgrestest.Exists() }

func TestASubscriptionThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	o := event.NewOutbox(&push.Bus{})
	event.Declare[written](o, "somebody wrote a note")
	read := event.On(func(context.Context, *database.Tx, event.Received[written]) error { return nil })
	unknown := event.On(func(context.Context, *database.Tx, event.Received[stranger]) error { return nil })
	require.NoError(t, o.Check("notes", event.Subscribe("notes.index", read)))
	for fault, s := range map[string]event.Subscription{
		"module notes subscribes as \"shop.index\", which does not begin with its name and a dot": event.Subscribe("shop.index", read),
		"event: \"notes.\" is no name for a subscription":                                         event.Subscribe("notes.", read),
		"event: subscription notes.index has no handler":                                          event.Subscribe("notes.index"),
		"event: subscription notes.index has two handlers for note.written.v1":                    event.Subscribe("notes.index", read, read),
		"event: subscription notes.index follows stranger.seen.v1, which no module declares":      event.Subscribe("notes.index", unknown),
	} {
		require.EqualError(t, o.Check("notes", s), fault)
	}
	require.EqualError(t, o.Check("notes", event.Subscribe("notes.index", read), event.Subscribe("notes.index", read)), "event: there are two subscriptions notes.index")
}
