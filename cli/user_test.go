package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/cli"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/testkit"
)

// beside gives what runs commands on the database of a running server, from a folder of their own.
func beside(t *testing.T, db testkit.Database, settings ...string) func(args ...string) result {
	t.Helper()
	dir := t.TempDir()
	all := []string{"--data-dir", dir, "--set", "database.url=" + db.URL, "--set", "database.pool_min=0", "--set", "database.acquire_deadline=1m"}
	for _, s := range settings {
		all = append(all, "--set", s)
	}
	return func(args ...string) result {
		t.Helper()
		return runWith(t, nil, "", append(all, args...)...)
	}
}

// succeed wants the command to have done what it was asked for.
func succeed(t *testing.T, r result) result {
	t.Helper()
	require.Zero(t, r.code, r.err)
	return r
}

// userIn reads the user that a command printed.
func userIn(t *testing.T, r result) (u app.UserView) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(succeed(t, r).out), &u), r.out)
	return u
}

func TestAUserIsShownAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, u := api.Admin(), api.User(func(u *testkit.User) { u.Email = "Ada@Bücher.example" })
		api.As(u).Patch("/users/me", `{"locale":"de","timezone":"Europe/Berlin"}`).Status(http.StatusOK)
		command := beside(t, db)
		want := string(api.As(admin).Get("/users/" + u.ID.String()).Status(http.StatusOK).Body)
		for _, name := range []string{u.ID.String(), strings.ToUpper(u.ID.String()), "Ada@Bücher.example", " ada@xn--bcher-kva.example "} {
			require.JSONEq(t, want, succeed(t, command("user", "show", name, "--json")).out)
		}
		r := succeed(t, command("user", "show", u.Email))
		for _, line := range []string{
			`id +` + u.ID.String(), `email +Ada@Bücher.example`, `email verified +no`, `full name +Ada Lovelace`, `role +user`, `active +yes`,
			`avatar +-`, `locale +de`, `timezone +Europe/Berlin`, `created at +\S+Z`, `updated at +\S+Z`, `last login at +\S+Z`, `sessions +1 alive`,
			`SESSION +IP +CREATED AT +LAST USED AT +EXPIRES AT +USER AGENT`, `[0-9a-f-]{36} +127\.0\.0\.1( +\S+Z){3} +Go-http-client/1.1`,
		} {
			require.Regexp(t, `(?m)^`+line+`$`, r.out)
		}
		require.Empty(t, r.err)
	})
}

func TestOfManySessionsTheNewestAreShown(t *testing.T) {
	t.Parallel()
	db := testkit.SQLite(t)
	api := testkit.Serve(t, db)
	u := api.User()
	for range 21 {
		api.LogIn(&u)
	}
	r := succeed(t, beside(t, db)("user", "show", u.Email))
	require.Regexp(t, `(?m)^sessions +22 alive$`, r.out)
	require.Equal(t, 20, strings.Count(r.out, "Go-http-client"))
	require.Contains(t, r.err, "and 2 more")
}

func TestAStandingIsChangedOnce(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		api.Admin()
		u := api.User()
		command := beside(t, db)
		for _, c := range []struct {
			command, done, already string
			role                   account.Role
			active                 bool
		}{
			{"disable", "disabled", "is disabled already", account.RoleUser, false},
			{"enable", "enabled", "is enabled already", account.RoleUser, true},
			{"promote", "promoted", "is an administrator already", account.RoleAdmin, true},
			{"demote", "demoted", "is no administrator already", account.RoleUser, true},
		} {
			first := succeed(t, command("user", c.command, u.Email))
			require.Equal(t, fmt.Sprintf("%s %s %s\n", c.done, u.ID, u.Email), first.out)
			again := succeed(t, command("user", c.command, u.ID.String()))
			require.Equal(t, fmt.Sprintf("%s %s %s\n", u.ID, u.Email, c.already), again.out)
			r := command("user", c.command, u.Email, "--json")
			shown := userIn(t, r)
			require.Equal(t, c.role, shown.Role)
			require.Equal(t, c.active, shown.IsActive)
			require.Contains(t, r.err, c.already)
		}
	})
}

func TestTheLastAdministratorStaysWhateverTheCommand(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin := api.Admin()
		command := beside(t, db)
		for _, args := range [][]string{{"disable"}, {"demote"}, {"delete", "--yes"}} {
			r := command(append([]string{"user", args[0], admin.Email}, args[1:]...)...)
			require.Equal(t, 1, r.code)
			require.Equal(t, "gatehouse: this is the last active administrator; make another one first: gatehouse user promote or create --admin makes one\n", r.err)
			require.Empty(t, r.out)
		}
		api.As(admin).Get("/users").Status(http.StatusOK)
	})
}

// refusedWithin is what a running server may take: a second for what it remembers, and some for a busy machine.
const refusedWithin = 2 * time.Second

// TestARunningServerFollowsTheCommandLine has a server remember a session and a role before each change.
func TestARunningServerFollowsTheCommandLine(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) { followCommands(t, testkit.Serve(t, db), beside(t, db)) })
	if os.Getenv(testkit.PostgresVariable) == "" || os.Getenv(testkit.RedisVariable) == "" {
		return
	}
	t.Run("postgres and redis", func(t *testing.T) {
		t.Parallel()
		db, prefix := testkit.Postgres(t), "test-"+account.NewID().String()
		api := testkit.Serve(t, db, testkit.WithRedis(t), testkit.WithSetting("redis.prefix", prefix))
		followCommands(t, api, beside(t, db, "redis.url="+os.Getenv(testkit.RedisVariable), "redis.prefix="+prefix))
	})
}

func followCommands(t *testing.T, api *testkit.API, command func(args ...string) result) {
	t.Helper()
	other, u, gone := api.Admin(), api.Admin(), api.User()
	becomes := func(as testkit.User, path string, status int) {
		t.Helper()
		for start := time.Now(); api.As(as).Get(path).StatusCode != status; {
			require.Less(t, time.Since(start), refusedWithin, "%s", path)
		}
	}
	becomes(u, "/users", http.StatusOK)
	succeed(t, command("user", "demote", u.Email))
	becomes(u, "/users", http.StatusForbidden)
	succeed(t, command("user", "promote", u.Email))
	becomes(u, "/users", http.StatusOK)

	succeed(t, command("user", "disable", u.Email))
	becomes(u, "/users/me", http.StatusUnauthorized)
	api.Post("/auth/refresh", map[string]string{"refresh_token": u.RefreshToken}).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	api.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
	var ended struct {
		Items []struct {
			EndedReason string `json:"ended_reason"`
		} `json:"items"`
	}
	api.As(other).Get("/users/" + u.ID.String() + "/sessions?ended=true").Status(http.StatusOK).JSON(&ended)
	require.Len(t, ended.Items, 1)
	require.Equal(t, "administrator", ended.Items[0].EndedReason)
	succeed(t, command("user", "enable", u.Email))
	api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	api.LogIn(&u)

	becomes(gone, "/users/me", http.StatusOK)
	succeed(t, command("user", "delete", gone.Email, "--yes"))
	becomes(gone, "/users/me", http.StatusUnauthorized)
}

func TestNobodyIsFoundWhereThereIsNobody(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Zero(t, run(t, dir, "", "migrate", "up").code)
	for _, sub := range []string{"show", "disable", "enable", "promote", "demote", "delete", "reset"} {
		args := []string{"user", sub, "nobody@example.com"}
		if sub == "delete" {
			args = append(args, "--yes")
		}
		r := run(t, dir, "", args...)
		require.Equal(t, 1, r.code, sub)
		require.Equal(t, "gatehouse: there is no user nobody@example.com\n", r.err, sub)
		require.Empty(t, r.out, sub)
	}
	r := run(t, dir, "", "user", "show", "0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d")
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "there is no user 0190d3c4-")
}

func TestWhereNothingWasSetUpNothingIsMade(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"list"}, {"show", "a@example.com"}, {"disable", "a@example.com"}, {"delete", "a@example.com", "--yes"}, {"reset", "a@example.com"}} {
		dir := t.TempDir()
		r := run(t, dir, "", append([]string{"user"}, args...)...)
		require.Equal(t, 1, r.code)
		require.Contains(t, r.err, "nothing was set up there yet")
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, entries, args)
	}
}

func TestWrongUsageOfUserCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Zero(t, run(t, dir, "", "migrate", "up").code)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"nobody is named":      {[]string{"show"}, "name one user, by id or e-mail address; see gatehouse user show --help"},
		"two are named":        {[]string{"disable", "a@example.com", "b@example.com"}, "name one user"},
		"neither":              {[]string{"promote", "ada"}, "ada is neither a user's id nor an e-mail address"},
		"an escape":            {[]string{"promote", "ada\x1b[2J"}, `ada\u{1b}[2J is neither`},
		"no terminal":          {[]string{"delete", "a@example.com"}, "there is no terminal to ask on: confirm with --yes"},
		"no name to invite":    {[]string{"invite", "--email", "a@example.com"}, "--full-name must not be empty"},
		"no address to invite": {[]string{"invite", "--email", "ada", "--full-name", "Ada"}, "--email must be an e-mail address"},
		"an unknown role":      {[]string{"list", "--role", "root"}, `--role "root": expected user or admin`},
		"an empty role":        {[]string{"list", "--role", ""}, "expected user or admin"},
		"an empty search":      {[]string{"list", "--q", ""}, "--q is empty"},
		"both":                 {[]string{"list", "--active", "--inactive"}, "exclude each other"},
		"no time":              {[]string{"list", "--created-after", "yesterday"}, "--created-after: expected a time such as"},
		"a year too far":       {[]string{"list", "--created-before", "0000-12-31T23:00:00Z"}, "--created-before: expected a time"},
		"a limit of all":       {[]string{"list", "--all", "--limit", "3"}, "--all has no end"},
		"a limit too large":    {[]string{"list", "--limit", "101"}, "--limit must be from 1 to 100"},
		"an unknown sort":      {[]string{"list", "--sort", "age"}, "--sort is not a sort of this list"},
		"a sort of a search":   {[]string{"list", "--sort", "email", "--q", "a"}, "--sort does not go with q"},
		"a filter of a sort":   {[]string{"list", "--sort", "email", "--inactive"}, "--active goes with the created_at sorts"},
		"a forged cursor":      {[]string{"list", "--cursor", "abc"}, "--cursor is not a cursor of this list"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, dir, "", append([]string{"user"}, c.args...)...)
			require.Equal(t, 2, r.code, r.err)
			require.Contains(t, r.err, c.says)
			require.Equal(t, 1, strings.Count(r.err, "\n"), r.err)
			require.Empty(t, r.out)
		})
	}
}

func TestAProgramWithoutAccountsSaysSo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, args := range [][]string{{"migrate", "up"}, {"user", "list"}, {"user", "invite", "--email", "a@example.com", "--full-name", "A"}} {
		var out, errs logtest.Logs
		code := cli.Run(t.Context(), func(*app.Stores) ([]module.Module, error) { return nil, nil }, append(args, "--data-dir", dir),
			cli.IO{In: strings.NewReader(""), Out: &out, Err: &errs})
		if args[0] == "migrate" {
			require.Zero(t, code, errs.String())
			continue
		}
		require.Equal(t, 1, code)
		require.Equal(t, "gatehouse: this program has no accounts\n", errs.String())
	}
}

func TestACommandThatIsToldToStopSaysSo(t *testing.T) {
	t.Parallel()
	db := testkit.SQLite(t)
	u := testkit.Serve(t, db).User()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, errs logtest.Logs
	code := cli.Run(ctx, app.Standard, []string{"user", "disable", u.Email, "--data-dir", t.TempDir(), "--set", "database.url=" + db.URL},
		cli.IO{In: strings.NewReader(""), Out: &out, Err: &errs})
	require.Equal(t, 1, code)
	require.Equal(t, "gatehouse: interrupted\n", errs.String())
	require.Empty(t, out.String())
}
