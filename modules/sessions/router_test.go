package sessions_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

type shown struct {
	ID          string `json:"id"`
	UserAgent   string `json:"user_agent"`
	IP          string `json:"ip"`
	CreatedAt   string `json:"created_at"`
	LastUsedAt  string `json:"last_used_at"`
	ExpiresAt   string `json:"expires_at"`
	Current     bool   `json:"current"`
	EndedAt     string `json:"ended_at"`
	EndedReason string `json:"ended_reason"`
}

func listed(api *testkit.API, query string) []shown {
	var list struct {
		Items []shown `json:"items"`
	}
	api.Get("/users/me/sessions" + query).Status(http.StatusOK).JSON(&list)
	return list.Items
}

func TestTheOwnerSeesTheirSessionsAndEndsThem(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC))
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		laptop, stranger := api.WithHeader("User-Agent", "laptop").User(), api.User()
		clk.Advance(time.Minute)
		phone := laptop
		api.WithHeader("User-Agent", "phone").LogIn(&phone)

		all := listed(api.As(laptop), "")
		require.Len(t, all, 2)
		for i, agent := range []string{"phone", "laptop"} {
			require.Equal(t, agent, all[i].UserAgent)
			require.Equal(t, "127.0.0.1", all[i].IP)
			require.Equal(t, agent == "laptop", all[i].Current)
			require.Empty(t, all[i].EndedAt+all[i].EndedReason)
		}
		require.Equal(t, "2026-01-31T09:31:00.000000Z", all[0].CreatedAt)
		require.Equal(t, "2026-01-31T09:31:00.000000Z", all[0].LastUsedAt)
		require.Equal(t, "2026-02-01T09:31:00.000000Z", all[0].ExpiresAt)
		require.Empty(t, listed(api.As(laptop), "?ended=true"))
		require.Equal(t, all, listed(api.As(laptop), "?ended=false"))

		path := "/users/me/sessions/"
		api.As(stranger).Delete(path+all[0].ID, nil).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(laptop).Delete(path+account.NewSessionID().String(), nil).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(laptop).Delete(path+"x", nil).Invalid("id invalid_format")
		api.As(phone).Get("/users/me").Status(http.StatusOK)
		clk.Advance(time.Minute)
		require.Empty(t, api.As(laptop).Delete(path+all[0].ID, nil).Status(http.StatusNoContent).Body)
		api.As(phone).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.Post("/auth/refresh", map[string]string{"refresh_token": phone.RefreshToken}).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.As(laptop).Delete(path+all[0].ID, nil).Problem(http.StatusNotFound, "NOT_FOUND")

		ended := listed(api.As(laptop), "?ended=true")
		require.Len(t, ended, 1)
		require.Equal(t, all[0].ID, ended[0].ID)
		require.Equal(t, "other_device", ended[0].EndedReason)
		require.Equal(t, "2026-01-31T09:32:00.000000Z", ended[0].EndedAt)
		require.False(t, ended[0].Current)

		clk.Advance(time.Minute)
		api.As(laptop).Delete(path+all[1].ID, nil).Status(http.StatusNoContent) // oneself
		api.As(laptop).Get("/users/me/sessions").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		api.LogIn(&laptop)
		require.Equal(t, "logout", listed(api.As(laptop), "?ended=true")[0].EndedReason)
	})
}

func TestASessionThatExpiredIsShownAsSuch(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC))
		api := testkit.Serve(t, db, testkit.WithClock(clk))
		u := api.User()
		clk.Advance(25 * time.Hour)
		api.LogIn(&u)
		require.Len(t, listed(api.As(u), ""), 1)
		ended := listed(api.As(u), "?ended=true")
		require.Len(t, ended, 1)
		require.Equal(t, "expired", ended[0].EndedReason)
		require.Equal(t, "2026-02-01T09:30:00.000000Z", ended[0].EndedAt)
		clk.Advance(30 * 24 * time.Hour)
		api.LogIn(&u)
		require.Len(t, listed(api.As(u), "?ended=true"), 1, "the first is forgotten, the second has expired")
	})
}
