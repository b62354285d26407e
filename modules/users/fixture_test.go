package users_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

// person is a user as the API shows it.
type person struct {
	ID            account.ID   `json:"id"`
	Email         string       `json:"email"`
	FullName      string       `json:"full_name"`
	Role          account.Role `json:"role"`
	IsActive      bool         `json:"is_active"`
	EmailVerified bool         `json:"email_verified"`
	AvatarURL     *string      `json:"avatar_url"`
	Locale        *string      `json:"locale"`
	Timezone      *string      `json:"timezone"`
	CreatedAt     time.Time    `json:"created_at"`
	UpdatedAt     time.Time    `json:"updated_at"`
	LastLoginAt   *time.Time   `json:"last_login_at"`
}

// of reads the user in an answer of 200, whose ETag it gives too.
func of(t testing.TB, r *testkit.Response) (p person, tag string) {
	t.Helper()
	r.Status(http.StatusOK).JSON(&p)
	return p, r.Header.Get("ETag")
}

func path(u testkit.User) string { return "/users/" + u.ID.String() }

// twoInstances serve one database.
func twoInstances(t *testing.T, db testkit.Database, clk *clock.Fake) (a, b *testkit.API) {
	t.Helper()
	return testkit.Serve(t, db, testkit.WithClock(clk)), testkit.Serve(t, db, testkit.WithClock(clk))
}

// soon asks until the answer is so. Another instance learns of a change at once or, where nobody can tell it, within
// security.md's second, which the fake clock lets pass.
func soon(t *testing.T, clk *clock.Fake, status int, ask func() *testkit.Response) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ask().StatusCode != status; {
		require.True(t, time.Now().Before(deadline), "never %d", status)
		clk.Advance(50 * time.Millisecond)
	}
}

// activeAdmins counts in the database.
func activeAdmins(t testing.TB, api *testkit.API) (n int) {
	t.Helper()
	require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT count(*) FROM users WHERE role = ? AND is_active = ?`, account.RoleAdmin, true).Scan(&n))
	return n
}
