package cli_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/testkit"
)

// auditLine is what a row says of an act without a target.
type auditLine struct {
	action  string
	details map[string]any
}

// rowsOf exports what the operator did, and gives the acts whose names begin so, the oldest first.
func rowsOf(t *testing.T, command func(args ...string) result, prefix string) (lines []auditLine) {
	t.Helper()
	for line := range strings.Lines(succeed(t, command("audit", "export")).out) {
		var e audit.Entry
		require.NoError(t, json.Unmarshal([]byte(line), &e))
		if strings.HasPrefix(e.Action, prefix) {
			require.Equal(t, []any{audit.Operator, audit.Done}, []any{e.Actor, e.Outcome})
			lines = append(lines, auditLine{e.Action, e.Details})
		}
	}
	return lines
}

func TestTheAuditTrailIsListedExportedAndVerified(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		command := beside(t, db)
		ada := api.User()
		api.Post("/auth/login", map[string]string{"email": ada.Email, "password": "x"}).Status(http.StatusBadRequest)
		require.NoError(t, api.App.Stores.Audit.Flush(t.Context(), true))
		succeed(t, command("user", "promote", ada.ID.String()))
		require.NoError(t, api.App.Stores.Audit.Seal(t.Context()))
		succeed(t, command("user", "demote", api.Admin().ID.String()))

		list := succeed(t, command("audit", "list", "--target", ada.ID.String()))
		require.Regexp(t, `(?m)^NUMBER +TIME +ACTION +OUTCOME +REASON +COUNT +ACTOR +TARGET +IP$`, list.out)
		require.Regexp(t, `(?m)^4 +\S+ +user\.role +done +- +1 +operator +`+ada.ID.String()+` +-$`, list.out)
		require.Regexp(t, `(?m)^3 +\S+ +login +failed +invalid_credentials +1 +anonymous +`+ada.ID.String()+` +127\.0\.0\.1$`, list.out)
		var p page.Page[audit.Entry]
		got := succeed(t, command("audit", "list", "--limit", "1", "--json"))
		require.NoError(t, json.Unmarshal([]byte(got.out), &p))
		require.Len(t, p.Items, 1)
		require.Nil(t, p.Items[0].Number, "not sealed yet")
		require.Contains(t, succeed(t, command("audit", "list", "--limit", "1")).err, "--cursor ")
		require.Contains(t, succeed(t, command("audit", "list", "--cursor", *p.NextCursor, "--limit", "1")).out, "login")
		require.Contains(t, succeed(t, command("audit", "list", "--action", "nothing")).err, "there is no such row")
		require.Empty(t, succeed(t, command("audit", "list", "--actor", ada.ID.String(), "--outcome", "refused")).out)

		export := succeed(t, command("audit", "export"))
		lines := strings.Split(strings.TrimSpace(export.out), "\n")
		require.Len(t, lines, 7)
		var first audit.Entry
		require.NoError(t, json.Unmarshal([]byte(lines[0]), &first))
		require.Equal(t, []any{"user.create", audit.Operator, int64(1)}, []any{first.Action, first.Actor, *first.Number})
		tomorrow := time.Now().Add(48 * time.Hour).UTC().Format(time.DateOnly)
		require.Empty(t, succeed(t, command("audit", "export", "--from", tomorrow)).out)
		require.Equal(t, export.out, succeed(t, command("audit", "export", "--to", tomorrow)).out)

		verified := succeed(t, command("audit", "verify"))
		require.Regexp(t, `^rows: 4 sealed, 3 not yet, 0 with something personal erased\nseals: 1, of 0 of which the rows are past their retention\nanchor: 1:[0-9a-f]{64}\n$`, verified.out)
		_, anchor, _ := strings.Cut(strings.TrimSpace(verified.out), "anchor: ")
		succeed(t, command("audit", "verify", "--anchor", anchor))
		require.Contains(t, succeed(t, command("audit", "verify", "--json")).out, `"faults": []`)
		_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE gatehouse_audit SET action = 'logout' WHERE number = 3`)
		require.NoError(t, err)
		bad := command("audit", "verify", "--anchor", "2"+anchor[1:])
		require.Equal(t, 1, bad.code)
		require.Regexp(t, `(?m)^row 3 \(\S+\): it was changed, or added by a stranger$`, bad.out)
		require.Regexp(t, `(?m)^seal 2: it is not there, and was when it was noted$`, bad.out)
		require.Contains(t, bad.err, "not as it was written: 2 faults")
		require.Equal(t, 1, command("audit", "verify", "--json").code)
	})
}

func TestAuditSaysWhatIsWrongWithItsArguments(t *testing.T) {
	t.Parallel()
	db := testkit.SQLite(t)
	testkit.Serve(t, db)
	command := beside(t, db)
	for args, says := range map[string]string{
		"list --actor ada":       `--actor "ada" is no id`,
		"list --target 1":        `--target "1" is no id`,
		"list --outcome good":    `--outcome "good": expected done, failed or refused`,
		"list --from yesterday":  "--from: expected a time",
		"list --limit 0":         "--limit must be from 1 to 100",
		"list --cursor x":        "--cursor is not a cursor",
		"list --ip here":         "--ip is no address",
		"export --to now":        "--to: expected a time",
		"verify --anchor 1":      `--anchor "1": write it as number:digest`,
		"verify --anchor x:00ff": `--anchor "x:00ff": write it as number:digest`,
	} {
		r := command(append([]string{"audit"}, strings.Fields(args)...)...)
		require.Equal(t, 2, r.code, args)
		require.Contains(t, r.err, says, args)
	}
	r := runWith(t, nil, "", "--data-dir", t.TempDir(), "audit", "verify")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "nothing was set up there yet")
}
