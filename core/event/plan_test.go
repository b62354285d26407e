package event_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
)

// smallTables have a row for each destination, or one, or are what a statement has gathered already.
var smallTables = strings.NewReplacer("SCAN first", "", "SCAN n", "", "SCAN (subquery", "", "SCAN d", "", "SCAN gatehouse_event_destinations", "", "SCAN o", "", "Seq Scan on gatehouse_event_destinations", "", "Seq Scan on gatehouse_event_order", "")

// indexes are those of this package, the keys of its tables aside.
var indexes = []string{
	"gatehouse_events_number_key", "gatehouse_events_id_key", "gatehouse_events_subject_idx", "gatehouse_events_unnumbered_idx",
	"gatehouse_event_deliveries_number_idx", "gatehouse_event_deliveries_due_idx", "gatehouse_event_deliveries_open_idx", "gatehouse_event_deliveries_dead_idx",
	"gatehouse_event_received_at_idx",
}

// TestNoStatementOfTheRelayScansItsTables explains what a relay asks over 100,000 events, a tenth of which wait at a
// destination. No statement scans, and every index is of use to one.
func TestNoStatementOfTheRelayScansItsTables(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		var mu sync.Mutex
		distinct := map[string]database.Statement{}
		noting := false
		clk := newClock()
		refuse := func(written) error { return context.DeadlineExceeded }
		p := open(t, db, setup{
			clock: clk, settings: event.Settings{Retention: time.Hour, MaxAttempts: 2}, subscriptions: []event.Subscription{newLog().reads("notes.index", refuse), newLog().reads("notes.mirror", nil)},
			observe: func(_ context.Context, s database.Statement) {
				mu.Lock()
				defer mu.Unlock()
				if noting && strings.Contains(s.SQL, "gatehouse_") {
					distinct[s.SQL] = s
				}
			},
		})
		fill(t, p.db, clk.Now())
		mu.Lock()
		noting = true
		mu.Unlock()
		ada := account.NewID()
		p.write(t, ada, 1, 2)
		p.drain(t)
		clk.Advance(2 * time.Second)
		p.drain(t)
		all, err := p.List(t.Context(), event.Filter{Limit: 1})
		require.NoError(t, err)
		_, _, err = p.Find(t.Context(), all[0].ID)
		require.NoError(t, err)
		_, err = p.Replay(t.Context(), "", all[0].ID)
		require.NoError(t, err)
		p.drain(t)
		require.NoError(t, p.Prune(t.Context()))
		require.NoError(t, p.db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error { return p.EraseTx(ctx, tx, ada) }))
		stop := p.start(t)
		require.Eventually(t, func() bool { return p.Standing("notes.index").Behind > 0 }, 10*time.Second, 10*time.Millisecond)
		stop()
		mu.Lock()
		noting = false
		mu.Unlock()
		require.Greater(t, len(distinct), 15)
		used := ""
		for sql, s := range distinct {
			plan := explain(t, p.db, s)
			used += plan
			if strings.Contains(sql, "count(*)") {
				continue // reads what waits, to count it
			}
			checked := smallTables.Replace(plan)
			if strings.Contains(sql, "ORDER BY e.position DESC") { // from the end of the key on, as far as LIMIT
				checked = strings.ReplaceAll(checked, "SCAN e", "")
			}
			require.NotContains(t, checked, "SCAN ", "%s\n%s", sql, plan)
			require.NotContains(t, checked, "Seq Scan", "%s\n%s", sql, plan)
		}
		for _, index := range indexes {
			if index == "gatehouse_events_unnumbered_idx" && db.Engine == database.PostgreSQL {
				continue // which takes the other index on number while few have none, as here
			}
			if !strings.Contains(used, index) {
				t.Errorf("%s is of use to no statement", index)
			}
		}
	})
}

func explain(t *testing.T, db *database.DB, s database.Statement) string {
	t.Helper()
	prefix := "EXPLAIN "
	if db.Engine() == database.SQLite {
		prefix = "EXPLAIN QUERY PLAN "
	}
	rows, err := db.Query(t.Context(), prefix+s.SQL, s.Args...)
	require.NoError(t, err, s.SQL)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int64
		var detail string
		into := []any{&id, &parent, &unused, &detail}
		if db.Engine() == database.PostgreSQL {
			into = into[3:]
		}
		require.NoError(t, rows.Scan(into...))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "\n")
}

// fill writes events that both destinations have read, the last tenth of which wait at one of them.
func fill(t *testing.T, db *database.DB, now time.Time) {
	t.Helper()
	const many, batch = 100_000, 1000
	require.NoError(t, db.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
		for start := 1; start <= many; start += batch {
			var events, deliveries, received []any
			for n := start; n < start+batch; n++ {
				subject := account.NewID()
				events = append(events, n, uuid.Must(uuid.NewV7()), "gatehouse.note.ignored.v1", "urn:test", subject, now, "{}")
				if n > many-many/10 {
					received = append(received, "notes.inbox", subject.String(), now)
					deliveries = append(deliveries, n, "notes.index", subject, 1, now.Add(time.Hour))
				}
			}
			if err := insert(ctx, tx, "gatehouse_events (number, id, type, source, subject, occurred_at, data)", 7, events); err != nil {
				return err
			}
			if err := insert(ctx, tx, "gatehouse_event_received (receiver, message_id, at)", 3, received); err != nil {
				return err
			}
			if err := insert(ctx, tx, "gatehouse_event_deliveries (number, destination, subject, attempts, due_at)", 5, deliveries); err != nil {
				return err
			}
		}
		for _, sql := range []string{`UPDATE gatehouse_event_order SET last = 100000`, `UPDATE gatehouse_event_destinations SET read_to = 100000`, `ANALYZE`} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	}))
}

func insert(ctx context.Context, tx *database.Tx, into string, columns int, args []any) error {
	if len(args) == 0 {
		return nil
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
	_, err := tx.Exec(ctx, "INSERT INTO "+into+" VALUES "+strings.TrimSuffix(strings.Repeat(one+",", len(args)/columns), ","), args...)
	return err
}
