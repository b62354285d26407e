package contract_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

// tablesAboutNobody hold nothing about a user. A new table is about users, or is named here with its reason.
var tablesAboutNobody = []string{
	"gatehouse_migrations", "gatehouse_installation", "gatehouse_signing_keys", // of the installation
	"gatehouse_event_order", "gatehouse_event_destinations", // of what is told, and whom
	"gatehouse_audit_head", "gatehouse_audit_seals", // of rows' digests
	"gatehouse_event_received",        // of messages from outside, by their ids
	"webhooks", "webhooks_deliveries", // of receivers, and of what was sent to them, by the ids of events
	"gatehouse_event_deliveries", // of subscribers, of which there are none here: core/event looks at what stays of it
}

// toldAbout keep that something happened to an account, by its id, until that expires; nothing personal.
var toldAbout = []string{"gatehouse_events", "gatehouse_audit", "gatehouse_audit_erasures"}

// TestNothingIsLeftOfADeletedUser counts the rows of every table before a user comes, with everything that a user can have,
// and after they were deleted, and looks for what they brought. A table that a module forgets to erase fails it, and so
// does one that the user's life here does not fill.
func TestNothingIsLeftOfADeletedUser(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, append(wideLimits(), testkit.WithClock(clk), testkit.WithSetting("http.trusted_proxies", "127.0.0.0/8"))...)
		admin := api.Admin()
		before := rowsOf(t, api.App.Stores.DB)

		const agent, addr, name = "agent-of-the-deleted", "203.0.113.77", "Name of the Deleted"
		theirs := api.WithHeader("User-Agent", agent).WithHeader("X-Forwarded-For", addr)
		u := theirs.User(func(u *testkit.User) { u.FullName = name })
		mailedTokens(t, api, u)
		for _, from := range []*testkit.API{theirs, api} { // one who is known, and a stranger
			from.Post("/auth/login", map[string]string{"email": u.Email, "password": "x"}).Status(http.StatusBadRequest)
		}
		during := rowsOf(t, api.App.Stores.DB)
		for _, table := range slices.Sorted(maps.Keys(during)) {
			if !slices.Contains(tablesAboutNobody, table) && table != "gatehouse_audit_erasures" { // which the deletion fills
				require.Greater(t, len(during[table]), len(before[table]), "nothing of a user is in %s: give this user some, or say why nobody has any", table)
			}
		}

		api.As(admin).Delete("/users/"+u.ID.String(), nil).Status(http.StatusNoContent)
		require.NoError(t, api.App.Stores.Audit.Flush(t.Context(), true)) // what was refused before
		after := rowsOf(t, api.App.Stores.DB)
		for table, rows := range after {
			mine := []string{u.Email, agent, addr, name}
			if !slices.Contains(toldAbout, table) {
				require.Len(t, rows, len(before[table]), "%s keeps something of a deleted user", table)
				mine = append(mine, u.ID.String())
			}
			for _, row := range rows {
				for _, mine := range mine {
					require.NotContains(t, row, mine, table)
				}
			}
		}
	})
}

// rowsOf gives every row of our tables as text. The job queue is a library's: what it keeps of a job that has ended goes by
// itself, within the time that docs/explanation/jobs.md says.
func rowsOf(t *testing.T, db *database.DB) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, table := range tables(t, db) {
		columns := columnsOf(t, db, table)
		texts := make([]string, len(columns))
		for i, c := range columns {
			texts[i] = "COALESCE(CAST(" + c + " AS TEXT), '')"
			if db.Engine() == database.SQLite {
				texts[i] = "COALESCE(CASE typeof(" + c + ") WHEN 'blob' THEN hex(" + c + ") ELSE CAST(" + c + " AS TEXT) END, '')"
			}
		}
		all[table] = textsOf(t, db, "SELECT "+strings.Join(texts, " || ' ' || ")+" FROM "+table)
	}
	return all
}

func columnsOf(t *testing.T, db *database.DB, table string) []string {
	t.Helper()
	query := `SELECT name FROM pragma_table_info(?)`
	if db.Engine() == database.PostgreSQL {
		query = `SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ?`
	}
	return textsOf(t, db, query, table)
}

func textsOf(t *testing.T, db *database.DB, query string, args ...any) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), query, args...)
	require.NoError(t, err, query)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		all = append(all, text)
	}
	require.NoError(t, rows.Err(), fmt.Sprint(query, args))
	return all
}
