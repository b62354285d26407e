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

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/clock"
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
			if strings.HasSuffix(key, "_id") {
				line += " " + key
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
		case e.Action == "user.delete" && e.Outcome == audit.Done && e.Actor == audit.User && *e.ActorID == *e.TargetID: // it went with the account
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

// TestStatement26EveryLoginRefusalAndAdministrativeActIsWrittenDown does all that is written down, by every way in which it
// can be done or refused, and much that is not, and wants these rows and no others. An action that is declared and never written fails
// it.
func TestStatement26EveryLoginRefusalAndAdministrativeActIsWrittenDown(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := audited(t, db, clk, toNobody(), testkit.WithBuild(withReader), testkit.WithSetting("events.max_attempts", "1"))
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
