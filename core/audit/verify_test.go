package audit_test

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
)

// other is a value that each column does not have in the row or the seal that is altered.
var other = map[string]map[string]string{
	"gatehouse_audit": {
		"id": `'0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d'`, "number": `100`, "occurred_at": `(SELECT x.occurred_at FROM gatehouse_audit x WHERE x.number = 1)`,
		"action": `'note.read'`, "outcome": `'refused'`, "reason": `'another'`, "actor_kind": `'operator'`, "actor": `target`, "target": `actor`, "count": `2`,
		"details": `'{"n":3}'`, "ip": `'192.0.2.9'`, "user_agent": `'curl'`, "client_salt": `email_salt`, "client_digest": `email_digest`,
		"email": `'eve@example.com'`, "email_salt": `client_salt`, "email_digest": `client_digest`, "mac": `client_digest`,
	},
	"gatehouse_audit_seals": {
		"number": `20`, "first_number": `5`, "last_number": `5`, "newest_at": `(SELECT x.newest_at FROM gatehouse_audit_seals x WHERE x.number = 1)`,
		"sealed_at": `(SELECT x.sealed_at FROM gatehouse_audit_seals x WHERE x.number = 1)`, "previous": `signature`, "entries": `signature`,
		"entries_digest": `previous`, "signature": `previous`, "dropped_at": `sealed_at`, "drop_signature": `signature`,
	},
	"gatehouse_audit_head": {"last_number": `8`, "seals": `2`, "dropped": `1`, "digest": `signature`, "signature": `digest`},
}

// place is what is altered, and its name.
var place = map[string]struct{ where, name string }{
	"gatehouse_audit": {`number = 6`, "row 6"}, "gatehouse_audit_seals": {`number = 2`, "seal 2"}, "gatehouse_audit_head": {`singleton = 1`, "head"},
}

// columnsOf reads the columns of a table out of the migration.
func columnsOf(t *testing.T, table string) []string {
	t.Helper()
	text, err := fs.ReadFile(audit.Migrations, "migrations/0001_audit.postgres.sql")
	require.NoError(t, err)
	_, body, ok := strings.Cut(string(text), "CREATE TABLE "+table+" (\n")
	require.True(t, ok)
	body, _, _ = strings.Cut(body, "\n);")
	var all []string
	for _, m := range regexp.MustCompile(`(?m)^ {4}([a-z_]+)`).FindAllStringSubmatch(body, -1) {
		all = append(all, m[1])
	}
	return all
}

// TestEveryColumnThatIsAlteredIsFoundAndNamed alters each column of a row, of a seal and of the chain's end in turn.
func TestEveryColumnThatIsAlteredIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p := open(t, db, newClock())
		p.sealed(newPeople())
		_, faults := p.verify()
		require.Empty(t, faults)
		for table, values := range other {
			for _, column := range columnsOf(t, table) {
				if column == "singleton" {
					continue // says nothing
				}
				value, ok := values[column]
				require.True(t, ok, "alter %s of %s", column, table)
				p.exec("CREATE TABLE saved AS SELECT * FROM " + table)
				p.exec(fmt.Sprintf("UPDATE %s SET %s = %s WHERE %s", table, column, value, place[table].where))
				want := []string{place[table].name}
				switch {
				case table == "gatehouse_audit" && column == "number":
					want = []string{"row 100", "row 6"} // nothing is there where it was
				case table == "gatehouse_audit_seals" && column == "number":
					want = []string{"seal 2", "seal 20"}
				}
				_, faults := p.verify()
				require.Equal(t, want, faults, "%s of %s", column, table)
				p.exec("DELETE FROM " + table)
				p.exec("INSERT INTO " + table + " SELECT * FROM saved")
				p.exec("DROP TABLE saved")
			}
		}
		_, faults = p.verify()
		require.Empty(t, faults)
	})
}

// TestWhatIsRemovedAddedOrMovedIsFoundAndNamed does what somebody could do who can write to the database.
func TestWhatIsRemovedAddedOrMovedIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	const columns = `number, occurred_at, action, outcome, reason, actor_kind, actor, target, count, details, ip, user_agent, client_salt, client_digest, email, email_salt, email_digest, mac`
	stranger := `INSERT INTO gatehouse_audit (id, ` + columns + `) SELECT '0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d', %s` + strings.TrimPrefix(columns, "number") + ` FROM gatehouse_audit WHERE number = 9`
	forget := `UPDATE gatehouse_audit SET ip = NULL, user_agent = NULL, client_salt = NULL WHERE number = 4`
	for _, c := range []struct {
		name string
		do   []string
		want []string
	}{
		{"the first row removed", []string{`DELETE FROM gatehouse_audit WHERE number = 1`}, []string{"row 1"}},
		{"a middle row removed", []string{`DELETE FROM gatehouse_audit WHERE number = 5`}, []string{"row 5"}},
		{"the last row removed", []string{`DELETE FROM gatehouse_audit WHERE number = 9`}, []string{"row 9"}},
		{"a batch removed", []string{`DELETE FROM gatehouse_audit WHERE number BETWEEN 4 AND 6`}, []string{"row 4", "row 5", "row 6"}},
		{"two rows swapped", []string{`UPDATE gatehouse_audit SET number = -1 WHERE number = 4`, `UPDATE gatehouse_audit SET number = 4 WHERE number = 8`, `UPDATE gatehouse_audit SET number = 8 WHERE number = -1`}, []string{"row 4", "row 8"}},
		{"rows moved up over a removed one", []string{`DELETE FROM gatehouse_audit WHERE number = 7`, `UPDATE gatehouse_audit SET number = 7 WHERE number = 8`, `UPDATE gatehouse_audit SET number = 8 WHERE number = 9`}, []string{"row 7", "row 8", "row 9"}},
		{"a row put in another's place", []string{`DELETE FROM gatehouse_audit WHERE number = 5`, fmt.Sprintf(stranger, "5")}, []string{"row 5"}},
		{"a row added behind the seals", []string{fmt.Sprintf(stranger, "10")}, []string{"row 10"}},
		{"a row added before them", []string{fmt.Sprintf(stranger, "0")}, []string{"row unsealed"}},
		{"a row added that is still to be sealed", []string{fmt.Sprintf(stranger, "CAST(NULL AS INTEGER)")}, []string{"row unsealed"}},
		{"the first seal removed", []string{`DELETE FROM gatehouse_audit_seals WHERE number = 1`}, []string{"seal 1"}},
		{"a middle seal removed", []string{`DELETE FROM gatehouse_audit_seals WHERE number = 2`}, []string{"seal 2"}},
		{"the last seal removed", []string{`DELETE FROM gatehouse_audit_seals WHERE number = 3`}, []string{"row 7", "row 8", "row 9", "seal 3"}},
		{"the end cut off", []string{`DELETE FROM gatehouse_audit_seals WHERE number = 3`, `DELETE FROM gatehouse_audit WHERE number > 6`}, []string{"seal 3"}},
		{"everything removed", []string{`DELETE FROM gatehouse_audit_seals`, `DELETE FROM gatehouse_audit`}, []string{"seal 1", "seal 2", "seal 3"}},
		{"the chain's end removed", []string{`DELETE FROM gatehouse_audit_head`}, []string{"head"}},
		{"the chain begun anew", []string{`DELETE FROM gatehouse_audit_seals`, `UPDATE gatehouse_audit SET number = NULL`, `UPDATE gatehouse_audit_head SET last_number = 0, seals = 0, digest = NULL, signature = signature`}, []string{"head"}},
		{"a drop that no worker did", []string{`DELETE FROM gatehouse_audit WHERE number <= 3`, `UPDATE gatehouse_audit_seals SET entries = NULL, dropped_at = sealed_at, drop_signature = signature WHERE number = 1`}, []string{"row 1", "row 2", "row 3", "seal 1"}},
		{"an address taken out", []string{forget}, []string{"row 4"}},
		{"an address taken out, and an erasure made up", []string{forget, `INSERT INTO gatehouse_audit_erasures (account, erased_at, mac) SELECT actor, occurred_at, mac FROM gatehouse_audit WHERE number = 4`}, []string{"row 4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
				p := open(t, db, newClock())
				p.sealed(newPeople())
				for _, sql := range c.do {
					p.exec(sql)
				}
				_, faults := p.verify()
				require.Equal(t, c.want, faults)
			})
		})
	}
}

// TestAnAnchorFindsADatabaseThatWasPutBack puts everything back to how it was after two batches, the chain's end included:
// from the inside nothing is wrong with that.
func TestAnAnchorFindsADatabaseThatWasPutBack(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p, who := open(t, db, newClock()), newPeople()
		p.write(audit.Act{Action: write, Actor: who.ada})
		p.seal()
		earlier, _ := p.verify()
		p.exec(`CREATE TABLE saved AS SELECT * FROM gatehouse_audit_head`)
		p.write(audit.Act{Action: write, Actor: who.admin})
		p.seal()
		found, faults := p.verify(anchorOf(t, earlier.Anchor))
		require.Empty(t, faults)
		require.Contains(t, p.logs.String(), strings.TrimPrefix(found.Anchor, "2:"), "workers log each seal")

		p.exec(`DELETE FROM gatehouse_audit WHERE number = 2`)
		p.exec(`DELETE FROM gatehouse_audit_seals WHERE number = 2`)
		p.exec(`UPDATE gatehouse_audit_head SET last_number = 1, seals = 1, digest = (SELECT digest FROM saved), signature = (SELECT signature FROM saved)`)
		_, faults = p.verify()
		require.Empty(t, faults)
		_, faults = p.verify(anchorOf(t, found.Anchor))
		require.Equal(t, []string{"seal 2"}, faults)
	})
}

func anchorOf(t *testing.T, text string) audit.Anchor {
	t.Helper()
	number, digest, _ := strings.Cut(text, ":")
	n, err := strconv.ParseInt(number, 10, 64)
	require.NoError(t, err)
	raw, err := hex.DecodeString(digest)
	require.NoError(t, err)
	return audit.Anchor{Seal: n, Digest: raw}
}

func TestTheUnsealedEndIsToldAsSuch(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		p, who := open(t, db, newClock()), newPeople()
		p.sealed(who)
		p.write(audit.Act{Action: write, Actor: who.ada}, audit.Act{Action: write, Actor: who.ada})
		found, faults := p.verify()
		require.Empty(t, faults)
		require.Equal(t, []int64{9, 2, 3, 0, 9}, []int64{found.Rows, found.Unsealed, found.Seals, found.Dropped, found.LastRow})
	})
}
