package event_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
)

// victimDatabase tells the process that is to be killed where its events are.
const victimDatabase = "TEST_VICTIM_DATABASE"

var errNotNext = errors.New("not the next note of its owner")

// inOrder takes the next note of an owner and no other: one that came twice, or too early, is refused.
func inOrder(took func()) event.Subscription {
	return event.Subscribe("notes.index", event.On(func(ctx context.Context, tx *database.Tx, r event.Received[written]) error {
		n, err := tx.Exec(ctx, `UPDATE notes_last SET n = ? WHERE owner = ? AND n = ?`, r.Event.N, r.Event.UserID.String(), r.Event.N-1)
		if err == nil && n != 1 {
			err = errNotNext
		}
		tx.AfterCommit(took)
		return err
	}))
}

// TestKilledWorkersLoseAndDoubleNothing runs itself as the worker that is killed, again and again, in the middle of its work.
func TestKilledWorkersLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	if url := os.Getenv(victimDatabase); url != "" {
		open(t, databasetest.Database{URL: url}, setup{subscriptions: []event.Subscription{inOrder(func() { fmt.Println("took one") })}}).start(t)
		<-t.Context().Done()
		return
	}
	kills := 3
	if os.Getenv("TEST_SOAK") != "" {
		kills = 20
	}
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		took := make(chan struct{}, 1<<16)
		p := open(t, db, setup{subscriptions: []event.Subscription{inOrder(func() { took <- struct{}{} })}})
		_, err := p.db.Exec(t.Context(), `CREATE TABLE notes_last (owner TEXT PRIMARY KEY, n INTEGER NOT NULL)`)
		require.NoError(t, err)
		owners := []account.ID{account.NewID(), account.NewID(), account.NewID()}
		for _, o := range owners {
			_, err := p.db.Exec(t.Context(), `INSERT INTO notes_last (owner, n) VALUES (?, -1)`, o.String())
			require.NoError(t, err)
		}
		const each = 50
		for round := range kills {
			for _, o := range owners {
				for n := range each {
					p.write(t, o, round*each+n)
				}
			}
			killInTheMiddle(t, db, each)
			// What the dead worker holds it holds for ten seconds: TestAKilledWorkersDestinationsAreTakenOver waits for that.
			_, err := p.db.Exec(t.Context(), `UPDATE gatehouse_event_destinations SET lease_until = ?`, time.Unix(0, 0))
			require.NoError(t, err)
		}
		p.start(t)
		for _, o := range owners {
			require.Eventually(t, func() bool {
				var last int
				require.NoError(t, p.db.QueryRow(t.Context(), `SELECT n FROM notes_last WHERE owner = ?`, o.String()).Scan(&last))
				return last == kills*each-1
			}, time.Minute, 10*time.Millisecond)
		}
		require.Zero(t, p.count(t, "gatehouse_event_deliveries"), "none came twice or too early")
		require.NotContains(t, p.logs.String(), errNotNext.Error())
		require.NotEmpty(t, took, "the dead had left something")
	})
}

// killInTheMiddle starts a worker and kills it after it has handed on so many events.
func killInTheMiddle(t *testing.T, db databasetest.Database, after int) {
	t.Helper()
	victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWorkersLoseAndDoubleNothing$")
	victim.Env = append(os.Environ(), victimDatabase+"="+db.URL)
	out, err := victim.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, victim.Start())
	lines := bufio.NewScanner(out)
	for n := 0; n < after && lines.Scan(); {
		if lines.Text() == "took one" {
			n++
		}
	}
	require.NoError(t, victim.Process.Kill())
	require.Error(t, victim.Wait())
}
