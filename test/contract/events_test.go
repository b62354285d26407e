package contract_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/testkit"
)

// told reads the outbox.
type told struct {
	t    *testing.T
	api  *testkit.API
	seen int
}

// since gives what was told since the last time, the oldest first.
func (o *told) since() []event.Listed {
	o.t.Helper()
	all, err := o.api.App.Stores.Events.List(o.t.Context(), event.Filter{Limit: 10_000})
	require.NoError(o.t, err)
	slices.Reverse(all)
	fresh := all[o.seen:]
	o.seen = len(all)
	return fresh
}

// in spells them short: the type without prefix and version, and what the data says beside ids and what is personal.
func in(t *testing.T, events []event.Listed) []string {
	t.Helper()
	out := []string{}
	for _, e := range events {
		line := strings.TrimSuffix(strings.TrimPrefix(e.Type, "gatehouse."), ".v1")
		var data map[string]any
		require.NoError(t, json.Unmarshal(e.Data, &data))
		for _, name := range slices.Sorted(maps.Keys(data)) {
			if !slices.Contains([]string{"user_id", "session_id", "email", "full_name", "previous_email"}, name) {
				text, err := json.Marshal(data[name])
				require.NoError(t, err)
				line += " " + name + "=" + strings.ReplaceAll(string(text), `"`, "")
			}
		}
		out = append(out, line)
	}
	return out
}

// TestWhatHappensIsToldAndNothingElse has everything happen that an event is about, by every way in which it can, and much
// that changes nothing. A type that is declared and never told fails it, and so does data that the catalogue does not name.
func TestWhatHappensIsToldAndNothingElse(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Now())
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		outbox := &told{t: t, api: api}
		types, all := catalogue(t, api.App), map[string]bool{}
		for _, c := range happenings(t, api, clk, outbox) {
			c.run()
			fresh := outbox.since()
			require.Equal(t, c.told, in(t, fresh), c.name)
			for _, e := range fresh {
				all[e.Type] = true
				requireCatalogued(t, types, e)
			}
		}
		declared := slices.Sorted(maps.Keys(types))
		require.Equal(t, declared, slices.Sorted(maps.Keys(all)), "declared, and told here")
	})
}

// catalogued is a type of event, and its schema as a validator takes it.
type catalogued struct {
	event.Type

	schema *jsonschema.Schema
}

// catalogue gives what an app declares, by name. Formats count, which JSON Schema leaves to whoever validates, and nothing is
// fetched.
func catalogue(t *testing.T, a *app.App) map[string]catalogued {
	t.Helper()
	all := map[string]catalogued{}
	for _, d := range a.Stores.Events.Types() {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		c.UseLoader(jsonschema.SchemeURLLoader{})
		const name = "urn:schema"
		require.NoError(t, c.AddResource(name, instance(t, d.Schema())), d.Name)
		schema, err := c.Compile(name) // it is held against the schema of schemas, too
		require.NoError(t, err, d.Name)
		require.Equal(t, 2020, schema.DraftVersion, d.Name)
		all[d.Name] = catalogued{d, schema}
	}
	return all
}

// instance reads JSON as a validator takes it.
func instance(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err, "%s", text)
	return v
}

// requireCatalogued wants the members that the catalogue names and no others, each as its schema says.
func requireCatalogued(t *testing.T, types map[string]catalogued, e event.Listed) {
	t.Helper()
	d, ok := types[e.Type]
	require.True(t, ok, e.Type)
	var data map[string]any
	require.NoError(t, json.Unmarshal(e.Data, &data))
	require.Equal(t, e.Subject.String(), data["user_id"])
	names := []string{}
	for _, m := range d.Members {
		names = append(names, m.Name)
	}
	require.ElementsMatch(t, names, slices.Collect(maps.Keys(data)), e.Type)
	require.NoError(t, d.schema.Validate(instance(t, e.Data)), "%s %s", e.Type, e.Data)
}

// TestASchemaTakesWhatTheCatalogueSaysAndNothingElse changes data that is as it should be, one member at a time.
func TestASchemaTakesWhatTheCatalogueSaysAndNothingElse(t *testing.T) {
	t.Parallel()
	a, err := app.New(app.Standard, app.Options{})
	require.NoError(t, err)
	types := catalogue(t, a)
	const registered, updated, revoked = "gatehouse.user.registered.v1", "gatehouse.user.updated.v1", "gatehouse.session.revoked.v1"
	id := account.NewID().String()
	good := map[string]map[string]any{
		registered: {"user_id": id, "email": "ada@example.com", "full_name": "Ada King", "role": "user", "email_verified": false, "has_password": true},
		updated:    {"user_id": id, "changed": []string{"locale", "avatar_url"}},
		revoked:    {"user_id": id, "session_id": account.NewSessionID().String(), "reason": "logout"},
	}
	type gone struct{}
	for name, c := range map[string]struct {
		of, member string
		value      any
		taken      bool
	}{
		"as it is":                    {registered, "role", "user", true},
		"without what was personal":   {registered, "email", gone{}, true},
		"with more, of a later one":   {registered, "plan", "free", true},
		"nothing that has changed":    {updated, "changed", []string{}, true},
		"without a member":            {registered, "role", gone{}, false},
		"another role":                {registered, "role", "root", false},
		"null":                        {registered, "role", nil, false},
		"a text for a truth":          {registered, "email_verified", "false", false},
		"a number for a text":         {registered, "full_name", 1, false},
		"no address":                  {registered, "email", "ada", false},
		"no id":                       {registered, "user_id", "ada", false},
		"no id of a session":          {revoked, "session_id", "1", false},
		"another reason":              {revoked, "reason", "boredom", false},
		"a member that nobody has":    {updated, "changed", []string{"locale", "shoe_size"}, false},
		"a text for a list":           {updated, "changed", "locale", false},
		"null, where a list is empty": {updated, "changed", nil, false},
	} {
		data := maps.Clone(good[c.of])
		if data[c.member] = c.value; c.value == (gone{}) {
			delete(data, c.member)
		}
		text, err := json.Marshal(data)
		require.NoError(t, err)
		require.Equal(t, c.taken, types[c.of].schema.Validate(instance(t, text)) == nil, "%s: %s", name, text)
	}
}

type happening struct {
	name string
	run  func()
	told []string
}

func happenings(t *testing.T, api *testkit.API, clk *clock.Fake, outbox *told) []happening {
	t.Helper()
	boss := api.Admin()
	admin := api.As(boss)
	u, other, reused, self := api.User(), api.User(), api.User(), api.User()
	at := "/users/" + u.ID.String()
	outbox.since()
	none := []string{}
	patch := func(body string) func() { return func() { admin.Patch(at, body).Status(http.StatusOK) } }
	again := func(body string) func() {
		return func() { api.As(u).Patch("/users/me", body).Status(http.StatusOK) }
	}
	return []happening{
		{"register", func() { api.Post("/auth/register", registration("told@example.com")).Status(http.StatusCreated) }, []string{"user.registered email_verified=false has_password=true role=user"}},
		{"register, known", func() { api.Post("/auth/register", registration("told@example.com")).Status(http.StatusConflict) }, none},
		{"the command line", func() { api.Admin() }, []string{"user.registered email_verified=false has_password=true role=admin", "user.logged_in"}},
		{"login", func() { api.LogIn(&other) }, []string{"user.logged_in"}},
		{"login, wrong", func() {
			api.Post("/auth/login", map[string]string{"email": u.Email, "password": "x"}).Status(http.StatusBadRequest)
		}, none},
		{"refresh", func() {
			api.Post("/auth/refresh", map[string]string{"refresh_token": reused.RefreshToken}).Status(http.StatusOK)
		}, none},
		{"refresh, reused", func() {
			clk.Advance(time.Minute)
			api.Post("/auth/refresh", map[string]string{"refresh_token": reused.RefreshToken}).Status(http.StatusUnauthorized)
		}, []string{"session.reuse_detected", "session.revoked reason=reuse_detected"}},
		{"profile", again(`{"full_name":"Ada King","locale":"en-GB","timezone":"Europe/London"}`), []string{"user.updated changed=[full_name,locale,timezone]"}},
		{"profile, the same", again(`{"full_name":"Ada King","locale":"en-GB"}`), none},
		{"profile, cleared", again(`{"locale":null}`), []string{"user.updated changed=[locale]"}},
		{"avatar", func() { setAvatar(t, api.As(u)).Status(http.StatusOK) }, []string{"user.updated changed=[avatar_url]"}},
		{"avatar, removed", func() { api.As(u).Delete("/users/me/avatar", nil).Status(http.StatusNoContent) }, []string{"user.updated changed=[avatar_url]"}},
		{"avatar, none", func() { api.As(u).Delete("/users/me/avatar", nil).Status(http.StatusNoContent) }, none},
		{"vouched for", patch(`{"email_verified":true}`), []string{"user.email_verified"}},
		{"vouched for, again", patch(`{"email_verified":true}`), none},
		{"no longer vouched for", patch(`{"email_verified":false}`), []string{"user.updated changed=[email_verified]"}},
		{"verified", func() { verify(t, api, u) }, []string{"user.email_verified"}},
		{"verified, again", func() { verify(t, api, u) }, none},
		{"another address, by an administrator", patch(`{"email":"moved@example.com"}`), []string{"user.email_changed email_verified=false"}},
		{"verified, on the page", func() {
			u.Email = "moved@example.com"
			api.Post("/auth/verify-email/resend", email(u.Email)).Status(http.StatusAccepted)
			api.WorkJobs()
			api.WithHeader("Content-Type", "application/x-www-form-urlencoded").Post("/verify-email", "token="+lastToken(t, api, u, "/verify-email")).Status(http.StatusOK)
		}, []string{"user.email_verified"}},
		{"role", patch(`{"role":"admin"}`), []string{"user.role_changed previous_role=user role=admin"}},
		{"several at once", patch(`{"role":"user","full_name":"Ada","is_active":false}`), []string{
			"user.updated changed=[full_name]", "user.role_changed previous_role=admin role=user", "user.deactivated", "session.revoked reason=administrator",
		}},
		{"active again", patch(`{"is_active":true}`), []string{"user.activated"}},
		{"active, the same", patch(`{"is_active":true}`), none},
		{"login again", func() { api.LogIn(&u) }, []string{"user.logged_in"}},
		{"reset", func() {
			api.Post("/auth/forgot-password", email(u.Email)).Status(http.StatusAccepted)
			api.WorkJobs()
			api.Post("/auth/reset-password", map[string]string{"token": lastToken(t, api, u, "/reset-password"), "new_password": testkit.Password}).Status(http.StatusNoContent)
		}, []string{"user.password_reset invited=false", "session.revoked reason=reset"}},
		{"password, wrong", func() { api.As(self).Put("/users/me/password", newPassword("x")).Status(http.StatusBadRequest) }, none},
		{"password", func() {
			api.As(self).Put("/users/me/password", newPassword(self.Password)).Status(http.StatusNoContent)
		}, []string{"user.password_changed"}},
		{"password, with another session", func() {
			self.Password = "Analytical-Engine-1843"
			second := self
			api.LogIn(&second)
			api.As(self).Put("/users/me/password", map[string]string{"current_password": self.Password, "new_password": testkit.Password}).Status(http.StatusNoContent)
			self.Password = testkit.Password
		}, []string{"user.logged_in", "user.password_changed", "session.revoked reason=password_change"}},
		{"another address, asked for", func() {
			api.As(self).Post("/users/me/email", newEmail("next@example.com", self.Password)).Status(http.StatusAccepted)
			api.WorkJobs()
		}, none},
		{"another address, confirmed", func() {
			api.Post("/auth/confirm-email", mailedToken(lastToken(t, api, testkit.User{Email: "next@example.com"}, "/confirm-email"))).Status(http.StatusNoContent)
		}, []string{"user.email_changed email_verified=true"}},
		{"invited", func() { admin.Post("/users", invitation("invited@example.com")).Status(http.StatusCreated) }, []string{"user.registered email_verified=false has_password=false role=user"}},
		{"invited, and come", func() {
			api.WorkJobs()
			api.Post("/auth/reset-password", map[string]string{"token": lastToken(t, api, testkit.User{Email: "invited@example.com"}, "/reset-password"), "new_password": testkit.Password}).Status(http.StatusNoContent)
		}, []string{"user.email_verified", "user.password_reset invited=true"}},
		{"one session, by its user", func() {
			second := other
			api.LogIn(&second)
			api.As(other).Delete("/users/me/sessions/"+sessionOf(t, api.As(second)), nil).Status(http.StatusNoContent)
		}, []string{"user.logged_in", "session.revoked reason=other_device"}},
		{"logout", func() { api.As(other).Post("/auth/logout", nil).Status(http.StatusNoContent) }, []string{"session.revoked reason=logout"}},
		{"sessions, by an administrator", func() { admin.Delete("/users/"+self.ID.String()+"/sessions", nil).Status(http.StatusNoContent) }, []string{"session.revoked reason=administrator"}},
		{"sessions, none", func() { admin.Delete("/users/"+self.ID.String()+"/sessions", nil).Status(http.StatusNoContent) }, none},
		{"deleted", func() { admin.Delete("/users/"+other.ID.String(), nil).Status(http.StatusNoContent) }, []string{"user.deleted"}},
		{"deleted, again", func() { admin.Delete("/users/"+other.ID.String(), nil).Status(http.StatusNotFound) }, none},
		{"deleted, by oneself", func() {
			api.LogIn(&u)
			api.As(u).Delete("/users/me", leavingWith(testkit.Password)).Status(http.StatusNoContent)
		}, []string{"user.logged_in", "user.deleted"}},
	}
}

// verify uses a mailed link. Nobody is mailed one whose address is verified; the one of before is used then.
func verify(t *testing.T, api *testkit.API, u testkit.User) {
	t.Helper()
	api.Post("/auth/verify-email/resend", email(u.Email)).Status(http.StatusAccepted)
	api.WorkJobs()
	api.Post("/auth/verify-email", mailedToken(lastToken(t, api, u, "/verify-email")))
}
