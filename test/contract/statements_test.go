package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/core/push"
	"github.com/gatehouse/gatehouse/testkit"
)

var update = flag.Bool("update", false, "write testdata anew")

// statements notes what the app asks of its database.
type statements struct {
	mu  sync.Mutex
	all []database.Statement
}

func (s *statements) observe(_ context.Context, st database.Statement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, st)
}

// take gives what was noted since the last time.
func (s *statements) take() []database.Statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.all
	s.all = nil
	return taken
}

// flow is something that an operation or a job does; its name begins with theirs, up to a comma.
type flow struct {
	name string
	run  func()
}

// flows are all that the API, jobs, brokers and commands make its database do; cold is the first time after nothing was
// remembered, and restart starts another process on the database.
func flows(t *testing.T, api *testkit.API, clk *clock.Fake, u testkit.User, restart func()) []flow {
	t.Helper()
	owner, ended, out, allOut, self := u, u, u, u, api.User()
	for _, session := range []*testkit.User{&owner, &ended, &out, &allOut} {
		api.LogIn(session)
	}
	gone := api.User()
	goneAt, goneSID := "/users/"+gone.ID.String(), sessionOf(t, api.As(gone))
	sid := sessionOf(t, api.As(ended))
	boss, deputy, ruled := api.Admin(), api.Admin(), api.User()
	admin := api.As(boss)
	user := "/users/" + ruled.ID.String()
	nextIn := func(list string) string {
		var got struct {
			NextCursor string `json:"next_cursor"`
		}
		admin.Get(list).Status(200).JSON(&got)
		return list + "&cursor=" + got.NextCursor
	}
	nextPage := func(query string) string { return nextIn("/users?limit=1&" + query) }
	list := func(query string) func() {
		return func() { admin.Get("/users?limit=1&" + query).Status(200) }
	}
	refresh := func(token string, status int) (next string) {
		var got struct {
			RefreshToken string `json:"refresh_token"`
		}
		require.NoError(t, json.Unmarshal(api.Post("/auth/refresh", map[string]string{"refresh_token": token}).Status(status).Body, &got))
		return got.RefreshToken
	}
	var next string
	var hook string
	return slices.Concat([]flow{
		{"register", func() { api.Post("/auth/register", registration("flow@example.com")).Status(201) }},
		{"register, known", func() { api.Post("/auth/register", registration("flow@example.com")).Status(409) }},
		{"auth.mail, of a registration", api.WorkJobs},
		{"login", func() { api.LogIn(&u) }},
		{"login, wrong", func() { api.Post("/auth/login", map[string]string{"email": u.Email, "password": "x"}).Status(400) }},
		{"login, unknown", func() {
			api.Post("/auth/login", map[string]string{"email": "nobody@example.com", "password": "x"}).Status(400)
		}},
		{"forgotPassword", func() { api.Post("/auth/forgot-password", email(u.Email)).Status(202) }},
		{"auth.mail, of a reset", api.WorkJobs},
		{"forgotPassword, unknown", func() { api.Post("/auth/forgot-password", email("nobody@example.com")).Status(202) }},
		{"auth.mail, to nobody", api.WorkJobs},
		{"resendVerification", func() { api.Post("/auth/verify-email/resend", email(u.Email)).Status(202) }},
		{"auth.mail, of a verification", api.WorkJobs},
		{"patchMe", func() { api.As(u).Patch("/users/me", `{"full_name":"Ada King"}`).Status(200) }},
		{"patchMe, no change", func() { api.As(u).Patch("/users/me", `{"full_name":"Ada King"}`).Status(200) }},
		{"patchMe, another version", func() { api.As(u).WithHeader("If-Match", `"x"`).Patch("/users/me", `{"full_name":"Ada"}`).Status(412) }},
		{"getUser, cold", func() { clk.Advance(push.LongTTL); admin.Get(user).Status(200) }},
		{"getUser, warm", func() { admin.Get(user).Status(200) }},
		{"patchUser, to administrator", func() { admin.Patch(user, `{"role":"admin"}`).Status(200) }},
		{"patchUser, of an administrator", func() { admin.Patch(user, `{"role":"user"}`).Status(200) }},
		{"patchUser, to another address", func() { admin.Patch(user, `{"email":"another@example.com"}`).Status(200) }},
		{"users.mail, to both", api.WorkJobs},
		{"patchUser, to inactive", func() { admin.Patch(user, `{"is_active":false}`).Status(200) }},
		{"resendVerification, unknown", func() { api.Post("/auth/verify-email/resend", email("nobody@example.com")).Status(202) }},
		{"auth.mail, to nobody again", api.WorkJobs},
		{"verifyEmail", func() {
			api.Post("/auth/verify-email", map[string]string{"token": lastToken(t, api, u, "/verify-email")}).Status(204)
		}},
		{"getMe, cold", func() { clk.Advance(push.LongTTL); api.As(u).Get("/users/me").Status(200) }},
		{"getMe, warm", func() { api.As(u).Get("/users/me").Status(200) }},
		{"refresh, cold", func() { clk.Advance(push.LongTTL); next = refresh(u.RefreshToken, 200) }},
		{"refresh, warm", func() { refresh(next, 200) }},
		{"refresh, again", func() { refresh(next, 200) }},
		{"refresh, reuse", func() { clk.Advance(time.Minute); refresh(next, 401) }},
		{"refresh, unknown", func() { refresh("gtr_forged", 401) }},
		{"getMe, cold again", func() { api.As(owner).Get("/users/me").Status(200) }},
		{"listMySessions", func() { api.As(owner).Get("/users/me/sessions").Status(200) }},
		{"listMySessions, ended", func() { api.As(owner).Get("/users/me/sessions?ended=true").Status(200) }},
		{"setMyAvatar", func() { setAvatar(t, api.As(owner)).Status(200) }},
		{"setMyAvatar, again", func() { setAvatar(t, api.As(owner)).Status(200) }},
		{"users.avatar, of the one before", api.WorkJobs},
		{"removeMyAvatar", func() { api.As(owner).Delete("/users/me/avatar", nil).Status(204) }},
		{"removeMyAvatar, without one", func() { api.As(owner).Delete("/users/me/avatar", nil).Status(204) }},
		{"users.avatar, of a removed one", api.WorkJobs},
		{"endMySession", func() { api.As(owner).Delete("/users/me/sessions/"+sid, nil).Status(204) }},
		{"exportMe", func() { api.As(owner).Get("/users/me/export").Status(200) }},
		{"getMe, of an administrator", func() { admin.Get("/users/me").Status(200) }},
		{"listUserSessions", func() { admin.Get(goneAt + "/sessions").Status(200) }},
		{"listUserSessions, ended", func() { admin.Get(goneAt + "/sessions?ended=true").Status(200) }},
		{"endUserSession", func() { admin.Delete(goneAt+"/sessions/"+goneSID, nil).Status(204) }},
		{"endUserSessions", func() { admin.Delete(goneAt+"/sessions", nil).Status(204) }},
		{"deleteUser", func() { admin.Delete(goneAt, nil).Status(204) }},
		{"deleteUser, again", func() { admin.Delete(goneAt, nil).Status(404) }},
		{"deleteUser, an administrator", func() { admin.Delete("/users/"+deputy.ID.String(), nil).Status(204) }},
		{"deleteUser, the last administrator", func() { admin.Delete("/users/"+boss.ID.String(), nil).Status(409) }},
		{"logout", func() { api.As(out).Post("/auth/logout", nil).Status(204) }},
		{"logout, all", func() { api.As(allOut).Post("/auth/logout", `{"all":true}`).Status(204) }},
		{"listUsers", list("")},
		{"listUsers, behind a cursor", func() { admin.Get(nextPage("")).Status(200) }},
		{"listUsers, by time", func() {
			admin.Get(nextPage("sort=created_at&created_after=2020-01-01T00:00:00Z&created_before=2100-01-01T00:00:00Z")).Status(200)
		}},
		{"listUsers, of a role", func() { admin.Get(nextPage("role=user")).Status(200) }},
		{"listUsers, inactive", func() { admin.Get(nextPage("is_active=true&created_after=2020-01-01T00:00:00Z")).Status(200) }},
		{"listUsers, of a role, active", func() { admin.Get(nextPage("role=user&is_active=true&sort=created_at")).Status(200) }},
		{"listUsers, of administrators", list("role=admin")},
		{"listUsers, inactive ones", list("is_active=false")},
		{"listUsers, of administrators, active", list("role=admin&is_active=true")},
		{"listUsers, of administrators, inactive", list("role=admin&is_active=false")},
		{"listUsers, of a role, inactive", list("role=user&is_active=false")},
		{"listUsers, by e-mail", func() { admin.Get(nextPage("sort=email")).Status(200) }},
		{"listUsers, by name", func() { admin.Get(nextPage("sort=-full_name")).Status(200) }},
		{"listUsers, by login", func() { admin.Get(nextPage("sort=last_login_at")).Status(200) }},
		{"listUsers, by login, descending", func() { admin.Get(nextPage("sort=-last_login_at")).Status(200) }},
		{"listUsers, search", func() { admin.Get(nextPage("q=user-")).Status(200) }},
		{"listUsers, search for names", list("q=Ada%20L")},
		{"listUsers, search in a role", list("q=u&role=user")},
		{"listUsers, search with filters", func() {
			admin.Get(nextPage("q=u&is_active=true&created_after=2020-01-01T00:00:00Z&created_before=2100-01-01T00:00:00Z")).Status(200)
		}},
		{"audit.refusals, of all operations", func() { require.NoError(t, api.App.Stores.Audit.Flush(t.Context(), true)) }},
		{"listAudit", func() { admin.Get("/audit").Status(200) }},
		{"listAudit, of a user", func() { admin.Get("/audit?limit=1&actor_id=" + filler(7)).Status(200) }},
		{"listAudit, about a user", func() { admin.Get("/audit?limit=1&target_id=" + filler(7)).Status(200) }},
		{"listAudit, of an action", func() { admin.Get("/audit?limit=1&action=filler.7").Status(200) }},
		{"listAudit, of an outcome", func() { admin.Get("/audit?limit=1&outcome=refused").Status(200) }},
		{"listAudit, from an address", func() { admin.Get("/audit?limit=1&ip=10.0.0.7").Status(200) }},
		{"listAudit, by time", func() { admin.Get("/audit?limit=1&from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z").Status(200) }},
		{"getKeys", func() { api.Get("/.well-known/jwks.json").Status(200) }},
		{"resetPassword", func() {
			api.Post("/auth/reset-password", map[string]string{"token": lastToken(t, api, u, "/reset-password"), "new_password": testkit.Password}).Status(204)
		}},
		{"auth.mail, of a password that was reset", api.WorkJobs},
		{"changeMyPassword, wrong", func() { api.As(self).Put("/users/me/password", newPassword("x")).Status(400) }},
		{"changeMyPassword", func() { api.As(self).Put("/users/me/password", newPassword(self.Password)).Status(204) }},
		{"auth.mail, of a password that was changed", api.WorkJobs},
		{"inviteUser", func() { admin.Post("/users", invitation("invited@example.com")).Status(201) }},
		{"auth.mail, of an invitation", api.WorkJobs},
		{"resetPassword, invited", func() {
			invited := testkit.User{Email: "invited@example.com"}
			api.Post("/auth/reset-password", map[string]string{"token": lastToken(t, api, invited, "/reset-password"), "new_password": testkit.Password}).Status(204)
		}},
		{"auth.mail, of a first password", api.WorkJobs},
		{"startPasswordReset", func() { admin.Post("/users/"+self.ID.String()+"/password-reset", nil).Status(202) }},
		{"auth.mail, of a reset that was started", api.WorkJobs},
		{"changeMyEmail, taken", func() { api.As(self).Post("/users/me/email", newEmail(u.Email, "Analytical-Engine-1843")).Status(409) }},
		{"changeMyEmail", func() {
			api.As(self).Post("/users/me/email", newEmail("moved@example.com", "Analytical-Engine-1843")).Status(202)
		}},
		{"auth.mail, of a change of the address and its notice, in any order", api.WorkJobs},
		{"confirmEmail", func() {
			api.Post("/auth/confirm-email", map[string]string{"token": lastToken(t, api, testkit.User{Email: "moved@example.com"}, "/confirm-email")}).Status(204)
		}},
		{"users.mail, of a change that was confirmed", api.WorkJobs},
		{"deleteMe", func() { api.As(self).Delete("/users/me", leavingWith("Analytical-Engine-1843")).Status(204) }},
		{"createWebhook", func() { hook = "/webhooks/" + newWebhook(t, admin) }},
		{"getWebhook", func() { admin.Get(hook).Status(200) }},
		{"patchWebhook", func() { admin.Patch(hook, `{"event_types":["gatehouse.user.activated.v1"]}`).Status(200) }},
		{"auth.mail, and a webhook that nothing is for", api.WorkJobs},
		{"patchWebhook, to types that are told", func() { admin.Patch(hook, `{"event_types":["gatehouse.user.registered.v1"]}`).Status(200) }},
		{"patchWebhook, to inactive", func() { admin.Patch(hook, `{"is_active":false}`).Status(200) }},
		{"patchWebhook, to active", func() { admin.Patch(hook, `{"is_active":true}`).Status(200) }},
		{"rotateWebhookSecret", func() { admin.Post(hook+"/secret", nil).Status(200) }},
		{"testWebhook", func() { admin.Post(hook+"/test", nil).Status(200) }},
		{"register, for a webhook", func() { api.Post("/auth/register", registration("hooked@example.com")).Status(201) }},
		{"auth.mail, and a webhook that fails", api.WorkJobs},
		{"listWebhookDeliveries", func() { admin.Get(hook + "/deliveries").Status(200) }},
		{"listWebhookDeliveries, behind a cursor", func() { admin.Get(nextIn(hook + "/deliveries?limit=1")).Status(200) }},
		{"redeliverToWebhook", func() {
			admin.Post(hook+"/deliveries/"+newestDelivery(t, admin, strings.TrimPrefix(hook, "/webhooks/"))+"/redeliver", nil).Status(202)
		}},
		{"listWebhooks", func() { admin.Get("/webhooks?limit=1").Status(200) }},
		{"createWebhook, another", func() { newWebhook(t, admin) }},
		{"listWebhooks, behind a cursor", func() { admin.Get(nextIn("/webhooks?limit=1")).Status(200) }},
		{"deleteWebhook", func() { admin.Delete(hook, nil).Status(204) }},
	}, schedules(t, api), commands(t, api, clk, restart))
}

// schedules are the jobs that come again and again.
func schedules(t *testing.T, api *testkit.API) []flow {
	t.Helper()
	var all []flow
	_, events := api.App.Stores.Events.Jobs()
	_, trail := api.App.Stores.Audit.Jobs()
	for _, m := range append(slices.Clone(api.App.Modules), module.Module{Schedules: events}, module.Module{Schedules: trail}) {
		for _, p := range m.Schedules {
			all = append(all, flow{p.Args.Kind(), func() {
				require.NoError(t, api.App.Stores.DB.InTx(t.Context(), func(ctx context.Context, tx *database.Tx) error {
					return api.App.Stores.Jobs.Enqueue(ctx, tx, p.Args)
				}))
				api.WorkJobs()
			}})
		}
	}
	return append(all, flow{"audit verify", func() {
		_, err := api.App.Stores.Audit.Verify(t.Context(), audit.VerifyOptions{}, func(audit.Fault) {})
		require.NoError(t, err)
	}})
}

// setAvatar sends the smallest picture that is.
func setAvatar(t *testing.T, api *testkit.API) *testkit.Response {
	t.Helper()
	return api.WithHeader("Content-Type", "image/png").Put("/users/me/avatar", dot(t))
}

// dot is that picture.
func dot(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1))))
	return b.Bytes()
}

func email(address string) map[string]string { return map[string]string{"email": address} }

// TestEachOperationRunsTheStatementsThatWeKnow compares with testdata/statements.txt: a query more is a decision, made by
// running with -update.
func TestEachOperationRunsTheStatementsThatWeKnow(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		noted, clk := &statements{}, clock.NewFake(time.Now())
		opts := append(wideLimits(), testkit.WithObserver(noted.observe), testkit.WithClock(clk), toNobody())
		api := testkit.Serve(t, db, opts...)
		all := flows(t, api, clk, api.User(), func() { testkit.Serve(t, db, opts...) })
		noted.take()
		var b strings.Builder
		for _, f := range all {
			f.run()
			ran := noted.take()
			fmt.Fprintf(&b, "%s: %d\n", f.name, len(ran))
			if strings.HasSuffix(f.name, "in any order") { // several jobs are worked at once
				slices.SortFunc(ran, func(a, b database.Statement) int { return strings.Compare(a.SQL, b.SQL) })
			}
			for _, s := range ran {
				where := "  "
				if s.InTx {
					where = "  tx "
				}
				fmt.Fprintf(&b, "%s%s\n", where, oneLine(s.SQL))
			}
		}
		const golden = "testdata/statements.txt"
		if *update && db.Engine == database.SQLite {
			require.NoError(t, os.WriteFile(golden, []byte(b.String()), 0o600))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		require.Equal(t, string(want), b.String())
	})
}

// tables lists those that are ours.
func tables(t *testing.T, db *database.DB) []string {
	t.Helper()
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`
	if db.Engine() == database.PostgreSQL {
		query = `SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()`
	}
	rows, err := db.Query(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		if !foreignTables.MatchString(name) {
			all = append(all, name)
		}
	}
	require.NoError(t, rows.Err())
	return all
}

func oneLine(sql string) string { return strings.Join(strings.Fields(sql), " ") }

// wideLimits leaves limits on, and never lets them refuse.
func wideLimits() []testkit.Option {
	return []testkit.Option{
		testkit.WithLimits(), testkit.WithSetting("ratelimit.register", "100000/1m"), testkit.WithSetting("ratelimit.login", "100000/1m"),
		testkit.WithSetting("ratelimit.login_failure", "100000/15m"),
		testkit.WithSetting("ratelimit.forgot", "100000/1m"), testkit.WithSetting("ratelimit.forgot_account", "100000/1m"), testkit.WithSetting("ratelimit.refresh", "100000/1m"),
		testkit.WithSetting("ratelimit.current_password", "100000/1m"), testkit.WithSetting("ratelimit.webhook_test", "100000/1m"),
	}
}
