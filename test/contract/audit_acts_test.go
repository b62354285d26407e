package contract_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/job"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/modules/users"
	"github.com/gatehouse/gatehouse/testkit"
)

// act is something that is done, and the rows that it leaves, as spelled writes them.
type act struct {
	name string
	do   func()
	want []string
}

// acts are all that is written down, by every way in which it can be done, and much that is not.
func acts(t *testing.T, api *testkit.API, clk *clock.Fake, names map[account.ID]string, tr *trail) []act {
	t.Helper()
	boss := api.Admin()
	admin := api.As(boss)
	ada, other, reused := api.User(), api.User(), api.User()
	names[boss.ID], names[ada.ID], names[other.ID], names[reused.ID] = "boss", "ada", "other", "reused"
	at := "/users/" + ada.ID.String()
	tr.since()
	none := []string{}
	directory, accounts := api.App.Stores.Directory, api.App.Stores.Accounts
	patch := func(body string) func() { return func() { admin.Patch(at, body).Status(http.StatusOK) } }
	off, role := false, account.RoleAdmin
	var fresh testkit.User
	var hook string
	newest := func() string {
		return hook + "/deliveries/" + newestDelivery(t, admin, strings.TrimPrefix(hook, "/webhooks/"))
	}
	return []act{
		{"register", func() { api.Post("/auth/register", registration("new@example.com")).Status(http.StatusCreated) }, []string{"user.register done: someone > someone role=user <new@example.com>"}},
		{"register, known", func() { api.Post("/auth/register", registration("new@example.com")).Status(http.StatusConflict) }, []string{"user.register refused: anonymous > - because email_already_exists"}},
		{"login", func() { api.LogIn(&ada) }, []string{"login done: ada > ada session_id"}},
		{"login, wrong", func() {
			api.Post("/auth/login", map[string]string{"email": strings.ToUpper(ada.Email), "password": "x"}).Status(http.StatusBadRequest)
		}, []string{"login failed: anonymous > ada because invalid_credentials"}},
		{"login, unknown", func() {
			api.Post("/auth/login", map[string]string{"email": "nobody@example.com", "password": "x"}).Status(http.StatusBadRequest)
		}, []string{"login failed: anonymous > - because invalid_credentials"}},
		{"login, invalid", func() { api.Post("/auth/login", "{}").Status(http.StatusBadRequest) }, none},
		{"refresh", func() {
			api.Post("/auth/refresh", map[string]string{"refresh_token": reused.RefreshToken}).Status(http.StatusOK)
		}, none},
		{"refresh, unknown", func() {
			api.Post("/auth/refresh", map[string]string{"refresh_token": "x"}).Status(http.StatusUnauthorized)
		}, none},
		{"refresh, reused", func() {
			clk.Advance(time.Minute)
			api.Post("/auth/refresh", map[string]string{"refresh_token": reused.RefreshToken}).Status(http.StatusUnauthorized)
		}, []string{"session.reuse refused: anonymous > reused because reuse_detected session_id"}},
		{"no token", func() { api.Get("/users/me").Status(http.StatusUnauthorized) }, none},
		{"forbidden", func() { api.As(ada).Get("/users").Status(http.StatusForbidden) }, []string{"access.denied refused: ada > - because forbidden operation=listUsers"}},
		{"forbidden, about somebody", func() { api.As(ada).Delete("/users/"+other.ID.String(), nil).Status(http.StatusForbidden) }, []string{"access.denied refused: ada > other because forbidden operation=deleteUser"}},
		{"forbidden, the trail itself", func() { api.As(ada).Get("/audit").Status(http.StatusForbidden) }, []string{"access.denied refused: ada > - because forbidden operation=listAudit"}},
		{"the last administrator, demoted", func() {
			admin.Patch("/users/"+boss.ID.String(), `{"role":"user","is_active":false}`).Status(http.StatusConflict)
		}, []string{"user.role refused: boss > boss because last_admin"}},
		{"the last administrator, disabled", func() { admin.Patch("/users/"+boss.ID.String(), `{"is_active":false}`).Status(http.StatusConflict) }, []string{"user.disable refused: boss > boss because last_admin"}},
		{"the last administrator, deleted", func() { admin.Delete("/users/"+boss.ID.String(), nil).Status(http.StatusConflict) }, []string{"user.delete refused: boss > boss because last_admin"}},
		{"the last administrator, deleting themselves", func() { admin.Delete("/users/me", leavingWith(boss.Password)).Status(http.StatusConflict) }, []string{"user.delete refused: boss > boss because last_admin"}},
		{"the last administrator, with a wrong password", func() { admin.Delete("/users/me", leavingWith("x")).Status(http.StatusBadRequest) }, []string{"user.confirm_password failed: boss > boss because invalid_credentials"}},
		{"reading", func() { admin.Get("/audit").Status(http.StatusOK); admin.Get("/users").Status(http.StatusOK) }, none},
		{"own profile", func() { api.As(ada).Patch("/users/me", `{"full_name":"Ada King"}`).Status(http.StatusOK) }, none},
		{"another's profile", patch(`{"full_name":"Ada Byron"}`), []string{"user.change done: boss > ada changed=[full_name]"}},
		{"another's profile, the same", patch(`{"full_name":"Ada Byron"}`), none},
		{"another's profile, of another version", func() {
			admin.WithHeader("If-Match", `"x"`).Patch(at, `{"full_name":"Ada King"}`).Status(http.StatusPreconditionFailed)
		}, none},
		{"role", patch(`{"role":"admin"}`), []string{"user.role done: boss > ada previous_role=user role=admin"}},
		{"several at once", patch(`{"role":"user","is_active":false,"email_verified":true}`), []string{
			"session.end done: boss > ada sessions=2", "user.disable done: boss > ada", "user.role done: boss > ada previous_role=admin role=user", "user.verify_email done: boss > ada",
		}},
		{"login, disabled", func() {
			api.Post("/auth/login", map[string]string{"email": ada.Email, "password": ada.Password}).Status(http.StatusBadRequest)
		}, []string{"login failed: anonymous > ada because invalid_credentials"}},
		{"reset, started, of one who is disabled", func() { admin.Post(at+"/password-reset", nil).Status(http.StatusConflict) }, []string{"user.start_reset refused: boss > ada because user_inactive"}},
		{"active again", patch(`{"is_active":true}`), []string{"user.enable done: boss > ada"}},
		{"another address, by an administrator", patch(`{"email":"moved@example.com"}`), []string{"user.email done: boss > ada <moved@example.com>"}},
		{"another address, taken", func() {
			admin.Patch(at, map[string]string{"email": strings.ToUpper(other.Email), "role": "admin"}).Status(http.StatusConflict)
		}, []string{"user.email refused: boss > ada because email_already_exists"}},
		{"verified", func() {
			ada.Email = "moved@example.com"
			verify(t, api, ada)
		}, []string{"user.verify_email done: ada > ada"}},
		{"verified, again", func() {
			api.Post("/auth/verify-email", mailedToken(lastToken(t, api, ada, "/verify-email"))).Status(http.StatusBadRequest)
		}, []string{"user.verify_email failed: anonymous > - because invalid_token"}},
		{"verified, with no token of ours", func() { api.Post("/auth/verify-email", mailedToken("x")).Status(http.StatusBadRequest) }, []string{"user.verify_email failed: anonymous > - because invalid_token"}},
		{"reset, started", func() { admin.Post(at+"/password-reset", nil).Status(http.StatusAccepted); api.WorkJobs() }, []string{"user.start_reset done: boss > ada"}},
		{"reset", func() {
			api.Post("/auth/reset-password", map[string]string{"token": lastToken(t, api, ada, "/reset-password"), "new_password": testkit.Password}).Status(http.StatusNoContent)
		}, []string{"user.password_reset done: ada > ada invited=false"}},
		{"reset, again", func() {
			api.Post("/auth/reset-password", map[string]string{"token": lastToken(t, api, ada, "/reset-password"), "new_password": testkit.Password}).Status(http.StatusBadRequest)
		}, []string{"user.password_reset failed: anonymous > - because invalid_token"}},
		{"password, wrong", func() { api.As(other).Put("/users/me/password", newPassword("x")).Status(http.StatusBadRequest) }, []string{"user.confirm_password failed: other > other because invalid_credentials"}},
		{"password", func() {
			api.As(other).Put("/users/me/password", newPassword(other.Password)).Status(http.StatusNoContent)
			other.Password = "Analytical-Engine-1843"
		}, []string{"user.password_change done: other > other"}},
		{"address, taken", func() {
			api.As(other).Post("/users/me/email", newEmail(ada.Email, other.Password)).Status(http.StatusConflict)
		}, []string{"user.ask_for_email refused: other > other because email_already_exists"}},
		{"address, asked for", func() {
			api.As(other).Post("/users/me/email", newEmail("next@example.com", other.Password)).Status(http.StatusAccepted)
			api.WorkJobs()
		}, []string{"user.ask_for_email done: other > other <next@example.com>"}},
		{"address, confirmed", func() {
			api.Post("/auth/confirm-email", mailedToken(lastToken(t, api, testkit.User{Email: "next@example.com"}, "/confirm-email"))).Status(http.StatusNoContent)
			other.Email = "next@example.com"
		}, []string{"user.email done: other > other <next@example.com>"}},
		{"address, confirmed again", func() {
			api.Post("/auth/confirm-email", mailedToken(lastToken(t, api, testkit.User{Email: "next@example.com"}, "/confirm-email"))).Status(http.StatusBadRequest)
		}, []string{"user.email failed: anonymous > - because invalid_token"}},
		{"address, taken meanwhile", func() {
			api.As(other).Post("/users/me/email", newEmail("wanted@example.com", other.Password)).Status(http.StatusAccepted)
			api.WorkJobs()
			admin.Post("/users", invitation("wanted@example.com")).Status(http.StatusCreated)
			api.Post("/auth/confirm-email", mailedToken(lastToken(t, api, testkit.User{Email: "wanted@example.com"}, "/confirm-email"))).Status(http.StatusConflict)
		}, []string{
			"user.ask_for_email done: other > other <wanted@example.com>", "user.email refused: anonymous > other because email_already_exists", "user.invite done: boss > someone role=user <wanted@example.com>",
		}},
		{"invited", func() {
			admin.Post("/users", invitation("invited@example.com")).Status(http.StatusCreated)
			api.WorkJobs()
		}, []string{"user.invite done: boss > someone role=user <invited@example.com>"}},
		{"invited, known", func() { admin.Post("/users", invitation(other.Email)).Status(http.StatusConflict) }, []string{"user.invite refused: boss > - because email_already_exists"}},
		{"invited, and come", func() {
			api.Post("/auth/reset-password", map[string]string{"token": lastToken(t, api, testkit.User{Email: "invited@example.com"}, "/reset-password"), "new_password": testkit.Password}).Status(http.StatusNoContent)
		}, []string{"user.password_reset done: someone > someone invited=true", "user.verify_email done: someone > someone"}},
		{"a session of one's own", func() {
			second := other
			api.LogIn(&second)
			api.As(other).Delete("/users/me/sessions/"+sessionOf(t, api.As(second)), nil).Status(http.StatusNoContent)
		}, []string{"login done: other > other session_id", "session.end done: other > other session_id"}},
		{"a session of another's", func() {
			admin.Delete("/users/"+other.ID.String()+"/sessions/"+sessionOf(t, api.As(other)), nil).Status(http.StatusNoContent)
		}, []string{"session.end done: boss > other session_id"}},
		{"sessions of another's", func() {
			api.LogIn(&other)
			admin.Delete("/users/"+other.ID.String()+"/sessions", nil).Status(http.StatusNoContent)
		}, []string{"login done: other > other session_id", "session.end done: boss > other session_id"}},
		{"a webhook", func() { hook = "/webhooks/" + newWebhook(t, admin) }, []string{"webhook.create done: boss > - host=hooks.example.com webhook_id"}},
		{"a webhook, changed", func() {
			admin.Patch(hook, `{"url":"https://hooks.example.org/secret","description":"ours","event_types":[],"is_active":false}`).Status(http.StatusOK)
		}, []string{"webhook.change done: boss > - changed=[url,description,event_types,is_active] host=hooks.example.org is_active=false webhook_id"}},
		{"a webhook, the same", func() { admin.Patch(hook, `{"is_active":false}`).Status(http.StatusOK) }, none},
		{"a webhook, active", func() { admin.Patch(hook, `{"is_active":true}`).Status(http.StatusOK) }, []string{"webhook.change done: boss > - changed=[is_active] is_active=true webhook_id"}},
		{"a webhook's secret", func() { admin.Post(hook+"/secret", nil).Status(http.StatusOK) }, []string{"webhook.rotate_secret done: boss > - webhook_id"}},
		{"a webhook, tested", func() { admin.Post(hook+"/test", nil).Status(http.StatusOK) }, []string{"webhook.test done: boss > - delivery_id webhook_id"}},
		{"a webhook's test, sent again", func() { admin.Post(newest()+"/redeliver", nil).Status(http.StatusConflict) }, []string{"webhook.redeliver refused: boss > - because event_not_kept delivery_id webhook_id"}},
		{"a webhook, sent to again", func() {
			patch(`{"full_name":"Ada Lovelace"}`)()
			api.WorkJobs()
			admin.Post(newest()+"/redeliver", nil).Status(http.StatusAccepted)
		}, []string{"user.change done: boss > ada changed=[full_name]", "webhook.redeliver done: boss > - delivery_id webhook_id"}},
		{"the command line, events", func() { replayAndRetry(t, api) }, []string{
			"event.replay done: operator > - deliveries=1 destination=reader.changes event_id", "event.replay done: operator > - deliveries=2 destination=reader.changes since=2026-01-01T00:00:00.000000Z type=gatehouse.user.role_changed.v1",
			"event.retry done: operator > - deliveries=1 destination=reader.changes", "event.retry done: operator > - deliveries=1 event_id",
		}},
		{"an inactive webhook, sent to again", func() {
			admin.Patch(hook, `{"is_active":false}`).Status(http.StatusOK)
			admin.Post(newest()+"/redeliver", nil).Status(http.StatusConflict)
		}, []string{"webhook.change done: boss > - changed=[is_active] is_active=false webhook_id", "webhook.redeliver refused: boss > - because webhook_inactive delivery_id webhook_id"}},
		{"a webhook, deleted", func() { admin.Delete(hook, nil).Status(http.StatusNoContent) }, []string{"webhook.delete done: boss > - webhook_id"}},
		{"a webhook, deleted again", func() { admin.Delete(hook, nil).Status(http.StatusNotFound) }, none},
		{"logout", func() {
			api.LogIn(&other)
			api.As(other).Post("/auth/logout", nil).Status(http.StatusNoContent)
		}, []string{"login done: other > other session_id", "logout done: other > other session_id"}},
		{"the command line", func() {
			_, err := directory.Change(t.Context(), ada.ID, app.UserChange{Role: &role}, nil)
			require.NoError(t, err)
			_, err = directory.Change(t.Context(), ada.ID, app.UserChange{IsActive: &off}, nil)
			require.NoError(t, err)
			require.Error(t, accounts.StartReset(t.Context(), ada.ID))
			require.NoError(t, directory.Delete(t.Context(), ada.ID))
		}, []string{
			"user.delete done: operator > ada", "user.disable done: operator > ada", "user.role done: operator > ada previous_role=user role=admin", "user.start_reset refused: operator > ada because user_inactive",
		}},
		{"the command line, creating", func() {
			fresh = api.User(func(u *testkit.User) { u.Email = "fresh@example.com" })
			names[fresh.ID] = "fresh"
		}, []string{"login done: fresh > fresh session_id", "user.create done: operator > fresh role=user <fresh@example.com>"}},
		{"the command line, creating whom there is", func() {
			known, err := account.ParseEmail(fresh.Email)
			require.NoError(t, err)
			_, err = accounts.Create(t.Context(), app.Registration{Email: known})
			require.ErrorIs(t, err, users.ErrEmailTaken)
		}, []string{"user.create refused: operator > - because email_already_exists"}},
		{"deleted, by oneself", func() {
			api.As(fresh).Delete("/users/me", leavingWith(fresh.Password)).Status(http.StatusNoContent)
		}, []string{"user.delete done: fresh > fresh"}},
		{"deleted", func() { admin.Delete("/users/"+reused.ID.String(), nil).Status(http.StatusNoContent) }, []string{"user.delete done: boss > reused"}},
		{"the command line, jobs", func() {
			admin.Post("/users", invitation("queued@example.com")).Status(http.StatusCreated)
			handleNewestJob(t, api, api.App.CancelJob)
			handleNewestJob(t, api, api.App.RetryJob)
		}, []string{
			"job.cancel done: operator > - job_id kind=auth.mail", "job.retry done: operator > - job_id kind=auth.mail", "user.invite done: boss > someone role=user <queued@example.com>",
		}},
		{"the command line, keys", func() {
			_, err := api.App.RotateKeys(t.Context())
			require.NoError(t, err)
			_, err = api.App.RevokeKeys(t.Context())
			require.NoError(t, err)
			api.LogIn(&boss)
			admin = api.As(boss)
		}, []string{"keys.revoke done: operator > -", "keys.rotate done: operator > -", "login done: boss > boss session_id"}},
		{"deleted, again", func() { admin.Delete("/users/"+reused.ID.String(), nil).Status(http.StatusNotFound) }, none},
		{"webhooks, one too many", func() {
			idle := "/webhooks/" + newWebhook(t, admin)
			admin.Patch(idle, `{"is_active":false}`).Status(http.StatusOK)
			for range 100 {
				newWebhook(t, admin)
			}
			tr.since()
			admin.Post("/webhooks", aWebhook).Status(http.StatusConflict)
			admin.Patch(idle, `{"is_active":true}`).Status(http.StatusConflict)
		}, []string{"webhook.change refused: boss > - because too_many_webhooks webhook_id", "webhook.create refused: boss > - because too_many_webhooks host=hooks.example.com"}},
	}
}

// handleNewestJob does something to a job as an operator does, twice: the second time changes nothing, and leaves no row.
func handleNewestJob(t *testing.T, api *testkit.API, do func(context.Context, int64) (job.Record, bool, error)) {
	t.Helper()
	newest, err := api.App.Stores.Jobs.List(t.Context(), job.RecordQuery{Limit: 1})
	require.NoError(t, err)
	for _, want := range []bool{true, false} {
		_, changed, err := do(t.Context(), newest.Items[0].ID)
		require.NoError(t, err)
		require.Equal(t, want, changed)
	}
}

// withReader appends a module that follows changes of users, and takes no other role.
func withReader(s *app.Stores) ([]module.Module, error) {
	modules, err := app.Standard(s)
	return append(modules, module.Module{Name: "reader", Subscribes: []event.Subscription{event.Subscribe("reader.changes",
		event.On(func(context.Context, *database.Tx, event.Received[users.Updated]) error { return nil }),
		event.On(func(context.Context, *database.Tx, event.Received[users.RoleChanged]) error {
			return errors.New("no such role")
		}),
	)}}), err
}

// replayAndRetry offers events again as an operator does, when there is something to offer and when there is nothing.
func replayAndRetry(t *testing.T, api *testkit.API) {
	t.Helper()
	newest := func(name string) uuid.UUID {
		told, err := api.App.Stores.Events.List(t.Context(), event.Filter{Type: name, Limit: 1})
		require.NoError(t, err)
		return told[0].ID
	}
	const reader, role = "reader.changes", "gatehouse.user.role_changed.v1"
	roles := event.Span{Since: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Type: role}
	never := event.Span{Since: roles.Since, Until: roles.Since}
	for _, c := range []struct {
		offer func() (int, error)
		want  int
	}{
		{func() (int, error) {
			return api.App.ReplayEvent(t.Context(), reader, newest("gatehouse.user.updated.v1"))
		}, 1},
		{func() (int, error) { return api.App.ReplayEvents(t.Context(), reader, roles) }, 2},
		{func() (int, error) { return api.App.ReplayEvents(t.Context(), "", never) }, 0},
		{func() (int, error) { return 0, api.App.WorkJobs(t.Context()) }, 0},
		{func() (int, error) { return api.App.RetryDeadEvents(t.Context(), "", newest(role)) }, 1},
		{func() (int, error) { return api.App.RetryDeadEvents(t.Context(), reader) }, 1},
		{func() (int, error) { return api.App.RetryDeadEvents(t.Context(), "") }, 0},
	} {
		n, err := c.offer()
		require.NoError(t, err)
		require.Equal(t, c.want, n)
	}
}
