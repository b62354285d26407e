package users_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

// smuggled are members that no request of these operations has: columns, members of other bodies, and names that a careless
// parser would take for the one or the other.
func smuggled() map[string]string {
	members := map[string]string{}
	values := map[string]string{
		"id": `"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`, "role": `"admin"`, "roles": `["admin"]`, "is_active": "true", "is_admin": "true", "admin": "true", "email_verified": "true",
		"password_hash": `"$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"`, "password": `"Analytical-Engine-1843"`, "email_canonical": `"eve@example.com"`, "version": "1", "avatar": `"x.jpg"`,
		"avatar_url": `"/avatars/x.jpg"`, "created_at": `"2000-01-01T00:00:00.000000Z"`, "updated_at": `"2000-01-01T00:00:00.000000Z"`, "last_login_at": "null", "permissions": `["users.write"]`,
		"__proto__": `{"role":"admin"}`, "constructor": `{"prototype":{"role":"admin"}}`, "user": `{"role":"admin"}`, "$set": `{"role":"admin"}`, "account_id": `"0190d3c4-5e6f-7a8b-9c0d-1e2f3a4b5c6d"`,
		"current_password": `"x"`, "session": `{}`, "sid": `"x"`, "sub": `"x"`, "deleted_at": "null", "tenant_id": "1", "change": `{"Role":"admin"}`,
	}
	spell := []func(string) string{
		func(s string) string { return s },
		func(s string) string { return "_" + s },
		func(s string) string { return s + " " },
		func(s string) string { return fmt.Sprintf("user[%s]", s) },
		func(s string) string { return "user." + s },
		func(s string) string { return "/" + s },
		func(s string) string { return s + "\u200b" },
		func(s string) string { return fmt.Sprintf("%c%s", s[0]-'a'+'A', s[1:]) },
	}
	for name, value := range values {
		for i, s := range spell {
			if last := len(spell) - 1; i == last && (name[0] < 'a' || name[0] > 'z') {
				continue
			}
			members[s(name)] = value
		}
	}
	return members
}

func TestSmuggledMembersChangeNothing(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, u := api.Admin(), api.User()
		row := func() (p person, hash string, version int64) {
			p, _ = of(t, api.As(admin).Get(path(u)))
			require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT password_hash, version FROM users WHERE id = ?`, u.ID).Scan(&hash, &version))
			return p, hash, version
		}
		person, hash, version := row()
		all := smuggled()
		require.Greater(t, len(all), 200)
		administered := []string{"role", "is_active", "email_verified"} // by whoever may
		for name, value := range all {
			with := func(rest string) string { return fmt.Sprintf(`{%s,%q:%s}`, rest, name, value) }
			api.As(u).Patch("/users/me", with(`"full_name":"Smuggler"`)).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			api.Post("/auth/register", with(`"full_name":"Smuggler","email":"smuggler@example.com","password":"`+testkit.Password+`"`)).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			if !slices.Contains(administered, name) {
				api.As(admin).Patch(path(u), with(`"full_name":"Smuggler","email":"smuggler@example.com"`)).Problem(http.StatusBadRequest, "VALIDATION_ERROR")
			}
		}
		gotPerson, gotHash, gotVersion := row()
		require.Equal(t, person, gotPerson)
		require.Equal(t, hash, gotHash)
		require.Equal(t, version, gotVersion)
		var made int
		require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT count(*) FROM users WHERE email_canonical = ?`, "smuggler@example.com").Scan(&made))
		require.Zero(t, made)
	})
}
