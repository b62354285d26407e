package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/testkit"
)

// jobLine is a job as the commands print it.
type jobLine struct {
	ID        int64          `json:"id"`
	Kind      string         `json:"kind"`
	Queue     string         `json:"queue"`
	State     string         `json:"state"`
	Cancelled bool           `json:"cancelled"`
	Attempt   int            `json:"attempt"`
	Args      map[string]any `json:"args"`
	Failures  []struct {
		Attempt int    `json:"attempt"`
		Cause   string `json:"cause"`
	} `json:"failures"`
}

type jobPage struct {
	Items      []jobLine `json:"items"`
	NextCursor *string   `json:"next_cursor"`
}

func jobsIn(t *testing.T, r result) (p jobPage) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(succeed(t, r).out), &p), r.out)
	require.NotNil(t, p.Items)
	return p
}

func jobIn(t *testing.T, r result) (j jobLine) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(succeed(t, r).out), &j), r.out)
	return j
}

func TestJobsAreListedAndShown(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		command := beside(t, db)
		empty := succeed(t, command("jobs", "list"))
		require.Empty(t, empty.out)
		require.Equal(t, "there is no such job\n", empty.err)
		require.Empty(t, jobsIn(t, command("jobs", "list", "--json")).Items)
		for _, address := range []string{"ada@example.com", "b@example.com", "c@example.com"} {
			invite(t, api, address, "Ada", account.RoleUser)
		}
		first := jobsIn(t, command("jobs", "list", "--limit", "2", "--json"))
		require.Len(t, first.Items, 2)
		rest := jobsIn(t, command("jobs", "list", "--limit", "2", "--cursor", *first.NextCursor, "--json"))
		require.Len(t, rest.Items, 1)
		require.Nil(t, rest.NextCursor)
		j := rest.Items[0]
		require.Equal(t, "auth.mail", j.Kind)
		require.Equal(t, "mail", j.Queue)
		require.Equal(t, "available", j.State)
		require.Equal(t, "ada@example.com", j.Args["address"])
		require.Equal(t, "invitation", j.Args["mail"])
		require.Equal(t, "[redacted]", j.Args["id"], "a token follows from it")

		shown := succeed(t, command("jobs", "list", "--limit", "2"))
		require.Regexp(t, `(?m)^ID +KIND +QUEUE +STATE +ATTEMPTS +CREATED AT +DUE AT +LAST FAILURE$`, shown.out)
		require.Regexp(t, `(?m)^\d+ +auth.mail +mail +available +0 of 13 +\S+Z +\S+Z +-$`, shown.out)
		require.Regexp(t, `^there is more: --cursor \d+ goes on\n$`, shown.err)
		for _, flags := range [][]string{{"--state", "completed"}, {"--kind", "auth.male"}, {"--queue", "default"}, {"--state", "running,retryable", "--state", "discarded"}} {
			require.Empty(t, succeed(t, command(append([]string{"jobs", "list"}, flags...)...)).out, "%v", flags)
		}
		require.Len(t, jobsIn(t, command("jobs", "list", "--state", "available", "--kind", "auth.mail", "--queue", "mail", "--json")).Items, 3)

		one := succeed(t, command("jobs", "show", strconv.FormatInt(j.ID, 10)))
		for _, line := range []string{`id +` + strconv.FormatInt(j.ID, 10), `kind +auth.mail`, `state +available`, `attempts +0 of 13`, `last attempt at +-`, `ended at +-`,
			`args.address +ada@example.com`, `args.id +\[redacted\]`, `args.mail +invitation`} {
			require.Regexp(t, `(?m)^`+line+`$`, one.out)
		}
		require.Equal(t, j, jobIn(t, command("jobs", "show", strconv.FormatInt(j.ID, 10), "--json")))
	})
}

func TestADeadMailIsSentOnceItCanBe(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		folder := filepath.Join(t.TempDir(), "mail")
		require.NoError(t, os.WriteFile(folder, nil, 0o600)) // where the folder would be
		api := testkit.Serve(t, db, testkit.WithSetting("mail.url", "dir:"+folder))
		invite(t, api, "ada@example.com", "Ada", account.RoleUser)
		command := beside(t, db)
		api.WorkJobs()
		waiting := jobsIn(t, command("jobs", "list", "--json")).Items
		require.Len(t, waiting, 1)
		require.Equal(t, 1, waiting[0].Attempt)
		require.Len(t, waiting[0].Failures, 1)
		require.NotEmpty(t, waiting[0].Failures[0].Cause)
		id := strconv.FormatInt(waiting[0].ID, 10)
		require.Regexp(t, `(?m)^ATTEMPT +FAILED AT +CAUSE$`, succeed(t, command("jobs", "show", id)).out)

		_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE river_job SET max_attempts = 2`) // as if twelve more had failed
		require.NoError(t, err)
		succeed(t, command("jobs", "retry", id))
		api.WorkJobs()
		require.Equal(t, "discarded", jobIn(t, command("jobs", "show", id, "--json")).State)

		before := len(rowsOf(t, command, "job.retry"))
		require.NoError(t, os.Remove(folder))
		require.Equal(t, "to be worked: "+id+" auth.mail\n", succeed(t, command("jobs", "retry", id)).out)
		again := command("jobs", "retry", id, "--json")
		require.Equal(t, "available", jobIn(t, again).State)
		require.Equal(t, id+" auth.mail waits for a worker already\n", again.err)
		api.WorkJobs()
		setPassword(t, api, api.LastMailTo("ada@example.com"), testkit.Password)
		api.Post("/auth/login", map[string]string{"email": "ada@example.com", "password": testkit.Password}).Status(http.StatusOK)
		r := command("jobs", "retry", id)
		require.Equal(t, 1, r.code)
		require.Equal(t, "gatehouse: the job is done already\n", r.err)
		require.Len(t, rowsOf(t, command, "job.retry"), before+1, "the others did nothing")
	})
}

func TestAMailThatIsCancelledIsNotSent(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		invite(t, api, "ada@example.com", "Ada", account.RoleUser)
		command := beside(t, db)
		id := strconv.FormatInt(jobsIn(t, command("jobs", "list", "--json")).Items[0].ID, 10)
		require.Equal(t, "cancelled: "+id+" auth.mail\n", succeed(t, command("jobs", "cancel", id)).out)
		require.Equal(t, id+" auth.mail is cancelled already\n", succeed(t, command("jobs", "cancel", id)).out)
		require.True(t, jobIn(t, command("jobs", "cancel", id, "--json")).Cancelled)
		api.WorkJobs()
		require.Empty(t, api.Mail())
		number, err := strconv.ParseFloat(id, 64)
		require.NoError(t, err)
		require.Equal(t, []auditLine{{"job.cancel", map[string]any{"job_id": number, "kind": "auth.mail"}}}, rowsOf(t, command, "job."), "and nobody's address")
	})
}

func TestWrongUsageOfJobsCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Zero(t, run(t, dir, "", "migrate", "up").code)
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no job":            {[]string{"show"}, 2, "name one job by its id, a number; see gatehouse jobs show --help"},
		"no number":         {[]string{"retry", "x"}, 2, "name one job by its id"},
		"a negative number": {[]string{"cancel", "--", "-1"}, 2, "name one job by its id"},
		"an unknown state":  {[]string{"list", "--state", "dead"}, 2, `--state "dead": expected available, scheduled, running`},
		"a limit":           {[]string{"list", "--limit", "0"}, 2, "--limit must be from 1 to 100"},
		"a cursor":          {[]string{"list", "--cursor", "x"}, 2, "--cursor is not a cursor of this list"},
		"to show":           {[]string{"show", "1"}, 1, "there is no such job"},
		"to retry":          {[]string{"retry", "1"}, 1, "there is no such job"},
		"to cancel":         {[]string{"cancel", "1"}, 1, "there is no such job"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, dir, "", append([]string{"jobs"}, c.args...)...)
			require.Equal(t, c.code, r.code, r.err)
			require.Contains(t, r.err, c.says)
			require.Empty(t, r.out)
		})
	}
	unset := run(t, t.TempDir(), "", "jobs", "list")
	require.Equal(t, 1, unset.code)
	require.Contains(t, unset.err, "nothing was set up there yet")
}
