package contract_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

func newPassword(current string) map[string]string {
	return map[string]string{"current_password": current, "new_password": "Analytical-Engine-1843"}
}

// ownAnswers produces what is documented for what people do with their current password.
func ownAnswers(t *testing.T, api *testkit.API) {
	t.Helper()
	u := api.User()
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
		{"password", api.As(u), "PUT", "/users/me/password", newPassword(u.Password), 204},
	} {
		require.Equal(t, c.want, c.as.Do(c.method, c.path, c.body).StatusCode, c.name)
	}
}

// ownLimits has a user's current password checked until it is no more.
func ownLimits(t *testing.T, api *testkit.API, u testkit.User) {
	t.Helper()
	for _, try := range []func() *testkit.Response{
		func() *testkit.Response { return api.As(u).Put("/users/me/password", newPassword("x")) },
	} {
		require.Eventually(t, func() bool { return try().StatusCode == http.StatusTooManyRequests }, time.Minute, time.Millisecond)
	}
}
