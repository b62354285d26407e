package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/testkit"
)

// invite makes an account without a password, which is quick.
func invite(t *testing.T, api *testkit.API, address, name string, role account.Role) app.User {
	t.Helper()
	email, err := account.ParseEmail(address)
	require.NoError(t, err)
	u, err := api.App.Stores.Accounts.Invite(t.Context(), app.Invitation{Email: email, FullName: name, Role: role})
	require.NoError(t, err)
	return u
}

func TestUsersAreListedAsTheAPIDoes(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin := api.User(func(u *testkit.User) { u.Role, u.FullName = account.RoleAdmin, "Root" })
		first := invite(t, api, "ada@example.com", "Ada Lovelace", account.RoleUser)
		invite(t, api, "charles@example.com", "Adam Babbage", account.RoleAdmin)
		off := invite(t, api, "grace@example.com", "Grace Hopper", account.RoleUser)
		command := beside(t, db)
		succeed(t, command("user", "disable", off.Email))
		moment := first.CreatedAt.Format("2006-01-02T15:04:05.000000Z07:00")
		for _, c := range []struct {
			flags []string
			query url.Values
			found int
		}{
			{nil, url.Values{}, 4},
			{[]string{"--q", "AD"}, url.Values{"q": {"AD"}}, 2},
			{[]string{"--q", "ad", "--role", "admin"}, url.Values{"q": {"ad"}, "role": {"admin"}}, 1},
			{[]string{"--role", "user"}, url.Values{"role": {"user"}}, 2},
			{[]string{"--active"}, url.Values{"is_active": {"true"}}, 3},
			{[]string{"--inactive"}, url.Values{"is_active": {"false"}}, 1},
			{[]string{"--created-after", moment}, url.Values{"created_after": {moment}}, 2},
			{[]string{"--created-before", moment}, url.Values{"created_before": {moment}}, 1},
			{[]string{"--created-after", "2020-02-29"}, url.Values{"created_after": {"2020-02-29T00:00:00Z"}}, 4},
			{[]string{"--created-before", "2020-02-29"}, url.Values{"created_before": {"2020-02-29T00:00:00Z"}}, 0},
			{[]string{"--sort", "email"}, url.Values{"sort": {"email"}}, 4},
			{[]string{"--sort", "-full_name"}, url.Values{"sort": {"-full_name"}}, 4},
			{[]string{"--sort=last_login_at"}, url.Values{"sort": {"last_login_at"}}, 4},
			{[]string{"--q", "%"}, url.Values{"q": {"%"}}, 0},
		} {
			args := append([]string{"user", "list"}, c.flags...)
			want := api.As(admin).Get("/users?" + c.query.Encode()).Status(http.StatusOK).Body
			require.JSONEq(t, string(want), succeed(t, command(append(args, "--json")...)).out, "%v", c.flags)
			shown := succeed(t, command(args...))
			if c.found == 0 {
				require.Empty(t, shown.out)
				require.Equal(t, "there is no such user\n", shown.err)
				require.Empty(t, succeed(t, command(append(args, "--all", "--json")...)).out)
				continue
			}
			require.Equal(t, c.found+1, strings.Count(shown.out, "\n"), "%v: %s", c.flags, shown.out)
			require.Empty(t, shown.err)
		}
		all := succeed(t, command("user", "list", "--sort", "email")).out
		require.Regexp(t, `(?m)^ID +EMAIL +NAME +ROLE +ACTIVE +VERIFIED +CREATED AT +LAST LOGIN AT$`, all)
		require.Regexp(t, `(?m)^`+off.ID.String()+` +grace@example.com +Grace Hopper +user +no +no +\S+Z +-$`, all)
		require.Regexp(t, `(?m)^`+admin.ID.String()+` .* admin +yes +no +\S+Z +\S+Z$`, all)
	})
}

func TestPagesFollowEachOther(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		var want []string
		for i := range 5 {
			want = append(want, invite(t, api, fmt.Sprintf("u%d@example.com", i), "U", account.RoleUser).Email)
		}
		command := beside(t, db)
		var found []string
		cursor := ""
		for pages := 1; ; pages++ {
			var p page.Page[app.UserView]
			require.NoError(t, json.Unmarshal([]byte(succeed(t, command("user", "list", "--sort", "created_at", "--limit", "2", "--cursor", cursor, "--json")).out), &p))
			for _, u := range p.Items {
				found = append(found, u.Email)
			}
			if p.NextCursor == nil {
				require.Equal(t, 3, pages)
				break
			}
			cursor = *p.NextCursor
		}
		require.Equal(t, want, found)
		require.Regexp(t, `^there is more: --cursor \S+ goes on, --all shows everyone\n$`, succeed(t, command("user", "list", "--limit", "2")).err)
		other := command("user", "list", "--sort", "email", "--cursor", cursor)
		require.Equal(t, 2, other.code)
		require.Contains(t, other.err, "--cursor is not a cursor of this list with this sort and filter")
	})
}

func TestEveryoneIsShownHoweverManyTheyAre(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		const many = 203
		for i := range many {
			invite(t, api, fmt.Sprintf("u%03d@example.com", i), strings.Repeat("U", 1+i%50), account.RoleUser)
		}
		command := beside(t, db)
		for _, flags := range [][]string{{"--sort", "email"}, {"--q", "u"}} {
			args := append([]string{"user", "list", "--all"}, flags...)
			lines := bytes.Split(bytes.TrimSpace([]byte(succeed(t, command(append(args, "--json")...)).out)), []byte("\n"))
			require.Len(t, lines, many)
			for i, line := range lines {
				var u app.UserView
				require.NoError(t, json.Unmarshal(line, &u))
				require.Equal(t, fmt.Sprintf("u%03d@example.com", i), u.Email)
			}
			shown := succeed(t, command(args...))
			require.Equal(t, many+1, strings.Count(shown.out, "\n"))
			require.Equal(t, 1, strings.Count(shown.out, "EMAIL"))
			require.Empty(t, shown.err)
		}
	})
}

func TestNoNameReachesTheTerminalAsACommand(t *testing.T) {
	t.Parallel()
	db := testkit.SQLite(t)
	api := testkit.Serve(t, db)
	u := api.User()
	// No flow lets such a name in; a row that was written otherwise may have one.
	_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE users SET full_name = ?, locale = ? WHERE id = ?`, "\x1b]0;marker\a\u009b2J\u202e", "\x1b[2J", u.ID)
	require.NoError(t, err)
	_, err = api.App.Stores.DB.Exec(t.Context(), `UPDATE sessions SET user_agent = ? WHERE account_id = ?`, "\x1b[2J", u.ID)
	require.NoError(t, err)
	command := beside(t, db)
	for _, args := range [][]string{{"list"}, {"list", "--json"}, {"list", "--all", "--json"}, {"show", u.Email}, {"show", u.Email, "--json"}, {"disable", u.Email, "--json"}} {
		r := succeed(t, command(append([]string{"user"}, args...)...))
		require.Contains(t, r.out, "marker")
		require.NotRegexp(t, "[\x00-\x09\x0b-\x1f\x7f\u0080-\u009f\u202e]", r.out+r.err, "%v", args)
	}
}
