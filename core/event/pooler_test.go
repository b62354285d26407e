package event_test

import (
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
)

// TestBehindAPoolerEachEventIsDeliveredOnceAndInOrder has two workers and twelve writers at five connections to the server.
func TestBehindAPoolerEachEventIsDeliveredOnceAndInOrder(t *testing.T) {
	t.Parallel()
	if os.Getenv(databasetest.PgBouncerVariable) == "" {
		return
	}
	db, l := databasetest.Pooled(t), newLog()
	s := setup{subscriptions: []event.Subscription{l.reads("notes.index", nil)}}
	p := open(t, db, s)
	for range 2 {
		open(t, db, s).start(t)
	}
	const each = 25
	owners := make([]account.ID, 12)
	var group sync.WaitGroup
	for i := range owners {
		owners[i] = account.NewID()
		group.Go(func() {
			for n := range each {
				p.write(t, owners[i], n)
			}
		})
	}
	group.Wait()
	l.wait(t, len(owners)*each)
	for _, o := range owners {
		require.Equal(t, upTo(each), l.numbers(o))
	}
	seen := map[uuid.UUID]bool{}
	for _, id := range l.ids() {
		require.False(t, seen[id], "an event came twice")
		seen[id] = true
	}
	require.Zero(t, p.count(t, "gatehouse_event_deliveries"), "none failed")
}
