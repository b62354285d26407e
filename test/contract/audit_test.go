package contract_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/testkit"
)

// trail reads the audit trail.
type trail struct {
	t    *testing.T
	api  *testkit.API
	seen map[uuid.UUID]audit.Entry
}

// all writes what was refused and gives every row, the oldest first.
func (tr *trail) all() (all []audit.Entry) {
	tr.t.Helper()
	require.NoError(tr.t, tr.api.App.Stores.Audit.Flush(tr.t.Context(), true))
	require.NoError(tr.t, tr.api.App.Stores.Audit.Each(tr.t.Context(), nil, nil, func(e audit.Entry) error {
		all = append(all, e)
		return nil
	}))
	return all
}

// since gives what was written since the last time. Of what was there before nothing may be gone or changed, but for what an
// account takes with it.
func (tr *trail) since() (fresh []audit.Entry) {
	tr.t.Helper()
	now := map[uuid.UUID]audit.Entry{}
	for _, e := range tr.all() {
		if was, ok := tr.seen[e.ID]; !ok {
			fresh = append(fresh, e)
		} else {
			require.Equal(tr.t, lasting(was), lasting(e))
		}
		now[e.ID] = e
	}
	for id := range tr.seen {
		require.Contains(tr.t, now, id, "a row is gone")
	}
	tr.seen = now
	return fresh
}

// lasting is a row without what can be erased.
func lasting(e audit.Entry) audit.Entry {
	e.IP, e.UserAgent, e.Email, e.Number = nil, nil, nil, nil
	return e
}

const (
	auditedFrom  = "203.0.113.7"
	auditedAgent = "agent-of-the-audited"
)

// spelled writes rows short: action and outcome, who, whom, and what else they say, with the names of those who take part.
func spelled(t *testing.T, rows []audit.Entry, names map[account.ID]string) []string {
	t.Helper()
	name := func(id *account.ID, none string) string {
		if id == nil {
			return none
		}
		if n, ok := names[*id]; ok {
			return n
		}
		return "someone"
	}
	out := []string{}
	for _, e := range rows {
		line := fmt.Sprintf("%s %s: %s > %s", e.Action, e.Outcome, name(e.ActorID, string(e.Actor)), name(e.TargetID, "-"))
		if e.Reason != nil {
			line += " because " + *e.Reason
		}
		for _, key := range slices.Sorted(maps.Keys(e.Details)) {
			if key == "session_id" {
				line += " session_id"
				continue
			}
			text, err := json.Marshal(e.Details[key])
			require.NoError(t, err)
			line += " " + key + "=" + strings.ReplaceAll(string(text), `"`, "")
		}
		if e.Email != nil {
			line += " <" + *e.Email + ">"
		}
		if e.Count > 1 {
			line += fmt.Sprintf(" x%d", e.Count)
		}
		switch {
		case e.Action == "user.delete" && e.Actor == audit.User && *e.ActorID == *e.TargetID: // it went with the account
			require.Equal(t, []*string{nil, nil}, []*string{e.IP, e.UserAgent}, line)
		case e.Actor != audit.Operator:
			require.Equal(t, []string{auditedFrom, auditedAgent}, []string{*e.IP, *e.UserAgent}, line)
		default:
			require.Equal(t, []*string{nil, nil}, []*string{e.IP, e.UserAgent}, line)
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// audited is an app behind a proxy, and a client of whom it is known where it comes from.
func audited(t *testing.T, db testkit.Database, clk clock.Clock, opts ...testkit.Option) *testkit.API {
	t.Helper()
	opts = append(opts, testkit.WithClock(clk), testkit.WithSetting("http.trusted_proxies", "127.0.0.0/8"))
	return testkit.Serve(t, db, opts...).WithHeader("X-Forwarded-For", auditedFrom).WithHeader("User-Agent", auditedAgent)
}

type act struct {
	name string
	do   func()
	want []string
}

// TestStatement26EveryLoginRefusalAndAdministrativeActIsWrittenDown does all that is written down, by every way in which it
// can be done, and much that is not, and wants these rows and no others. An action that is declared and never written fails
// it.
func TestStatement26EveryLoginRefusalAndAdministrativeActIsWrittenDown(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := audited(t, db, clk)
		tr := &trail{t: t, api: api}
		written := map[string]bool{}
		names := map[account.ID]string{}
		for _, c := range acts(t, api, clk, names, tr) {
			c.do()
			fresh := tr.since()
			require.Equal(t, c.want, spelled(t, fresh, names), c.name)
			for _, e := range fresh {
				written[e.Action] = true
			}
		}
		var declared []string
		for _, a := range api.App.Stores.Audit.Actions() {
			declared = append(declared, a.Name)
		}
		require.Equal(t, declared, slices.Sorted(maps.Keys(written)), "declared, and written here")
		require.NoError(t, api.App.Stores.Audit.Seal(t.Context()))
		found, err := api.App.Stores.Audit.Verify(t.Context(), audit.VerifyOptions{}, func(f audit.Fault) { t.Error(f) })
		require.NoError(t, err)
		require.Equal(t, int64(len(tr.seen)), found.Rows)
	})
}

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
		{"reading", func() { admin.Get("/audit").Status(http.StatusOK); admin.Get("/users").Status(http.StatusOK) }, none},
		{"own profile", func() { api.As(ada).Patch("/users/me", `{"full_name":"Ada King"}`).Status(http.StatusOK) }, none},
		{"another's profile", patch(`{"full_name":"Ada Byron"}`), []string{"user.change done: boss > ada changed=[full_name]"}},
		{"another's profile, the same", patch(`{"full_name":"Ada Byron"}`), none},
		{"role", patch(`{"role":"admin"}`), []string{"user.role done: boss > ada previous_role=user role=admin"}},
		{"several at once", patch(`{"role":"user","is_active":false,"email_verified":true}`), []string{
			"session.end done: boss > ada sessions=2", "user.disable done: boss > ada", "user.role done: boss > ada previous_role=admin role=user", "user.verify_email done: boss > ada",
		}},
		{"login, disabled", func() {
			api.Post("/auth/login", map[string]string{"email": ada.Email, "password": ada.Password}).Status(http.StatusBadRequest)
		}, []string{"login failed: anonymous > ada because invalid_credentials"}},
		{"active again", patch(`{"is_active":true}`), []string{"user.enable done: boss > ada"}},
		{"another address, by an administrator", patch(`{"email":"moved@example.com"}`), []string{"user.email done: boss > ada <moved@example.com>"}},
		{"verified", func() {
			ada.Email = "moved@example.com"
			verify(t, api, ada)
		}, []string{"user.verify_email done: ada > ada"}},
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
		{"invited", func() {
			admin.Post("/users", invitation("invited@example.com")).Status(http.StatusCreated)
			api.WorkJobs()
		}, []string{"user.invite done: boss > someone role=user <invited@example.com>"}},
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
		}, []string{"user.delete done: operator > ada", "user.disable done: operator > ada", "user.role done: operator > ada previous_role=user role=admin"}},
		{"the command line, creating", func() {
			fresh = api.User(func(u *testkit.User) { u.Email = "fresh@example.com" })
			names[fresh.ID] = "fresh"
		}, []string{"login done: fresh > fresh session_id", "user.create done: operator > fresh role=user <fresh@example.com>"}},
		{"deleted, by oneself", func() {
			api.As(fresh).Delete("/users/me", leavingWith(fresh.Password)).Status(http.StatusNoContent)
		}, []string{"user.delete done: fresh > fresh"}},
		{"deleted", func() { admin.Delete("/users/"+reused.ID.String(), nil).Status(http.StatusNoContent) }, []string{"user.delete done: boss > reused"}},
		{"the command line, keys", func() {
			_, err := api.App.RotateKeys(t.Context())
			require.NoError(t, err)
			_, err = api.App.RevokeKeys(t.Context())
			require.NoError(t, err)
			api.LogIn(&boss)
			admin = api.As(boss)
		}, []string{"keys.revoke done: operator > -", "keys.rotate done: operator > -", "login done: boss > boss session_id"}},
		{"deleted, again", func() { admin.Delete("/users/"+reused.ID.String(), nil).Status(http.StatusNotFound) }, none},
	}
}

// TestStatement26WhatLimitsAndSettingsRefuseIsWrittenDown has each kind of limit refuse, and each setting that refuses.
func TestStatement26WhatLimitsAndSettingsRefuseIsWrittenDown(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := audited(t, db, clk, append(wideLimits(), testkit.WithSetting("ratelimit.login_failure", "1/15m"), testkit.WithSetting("ratelimit.current_password", "1/1m"),
			testkit.WithSetting("ratelimit.verify", "1/1m"), testkit.WithSetting("auth.registration.enabled", "false"), testkit.WithSetting("auth.login.require_verified_email", "true"))...)
		strict := audited(t, db, clk, append(wideLimits(), testkit.WithSetting("ratelimit.login", "1/1m"))...)
		ada := testkit.User{Email: "ada@example.com", Password: testkit.Password}
		names := map[account.ID]string{}
		tr, open := &trail{t: t, api: api}, &trail{t: t, api: strict}
		wrong := map[string]string{"email": ada.Email, "password": "x"}
		strict.Post("/auth/register", registration(ada.Email)).Status(http.StatusCreated)
		strict.LogIn(&ada)
		ada.ID = account.ID(uuid.MustParse(idOf(t, strict.As(ada))))
		names[ada.ID] = "ada"
		open.since()
		for _, c := range []struct {
			act
			by *trail
		}{
			{act{"the border's limit", func() { strict.Post("/auth/login", wrong).Status(http.StatusTooManyRequests) }, []string{"login refused: anonymous > - because rate_limited operation=login"}}, open},
			{act{"not verified", func() {
				api.Post("/auth/login", map[string]string{"email": ada.Email, "password": ada.Password}).Status(http.StatusForbidden)
			}, []string{"login refused: anonymous > ada because email_not_verified"}}, tr},
			{act{"slowed down", func() {
				api.Post("/auth/login", wrong).Status(http.StatusBadRequest)
				api.Post("/auth/login", wrong).Status(http.StatusTooManyRequests)
			}, []string{"login failed: anonymous > ada because invalid_credentials", "login refused: anonymous > ada because rate_limited"}}, tr},
			{act{"closed", func() { api.Post("/auth/register", registration("x@example.com")).Status(http.StatusForbidden) }, []string{"user.register refused: anonymous > - because registration_closed operation=register"}}, tr},
			{act{"an account's limit", func() {
				api.As(ada).Put("/users/me/password", newPassword("x")).Status(http.StatusBadRequest)
				api.As(ada).Put("/users/me/password", newPassword("x")).Status(http.StatusTooManyRequests)
			}, []string{"access.denied refused: ada > - because rate_limited operation=changeMyPassword", "user.confirm_password failed: ada > ada because invalid_credentials"}}, tr},
			{act{"a page's limit", func() {
				form := api.WithHeader("Content-Type", "application/x-www-form-urlencoded")
				form.Post("/verify-email", "token=gtm_x").Status(http.StatusBadRequest)
				form.Post("/verify-email", "token=gtm_x").Status(http.StatusTooManyRequests)
			}, []string{"access.denied refused: anonymous > - because rate_limited operation=verifyEmail"}}, tr},
		} {
			c.by.seen = map[uuid.UUID]audit.Entry{}
			c.by.since()
			c.do()
			require.Equal(t, c.want, spelled(t, c.by.since(), names), c.name)
		}
	})
}

// idOf gives the id of the client's own account.
func idOf(t *testing.T, api *testkit.API) string {
	t.Helper()
	var u struct {
		ID string `json:"id"`
	}
	api.Get("/users/me").Status(http.StatusOK).JSON(&u)
	return u.ID
}

// TestStatement26AFloodOfRefusalsIsElevenRowsAMinute sends a thousand.
func TestStatement26AFloodOfRefusalsIsElevenRowsAMinute(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := audited(t, db, clock.NewFake(time.Now()))
		ada := api.User()
		tr := &trail{t: t, api: api}
		tr.since()
		for range 1000 {
			api.As(ada).Get("/users").Status(http.StatusForbidden)
		}
		fresh := tr.since()
		require.Len(t, fresh, 11)
		var n int64
		for _, e := range fresh {
			require.Equal(t, []any{audit.Denied, "forbidden", ada.ID, auditedFrom}, []any{e.Action, *e.Reason, *e.ActorID, *e.IP})
			n += e.Count
		}
		require.Equal(t, int64(1000), n)
	})
}

// TestStatement26NoAPIDeletesAnAuditRow asks for it, and lets what could do so by the way do what it does.
func TestStatement26NoAPIDeletesAnAuditRow(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	admin := api.As(api.Admin())
	for _, path := range []string{"/audit", "/audit/1"} {
		for _, method := range []string{http.MethodDelete, http.MethodPut, http.MethodPatch, http.MethodPost} {
			require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, admin.Do(method, path, nil).StatusCode)
		}
	}
	for _, op := range api.App.Router.Operations() {
		if strings.HasPrefix(op.Path, "/audit") {
			require.Equal(t, http.MethodGet, op.Method)
		}
	}
}

// TestTheAuditListIsWalkedAndFiltered walks pages of every filter, and holds them against the whole.
func TestTheAuditListIsWalkedAndFiltered(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := audited(t, db, clk)
		boss := api.Admin()
		ada := api.User()
		for i := range 12 {
			clk.Advance(time.Second)
			api.As(boss).Patch("/users/"+ada.ID.String(), []string{`{"role":"admin"}`, `{"role":"user"}`}[i%2]).Status(http.StatusOK)
			api.WithHeader("X-Forwarded-For", "198.51.100.9").Post("/auth/login", map[string]string{"email": ada.Email, "password": "x"}).Status(http.StatusBadRequest)
		}
		all := (&trail{t: t, api: api}).all()
		slices.Reverse(all)
		require.NoError(t, api.App.Stores.Audit.Seal(t.Context()))
		from, to := time.Time(all[len(all)-8].OccurredAt), time.Time(all[4].OccurredAt)
		moment := func(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000Z") }
		for query, keep := range map[string]func(audit.Entry) bool{
			"":                             func(audit.Entry) bool { return true },
			"actor_id=" + boss.ID.String(): func(e audit.Entry) bool { return e.ActorID != nil && *e.ActorID == boss.ID },
			"target_id=" + ada.ID.String(): func(e audit.Entry) bool { return e.TargetID != nil && *e.TargetID == ada.ID },
			"action=user.role":             func(e audit.Entry) bool { return e.Action == "user.role" },
			"action=nothing":               func(audit.Entry) bool { return false },
			"outcome=failed":               func(e audit.Entry) bool { return e.Outcome == audit.Failed },
			"outcome=done&action=login":    func(e audit.Entry) bool { return e.Outcome == audit.Done && e.Action == "login" },
			"ip=198.51.100.9":              func(e audit.Entry) bool { return e.IP != nil && *e.IP == "198.51.100.9" },
			"from=" + moment(from):         func(e audit.Entry) bool { return !time.Time(e.OccurredAt).Before(from) },
			"to=" + moment(to):             func(e audit.Entry) bool { return time.Time(e.OccurredAt).Before(to) },
			"from=" + moment(from) + "&to=" + moment(to) + "&action=user.role": func(e audit.Entry) bool {
				return e.Action == "user.role" && !time.Time(e.OccurredAt).Before(from) && time.Time(e.OccurredAt).Before(to)
			},
		} {
			var want, met []uuid.UUID
			for _, e := range all {
				if keep(e) {
					want = append(want, e.ID)
				}
			}
			cursor := ""
			for {
				var p page.Page[audit.Entry]
				r := api.As(boss).Get("/audit?limit=3&" + query + cursor).Status(http.StatusOK)
				r.JSON(&p)
				for _, e := range p.Items {
					require.NotNil(t, e.Number)
					met = append(met, e.ID)
				}
				if p.NextCursor == nil {
					require.Empty(t, r.Header.Get("Link"))
					break
				}
				require.Contains(t, r.Header.Get("Link"), `rel="next"`)
				cursor = "&cursor=" + *p.NextCursor
			}
			require.Equal(t, want, met, query)
		}
	})
}

func TestTheAuditListRefusesWhatItCannotFind(t *testing.T) {
	t.Parallel()
	api := testkit.Serve(t, testkit.SQLite(t))
	admin := api.As(api.Admin())
	var p page.Page[audit.Entry]
	admin.Get("/audit?limit=1").Status(http.StatusOK).JSON(&p)
	for query, fault := range map[string]string{
		"limit=0": "limit out_of_range", "cursor=x": "cursor invalid_format", "cursor=" + *p.NextCursor + "&action=login": "cursor invalid_format",
		"actor_id=me": "actor_id invalid_format", "target_id=1": "target_id invalid_format", "action=": "action too_short", "outcome=good": "outcome not_allowed", "ip=here": "ip invalid_format",
		"from=2026-01-31": "from invalid_format", "to=now": "to invalid_format", "sort=action": "sort unknown_field",
	} {
		admin.Get("/audit?" + query).Invalid(fault)
	}
	admin.Get("/audit?limit=1&cursor=" + *p.NextCursor).Status(http.StatusOK)
}

// TestErasingAUserKeepsTheAuditTrailWhole deletes somebody who has lived, and one who was refused just before.
func TestErasingAUserKeepsTheAuditTrailWhole(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := audited(t, db, clock.NewFake(time.Now()))
		boss := api.WithHeader("X-Forwarded-For", "198.51.100.9").Admin()
		ada := api.User()
		api.As(ada).Patch("/users/me", `{"locale":"de"}`).Status(http.StatusOK)
		trails := api.App.Stores.Audit
		require.NoError(t, trails.Seal(t.Context()))
		api.Post("/auth/login", map[string]string{"email": ada.Email, "password": "x"}).Status(http.StatusBadRequest)
		api.As(ada).Get("/users").Status(http.StatusForbidden)
		var export struct {
			Modules map[string]json.RawMessage `json:"modules"`
		}
		api.As(ada).Get("/users/me/export").Status(http.StatusOK).JSON(&export)
		require.Contains(t, string(export.Modules["audit"]), `"user.create"`)
		require.Contains(t, string(export.Modules["audit"]), auditedFrom)
		api.As(boss).Delete("/users/"+ada.ID.String(), nil).Status(http.StatusNoContent)
		for range 2 {
			for _, e := range (&trail{t: t, api: api}).all() {
				if e.TargetID != nil && *e.TargetID == ada.ID && e.Action != "user.delete" || e.ActorID != nil && *e.ActorID == ada.ID {
					require.Equal(t, []*string{nil, nil, nil}, []*string{e.IP, e.UserAgent, e.Email}, e.Action)
				}
			}
			found, err := trails.Verify(t.Context(), audit.VerifyOptions{}, func(f audit.Fault) { t.Error(f) })
			require.NoError(t, err)
			require.Positive(t, found.Erased)
			require.NoError(t, trails.Seal(t.Context()))
		}
	})
}
