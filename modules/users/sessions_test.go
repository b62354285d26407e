package users_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/testkit"
)

type session struct {
	ID          string `json:"id"`
	UserAgent   string `json:"user_agent"`
	Current     bool   `json:"current"`
	EndedReason string `json:"ended_reason"`
}

func sessionsAt(api *testkit.API, path string) []session {
	var list struct {
		Items []session `json:"items"`
	}
	api.Get(path).Status(http.StatusOK).JSON(&list)
	return list.Items
}

func TestAnAdministratorSeesAndEndsTheSessionsOfAUser(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api, elsewhere := testkit.Serve(t, db), testkit.Serve(t, db)
		admin, other := api.Admin(), api.User()
		phone := api.WithHeader("User-Agent", "phone").User()
		laptop, tablet := phone, phone
		api.WithHeader("User-Agent", "laptop").LogIn(&laptop)
		api.WithHeader("User-Agent", "tablet").LogIn(&tablet)
		path := "/users/" + phone.ID.String() + "/sessions"

		all := sessionsAt(api.As(admin), path)
		require.Len(t, all, 3)
		for i, agent := range []string{"tablet", "laptop", "phone"} {
			require.Equal(t, session{ID: all[i].ID, UserAgent: agent}, all[i])
		}
		require.Empty(t, sessionsAt(api.As(admin), path+"?ended=true"))
		require.True(t, sessionsAt(api.As(admin), "/users/"+admin.ID.String()+"/sessions")[0].Current)

		elsewhere.As(laptop).Get("/users/me").Status(http.StatusOK) // it remembers
		foreign := "/users/" + other.ID.String() + "/sessions/"
		api.As(admin).Delete(foreign+all[1].ID, nil).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(laptop).Get("/users/me").Status(http.StatusOK)
		api.As(admin).Delete(path+"/"+all[1].ID, nil).Status(http.StatusNoContent)
		api.As(admin).Delete(path+"/"+all[1].ID, nil).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(laptop).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
		refusedSoon(t, elsewhere, laptop)
		api.As(phone).Get("/users/me").Status(http.StatusOK)

		elsewhere.As(phone).Get("/users/me").Status(http.StatusOK)
		api.As(admin).Delete(path, nil).Status(http.StatusNoContent)
		for _, u := range []testkit.User{phone, tablet} {
			api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			api.Post("/auth/refresh", map[string]string{"refresh_token": u.RefreshToken}).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			refusedSoon(t, elsewhere, u)
		}
		api.As(admin).Delete(path, nil).Status(http.StatusNoContent) // none lives
		api.As(other).Get("/users/me").Status(http.StatusOK)

		api.LogIn(&phone) // which stays possible
		ended := sessionsAt(api.As(phone), "/users/me/sessions?ended=true")
		require.Len(t, ended, 3)
		for _, s := range ended {
			require.Equal(t, "administrator", s.EndedReason)
		}
		require.ElementsMatch(t, ended, sessionsAt(api.As(admin), path+"?ended=true"))
	})
}

func TestTheSessionsOfOthersAreForAdministrators(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, u, other := api.Admin(), api.User(), api.User()
		sid := sessionsAt(api.As(other), "/users/me/sessions")[0].ID
		for _, of := range []testkit.User{u, other} {
			path := "/users/" + of.ID.String() + "/sessions"
			for _, c := range []struct{ method, path string }{{"GET", path}, {"DELETE", path}, {"DELETE", path + "/" + sid}} {
				api.Do(c.method, c.path, nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
				api.As(u).Do(c.method, c.path, nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
			}
		}
		api.As(other).Get("/users/me").Status(http.StatusOK)
		nobody := "/users/" + account.NewID().String() + "/sessions"
		api.As(admin).Get(nobody).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(admin).Delete(nobody, nil).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(admin).Delete(nobody+"/"+sid, nil).Problem(http.StatusNotFound, "NOT_FOUND")
		api.As(admin).Delete("/users/x/sessions/y", nil).Invalid("id invalid_format", "sid invalid_format")
		api.As(admin).Get("/users/"+u.ID.String()+"/sessions?ended=yes&limit=1").Invalid("ended invalid_format", "limit unknown_field")
		r := api.As(u).Delete("/users/me/sessions", nil)
		r.Problem(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED")
		require.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
	})
}
