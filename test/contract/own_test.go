package contract_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/testkit"
)

func newPassword(current string) map[string]string {
	return map[string]string{"current_password": current, "new_password": "Analytical-Engine-1843"}
}

func newEmail(to, current string) map[string]string {
	return map[string]string{"new_email": to, "current_password": current}
}

func leavingWith(current string) map[string]string {
	return map[string]string{"current_password": current}
}

func invitation(email string) map[string]string {
	return map[string]string{"email": email, "full_name": "Charles Babbage", "role": "user"}
}

// ownAnswers produces what is documented for what people do with their current password, and for what administrators do in
// its place.
func ownAnswers(t *testing.T, api *testkit.API) {
	t.Helper()
	gone := api.User()
	u, admin, disabled := api.User(), api.Admin(), api.User()
	_, err := api.App.Stores.DB.Exec(t.Context(), `UPDATE users SET is_active = ? WHERE id = ?`, false, disabled.ID)
	require.NoError(t, err)
	startFor := func(id string) string { return "/users/" + id + "/password-reset" }
	for _, c := range []struct {
		name   string
		as     *testkit.API
		method string
		path   string
		body   any
		want   int
	}{
		{"password, wrong", api.As(u), "PUT", "/users/me/password", newPassword("x"), 400},
		{"password, large", api.As(u), "PUT", "/users/me/password", strings.Repeat(" ", 5<<10), 413},
		{"password, not JSON", api.As(u).WithHeader("Content-Type", "text/plain"), "PUT", "/users/me/password", "{}", 415},
		{"password, anonymous", api, "PUT", "/users/me/password", newPassword(u.Password), 401},
		{"invite", api.As(admin), "POST", "/users", invitation("invited@example.com"), 201},
		{"invite, known", api.As(admin), "POST", "/users", invitation("INVITED@example.com"), 409},
		{"invite, invalid", api.As(admin), "POST", "/users", "{}", 400},
		{"invite, user", api.As(u), "POST", "/users", invitation("other@example.com"), 403},
		{"invite, anonymous", api, "POST", "/users", invitation("other@example.com"), 401},
		{"invite, large", api.As(admin), "POST", "/users", strings.Repeat(" ", 5<<10), 413},
		{"invite, not JSON", api.As(admin).WithHeader("Content-Type", "text/plain"), "POST", "/users", "{}", 415},
		{"start reset", api.As(admin), "POST", startFor(u.ID.String()), nil, 202},
		{"start reset, invalid", api.As(admin), "POST", startFor("x"), nil, 400},
		{"start reset, disabled", api.As(admin), "POST", startFor(disabled.ID.String()), nil, 409},
		{"start reset, nobody", api.As(admin), "POST", startFor(account.NewID().String()), nil, 404},
		{"start reset, user", api.As(u), "POST", startFor(u.ID.String()), nil, 403},
		{"start reset, anonymous", api, "POST", startFor(u.ID.String()), nil, 401},
		{"email", api.As(u), "POST", "/users/me/email", newEmail("moving@example.com", u.Password), 202},
		{"email, wrong", api.As(u), "POST", "/users/me/email", newEmail("moving@example.com", "x"), 400},
		{"email, known", api.As(u), "POST", "/users/me/email", newEmail(admin.Email, u.Password), 409},
		{"email, anonymous", api, "POST", "/users/me/email", newEmail("moving@example.com", u.Password), 401},
		{"email, large", api.As(u), "POST", "/users/me/email", strings.Repeat(" ", 5<<10), 413},
		{"email, not JSON", api.As(u).WithHeader("Content-Type", "text/plain"), "POST", "/users/me/email", "{}", 415},
		{"confirm, unknown", api, "POST", "/auth/confirm-email", mailedToken("x"), 400},
		{"confirm, large", api, "POST", "/auth/confirm-email", strings.Repeat(" ", 5<<10), 413},
		{"confirm, not JSON", api.WithHeader("Content-Type", "text/plain"), "POST", "/auth/confirm-email", "{}", 415},
		{"delete, wrong", api.As(gone), "DELETE", "/users/me", leavingWith("x"), 400},
		{"delete, large", api.As(gone), "DELETE", "/users/me", strings.Repeat(" ", 5<<10), 413},
		{"delete, not JSON", api.As(gone).WithHeader("Content-Type", "text/plain"), "DELETE", "/users/me", "{}", 415},
		{"delete", api.As(gone), "DELETE", "/users/me", leavingWith(gone.Password), 204},
		{"delete, gone", api.As(gone), "DELETE", "/users/me", leavingWith(gone.Password), 401},
		{"password", api.As(u), "PUT", "/users/me/password", newPassword(u.Password), 204},
	} {
		require.Equal(t, c.want, c.as.Do(c.method, c.path, c.body).StatusCode, c.name)
	}
}

// confirmAnswers confirms an address that somebody has taken meanwhile, and one that is free.
func confirmAnswers(t *testing.T, api *testkit.API) {
	t.Helper()
	u := api.User()
	for to, want := range map[string]int{"taken-meanwhile@example.com": http.StatusConflict, "free@example.com": http.StatusNoContent} {
		api.As(u).Post("/users/me/email", newEmail(to, u.Password)).Status(http.StatusAccepted)
		api.WorkJobs()
		mailed := lastToken(t, api, testkit.User{Email: to}, "/confirm-email")
		if want == http.StatusConflict {
			api.User(func(faster *testkit.User) { faster.Email = to })
		}
		api.Post("/auth/confirm-email", mailedToken(mailed)).Status(want)
	}
}

func mailedToken(text string) map[string]string { return map[string]string{"token": text} }

// ownLimits has a user's current password checked until it is no more.
func ownLimits(t *testing.T, api *testkit.API, u testkit.User) {
	t.Helper()
	for _, try := range []func() *testkit.Response{
		func() *testkit.Response { return api.As(u).Put("/users/me/password", newPassword("x")) },
		func() *testkit.Response { return api.As(u).Post("/users/me/email", newEmail("x@example.com", "x")) },
		func() *testkit.Response { return api.As(u).Delete("/users/me", leavingWith("x")) },
		func() *testkit.Response { return api.Post("/auth/confirm-email", "{}") },
	} {
		require.Eventually(t, func() bool { return try().StatusCode == http.StatusTooManyRequests }, time.Minute, time.Millisecond)
	}
}
