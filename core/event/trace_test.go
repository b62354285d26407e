package event_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
)

func TestAnEventNamesTheTraceOfItsCause(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		l := newLog()
		p := open(t, db, setup{subscriptions: []event.Subscription{l.reads("notes.index", nil)}})
		traced := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1, 2, 3}, SpanID: trace.SpanID{4, 5, 6}, TraceFlags: trace.FlagsSampled,
		}))
		require.NoError(t, p.db.InTx(traced, func(ctx context.Context, tx *database.Tx) error {
			return p.Append(ctx, tx, notes(account.NewID(), 1)...)
		}))
		p.write(t, account.NewID(), 2)
		p.drain(t)
		require.Equal(t, "00-01020300000000000000000000000000-0405060000000000-01", l.all[0].TraceParent)
		require.Empty(t, l.all[1].TraceParent)
	})
}
