package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/cli"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/modules/users"
	"github.com/gatehouse/gatehouse/testkit"
)

// withGreeter appends a module that cannot take those who have just come.
func withGreeter(s *app.Stores) ([]module.Module, error) {
	modules, err := app.Standard(s)
	return append(modules, module.Module{Name: "greeter", Subscribes: []event.Subscription{
		event.Subscribe("greeter.welcome", event.On(func(context.Context, *database.Tx, event.Received[users.Registered]) error {
			return errors.New("nobody is\tat the door")
		})),
	}}), err
}

func runEvents(t *testing.T, dir string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := cli.Run(t.Context(), withGreeter, append([]string{"--data-dir", dir, "events"}, args...), cli.IO{Out: &out, Err: &errs})
	return result{code, out.String(), errs.String()}
}

// workEvents hands on what there is, as a worker does.
func workEvents(t *testing.T, dir string) {
	t.Helper()
	a, err := app.New(withGreeter, app.Options{Logs: &bytes.Buffer{}})
	require.NoError(t, err)
	_, err = a.Load(config.Source{Args: map[string]string{"data_dir": dir, "events.max_attempts": "1"}})
	require.NoError(t, err)
	require.NoError(t, a.Open(t.Context()))
	defer a.Close(context.Background())
	require.NoError(t, a.WorkJobs(t.Context()))
}

func TestEventsAreListedShownReplayedAndTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Zero(t, runEvents(t, dir, "list").code) // the subscription is there from now on
	made := run(t, dir, "Difference-Engine-1842\n", "user", "create", "--email", "ada@example.com", "--full-name", "Ada", "--password-stdin", "--json")
	require.Zero(t, made.code, made.err)
	var u struct {
		ID string `json:"id"`
	}
	require.NoError(t, json.Unmarshal([]byte(made.out), &u))

	list := runEvents(t, dir, "list", "--user", u.ID)
	require.Zero(t, list.code, list.err)
	require.Regexp(t, `(?m)^NUMBER +ID +TIME +TYPE +USER$`, list.out)
	require.Regexp(t, `(?m)^- +\S+ +\S+ +gatehouse\.user\.registered\.v1 +`+u.ID+`$`, list.out)
	var all []struct {
		ID   string         `json:"id"`
		Data map[string]any `json:"data"`
	}
	require.NoError(t, json.Unmarshal([]byte(runEvents(t, dir, "list", "--json", "--type", "gatehouse.user.registered.v1").out), &all))
	require.Len(t, all, 1)
	require.Equal(t, "ada@example.com", all[0].Data["email"])
	require.Contains(t, runEvents(t, dir, "replay", all[0].ID).err, "on its way to every destination already")

	workEvents(t, dir)
	show := runEvents(t, dir, "show", all[0].ID)
	require.Zero(t, show.code, show.err)
	require.Contains(t, show.out, `"specversion": "1.0"`)
	require.Regexp(t, `(?m)^greeter\.welcome +dead +\S+ +gatehouse\.user\.registered\.v1 +1 +- +\S+ +nobody is at the door$`, show.out)
	require.Contains(t, runEvents(t, dir, "show", "--json", all[0].ID).out, `"state": "dead"`)
	require.Contains(t, runEvents(t, dir, "dead").out, "greeter.welcome")
	require.Equal(t, "deliveries on their way again: 1\n", runEvents(t, dir, "dead", "--retry", all[0].ID).out)
	require.NotContains(t, runEvents(t, dir, "dead").out, "greeter.welcome")
	workEvents(t, dir)
	require.Contains(t, runEvents(t, dir, "dead", "--destination", "greeter.welcome", "--json").out, all[0].ID)
	require.Equal(t, "deliveries on their way again: 1\n", runEvents(t, dir, "replay", "--since", "2020-01-01T00:00:00Z").out)
	require.Equal(t, "deliveries on their way again: 0\n", runEvents(t, dir, "replay", "--since", "2020-01-01T00:00:00Z", "--until", "2020-01-02T00:00:00Z").out)
	require.Equal(t, "deliveries on their way again: 1\n", runEvents(t, dir, "replay", all[0].ID, "--destination", "greeter.welcome").out)
}

func TestWhatOperatorsDoToEventsIsInTheAuditTrail(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db, testkit.WithBuild(withGreeter), testkit.WithSetting("events.max_attempts", "1"))
		command := beside(t, db)
		api.User()
		api.WorkJobs()
		const name, from, to = "gatehouse.user.registered.v1", "2020-01-01T00:00:00.000000Z", "2120-01-01T00:00:00.000000Z"
		var all []struct {
			ID string `json:"id"`
		}
		require.NoError(t, json.Unmarshal([]byte(succeed(t, command("events", "list", "--json", "--type", name)).out), &all))
		require.Len(t, all, 1)
		id := all[0].ID
		for _, args := range []string{
			"replay " + id, "replay --since 2020-01-01T01:00:00+01:00 --until " + to + " --type " + name + " --destination greeter.welcome",
			"replay --since " + to, "work", "dead --retry " + id + " " + id, "work", "dead --retry --destination greeter.welcome", "dead --retry",
		} {
			if args == "work" {
				api.WorkJobs()
				continue
			}
			succeed(t, command(append([]string{"events"}, strings.Fields(args)...)...))
		}
		require.Equal(t, 1, command("events", "replay", id, "--destination", "nobody").code)
		require.Equal(t, []auditLine{
			{"event.replay", map[string]any{"event_id": id, "deliveries": 1.0}},
			{"event.replay", map[string]any{"since": from, "until": to, "type": name, "destination": "greeter.welcome", "deliveries": 1.0}},
			{"event.retry", map[string]any{"event_id": id, "deliveries": 1.0}},
			{"event.retry", map[string]any{"destination": "greeter.welcome", "deliveries": 1.0}},
		}, rowsOf(t, command, "event."), "where nothing is offered there is none")
	})
}

func TestEventsSaysWhatIsWrongWithItsArguments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for args, says := range map[string]string{
		"list --user nobody": `--user "nobody" is no id`,
		"list --limit 0":     "--limit must be between 1 and 10000",
		"show":               "give the ID of one event",
		"show x":             `"x" is no id of an event`,
		"replay":             "give the ID of an event, or --since",
		"replay x --since y": "give the ID of an event, or --since",
		"replay --since y":   `--since "y" is no time`,
		"replay --since 2026-01-31T00:00:00Z --until y": `--until "y" is no time`,
		"dead x":         "ids go with --retry",
		"dead --retry x": `"x" is no id of an event`,
	} {
		r := runEvents(t, dir, strings.Fields(args)...)
		require.Equal(t, 2, r.code, args)
		require.Contains(t, r.err, says, args)
	}
	r := runEvents(t, dir, "show", "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "there is no such event")
}
