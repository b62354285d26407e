package contract_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestContractUsers(t *testing.T) {
	t.Parallel()
	proveChapter(t, ofUsers())
}

func ofUsers() []proof {
	return slices.Concat(userEndpoints(), userRepresentation(), userLists(), userAvatars(), userRules())
}

func userEndpoints() []proof {
	return []proof{
		{says: `/users/me | GET | JWT | 200 User | current user`, prove: func(s *stage) {
			s.signedInOnly(http.MethodGet, "/users/me")
			require.Equal(s.T, s.user.ID.String(), s.isUser(s.asUser().Get("/users/me"), 200)["id"])
		}},
		{says: `/users/me | PATCH | JWT | 200 User | full_name, locale (BCP 47), timezone (IANA)`, prove: func(s *stage) {
			s.signedInOnly(http.MethodPatch, "/users/me")
			got := s.isUser(s.asUser().Patch("/users/me", `{"full_name":" Ada King ","locale":"en-gb","timezone":"Europe/London"}`), 200)
			require.Equal(s.T, []any{"Ada King", "en-GB", "Europe/London"}, []any{got["full_name"], got["locale"], got["timezone"]})
			for body, fault := range map[string]string{
				`{"locale":"english"}`: "#/locale invalid_format", `{"locale":"en_GB"}`: "#/locale invalid_format", `{"locale":""}`: "#/locale invalid_format", `{"timezone":"Mars/Olympus"}`: "#/timezone invalid_format",
				`{"timezone":"europe/london"}`: "#/timezone invalid_format", `{"timezone":"Local"}`: "#/timezone invalid_format", `{"email":"x@example.com"}`: "#/email unknown_field", `{"role":"admin"}`: "#/role unknown_field",
			} {
				s.asUser().Patch("/users/me", body).Invalid(fault)
			}
		}},
		{says: `/users/me/avatar | PUT | JWT | 200 User | multipart/form-data field file, or a raw image/* body`, prove: func(s *stage) {
			s.signedInOnly(http.MethodPut, "/users/me/avatar")
			picture := smallPNG(s.T)
			s.isUser(s.asUser().WithHeader("Content-Type", "image/png").Put("/users/me/avatar", picture), 200)
			s.isUser(s.asUser().WithHeader("Content-Type", "image/x-whatever").Put("/users/me/avatar", picture), 200)
			body, contentType := formOf(s.T, "file", picture)
			s.isUser(s.asUser().WithHeader("Content-Type", contentType).Put("/users/me/avatar", body), 200)
			body, contentType = formOf(s.T, "picture", picture)
			s.asUser().WithHeader("Content-Type", contentType).Put("/users/me/avatar", body).Invalid("#/picture unknown_field", "#/file required")
		}},
		{says: `/users/me/password | PUT | JWT | 204 | {"current_password", "new_password"}; other sessions end, this one stays`, prove: func(s *stage) {
			s.signedInOnly(http.MethodPut, "/users/me/password")
			u := s.api.User()
			other := s.signIn(u)
			s.emptyBody(s.api.As(u).Put("/users/me/password", newPassword(u.Password)).Status(http.StatusNoContent))
			s.api.As(u).Get("/users/me").Status(http.StatusOK)
			s.refresh(u.RefreshToken).Status(http.StatusOK)
			s.api.As(other).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.refresh(other.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.api.Post("/auth/login", map[string]string{"email": u.Email, "password": u.Password}).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
			s.asUser().Put("/users/me/password", map[string]string{"current_password": s.user.Password, "new_password": "x"}).
				Invalid("#/new_password too_short", "#/new_password missing_upper", "#/new_password missing_digit")
		}},
		{says: `/users/{id} | GET | JWT + admin | 200 User | one user`, prove: func(s *stage) {
			s.administratorsOnly(http.MethodGet, "/users/"+s.user.ID.String())
			require.Equal(s.T, s.user.ID.String(), s.isUser(s.asAdmin().Get("/users/"+s.user.ID.String()), 200)["id"])
			s.asAdmin().Get("/users/" + strings.ToUpper(s.user.ID.String())).Invalid("id invalid_format")
		}},
		{says: `/users | GET | JWT + admin | 200 list | paginated`, prove: func(s *stage) {
			s.administratorsOnly(http.MethodGet, "/users")
			page := s.asAdmin().Get("/users?limit=1").Status(http.StatusOK)
			require.Len(s.T, s.members(page)["items"], 1)
			require.NotNil(s.T, s.members(page)["next_cursor"])
		}},
		{says: `/users/{id} | PATCH | JWT + admin | 200 User | full_name, email, role, is_active, email_verified`, prove: func(s *stage) {
			u := s.api.User()
			at := "/users/" + u.ID.String()
			s.administratorsOnly(http.MethodPatch, at)
			s.api.As(u).Patch(at, `{"full_name":"Ada"}`).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR") // not even one's own
			got := s.isUser(s.asAdmin().Patch(at, `{"full_name":"Ada King","email":"King@example.com","role":"admin","is_active":true,"email_verified":true}`), 200)
			require.Equal(s.T, []any{"Ada King", "King@example.com", "admin", true, true}, []any{got["full_name"], got["email"], got["role"], got["is_active"], got["email_verified"]})
			require.Equal(s.T, false, s.isUser(s.asAdmin().Patch(at, `{"role":"user","is_active":false}`), 200)["is_active"])
			for body, fault := range map[string]string{`{"locale":"de"}`: "#/locale unknown_field", `{"password":"x"}`: "#/password unknown_field", `{"role":"god"}`: "#/role not_allowed", `{"is_active":"false"}`: "#/is_active wrong_type"} {
				s.asAdmin().Patch(at, body).Invalid(fault)
			}
		}},
		{says: `/users/{id} | DELETE | JWT + admin | 204 | hard: rows in one transaction, sessions at once, blobs by a job; the address is free again`, prove: func(s *stage) {
			s.administratorsOnly(http.MethodDelete, "/users/"+s.user.ID.String())
			u := s.api.User()
			s.api.WorkJobs()
			before := s.pictures()
			setAvatar(s.T, s.api.As(u)).Status(http.StatusOK)
			s.emptyBody(s.asAdmin().Delete("/users/"+u.ID.String(), nil).Status(http.StatusNoContent))
			s.api.As(u).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.refresh(u.RefreshToken).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
			s.asAdmin().Get("/users/"+u.ID.String()).Problem(http.StatusNotFound, "NOT_FOUND")
			require.Len(s.T, s.pictures(), len(before)+2)
			s.api.WorkJobs()
			require.Equal(s.T, before, s.pictures())
			s.api.Post("/auth/register", registration(u.Email)).Status(http.StatusCreated)
		}, elsewhere: []string{"test/contract TestNothingIsLeftOfADeletedUser", "modules/users TestAKillHalfWayThroughADeletionLeavesEverything"}},
		{says: `Deleting a user publishes user.deleted.`, prove: func(s *stage) {
			u := s.api.User()
			s.asAdmin().Delete("/users/"+u.ID.String(), nil).Status(http.StatusNoContent)
			told, err := s.api.App.Stores.Events.List(s.T.Context(), event.Filter{Subject: u.ID, Type: "gatehouse.user.deleted.v1", Limit: 10})
			require.NoError(s.T, err)
			require.Len(s.T, told, 1)
		}},
	}
}

// signedInOnly wants 401 without a token.
func (s *stage) signedInOnly(method, path string) {
	s.api.Do(method, path, nil).Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
}

// administratorsOnly wants 403 for everybody else as well.
func (s *stage) administratorsOnly(method, path string) {
	s.signedInOnly(method, path)
	s.asUser().Do(method, path, nil).Problem(http.StatusForbidden, "AUTHORIZATION_ERROR")
}

func userRepresentation() []proof {
	return []proof{
		{says: `User: {"id", "email", "full_name", "role": "user"|"admin", "is_active", "email_verified", "avatar_url": string|null, "locale": string|null, "timezone": string|null, "created_at", "updated_at", "last_login_at": string|null}.`, prove: func(s *stage) {
			invited := s.isUser(s.asAdmin().Post("/users", invitation("shape@example.com")), 201)
			for _, null := range []string{"avatar_url", "locale", "timezone", "last_login_at"} {
				require.Nil(s.T, invited[null], null)
			}
			s.asUser().Patch("/users/me", `{"locale":"de","timezone":"Europe/Berlin"}`).Status(http.StatusOK)
			full := s.isUser(setAvatar(s.T, s.asUser()), 200)
			for name, value := range full {
				switch name {
				case "is_active", "email_verified":
					require.IsType(s.T, true, value, name)
				default:
					require.NotEmpty(s.T, value, name)
					require.IsType(s.T, "", value, name)
				}
			}
			require.Equal(s.T, []any{"user", "admin"}, []any{full["role"], s.members(s.asAdmin().Get("/users/me"))["role"]})
		}},
		{says: `No hash, no token, nothing internal, ever.`, prove: func(s *stage) {
			var hash string
			require.NoError(s.T, s.api.App.Stores.DB.QueryRow(s.Context(), `SELECT password_hash FROM users WHERE id = ?`, s.user.ID).Scan(&hash))
			for _, r := range []*testkit.Response{
				s.asUser().Get("/users/me"), s.asUser().Get("/users/me/export"), s.asUser().Get("/users/me/sessions"), s.asAdmin().Get("/users"), s.asAdmin().Get("/users/" + s.user.ID.String()),
				s.asAdmin().Get("/users/" + s.user.ID.String() + "/sessions"), s.asUser().Patch("/users/me", `{"locale":"de"}`),
			} {
				for _, secret := range []string{hash, "argon2", "digest", "hash", "canonical", "folded", `"version"`, s.user.AccessToken, s.user.RefreshToken, "gtr_", "gtm_"} {
					require.NotContains(s.T, string(r.Status(http.StatusOK).Body), secret)
				}
			}
		}, elsewhere: []string{"test/contract TestStatement25SecretsNeverShow"}},
		{says: `GET of one user carries an ETag; PATCH honours If-Match.`, prove: func(s *stage) {
			u := s.api.User()
			for path, api := range map[string]*testkit.API{"/users/me": s.api.As(u), "/users/" + u.ID.String(): s.asAdmin()} {
				tag := api.Get(path).Status(http.StatusOK).Header.Get("ETag")
				require.Regexp(s.T, `^"[^"]+"$`, tag)
				s.emptyBody(api.WithHeader("If-None-Match", tag).Get(path).Status(http.StatusNotModified))
				for _, other := range []string{`"x"`, "W/" + tag, `"x", "y"`} {
					api.WithHeader("If-Match", other).Patch(path, `{"full_name":"Never"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
				}
				for _, malformed := range []string{"x", "", `"x`, strings.Trim(tag, `"`)} {
					api.WithHeader("If-Match", malformed).Patch(path, `{"full_name":"Never"}`).Invalid("If-Match invalid_format")
				}
				changed := api.WithHeader("If-Match", `"x", `+tag).Patch(path, `{"full_name":"Once `+path+`"}`).Status(http.StatusOK)
				require.NotEqual(s.T, tag, changed.Header.Get("ETag"))
				api.WithHeader("If-Match", tag).Patch(path, `{"full_name":"Never"}`).Problem(http.StatusPreconditionFailed, "PRECONDITION_FAILED")
				require.Equal(s.T, changed.Header.Get("ETag"), api.Get(path).Header.Get("ETag"))
				api.WithHeader("If-Match", "*").Patch(path, `{"full_name":"Again `+path+`"}`).Status(http.StatusOK)
			}
		}},
		{says: `PATCH is a JSON merge: absent leaves, null clears what may be empty (locale, timezone), {} is 400.`, prove: func(s *stage) {
			s.asUser().Patch("/users/me", `{"full_name":"Ada King","locale":"de","timezone":"Europe/Berlin"}`).Status(http.StatusOK)
			got := s.isUser(s.asUser().Patch("/users/me", `{"locale":null}`), 200)
			require.Equal(s.T, []any{"Ada King", nil, "Europe/Berlin"}, []any{got["full_name"], got["locale"], got["timezone"]})
			require.Nil(s.T, s.isUser(s.asUser().Patch("/users/me", `{"timezone":null}`), 200)["timezone"])
			s.asUser().Patch("/users/me", `{"full_name":null}`).Invalid("#/full_name wrong_type")
			at := "/users/" + s.user.ID.String()
			s.asAdmin().Patch(at, `{"full_name":null,"email":null,"role":null,"is_active":null,"email_verified":null}`).
				Invalid("#/full_name wrong_type", "#/email wrong_type", "#/role wrong_type", "#/is_active wrong_type", "#/email_verified wrong_type")
			for _, empty := range []string{"{}", " { } "} {
				s.asUser().Patch("/users/me", empty).Invalid("# required")
				s.asAdmin().Patch(at, empty).Invalid("# required")
			}
		}},
	}
}
