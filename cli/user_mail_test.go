package cli_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

// setPassword follows the link of a mail.
func setPassword(t *testing.T, api *testkit.API, m testkit.Mail, password string) {
	t.Helper()
	require.Len(t, m.Links, 1)
	_, token, ok := strings.Cut(m.Links[0], "?token=")
	require.True(t, ok, m.Links[0])
	api.Post("/auth/reset-password", map[string]string{"token": token, "new_password": password}).Status(http.StatusNoContent)
}

func TestAnInvitationIsMailedByTheServer(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		command := beside(t, db)
		r := succeed(t, command("user", "invite", "--email", "Ada@example.com", "--full-name", " Ada Lovelace ", "--admin"))
		require.Regexp(t, `^invited admin [0-9a-f-]{36} Ada@example.com\n$`, r.out)
		require.Regexp(t, "^a worker mails the link, with these settings to .*mail, as .eml files: `gatehouse serve` or `gatehouse worker` must run\n$", r.err)
		require.Empty(t, api.Mail(), "nobody works")
		api.WorkJobs()
		u := testkit.User{Email: "ada@example.com", Password: testkit.Password}
		setPassword(t, api, api.LastMailTo("Ada@example.com"), u.Password)
		api.LogIn(&u)
		api.As(u).Get("/users").Status(http.StatusOK)

		shown := userIn(t, command("user", "invite", "--email", "b@example.com", "--full-name", "B", "--json"))
		require.Equal(t, "b@example.com", shown.Email)
		require.False(t, shown.EmailVerified)
		taken := command("user", "invite", "--email", "B@EXAMPLE.com", "--full-name", "B")
		require.Equal(t, 1, taken.code)
		require.Equal(t, "gatehouse: an account with this e-mail address exists already\n", taken.err)
		require.Empty(t, taken.out)
	})
}

func TestAResetIsMailedByTheServer(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		u := api.User()
		command := beside(t, db)
		r := succeed(t, command("user", "reset", u.ID.String()))
		require.Equal(t, "reset started for "+u.ID.String()+" "+u.Email+"\n", r.out)
		require.Contains(t, r.err, "a worker mails the link")
		api.As(u).Get("/users/me").Status(http.StatusOK)
		require.Equal(t, u.ID, userIn(t, command("user", "reset", u.Email, "--json")).ID)
		api.WorkJobs()
		u.Password = "Analytical-Engine-1843"
		setPassword(t, api, api.LastMailTo(u.Email), u.Password)
		api.LogIn(&u)

		succeed(t, command("user", "disable", u.Email))
		off := command("user", "reset", u.Email)
		require.Equal(t, 1, off.code)
		require.Equal(t, "gatehouse: the user is not active; activate them first: gatehouse user enable does\n", off.err)
		require.Empty(t, off.out)
	})
}

func TestADeletedUserLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		folder := t.TempDir()
		api := testkit.Serve(t, db, testkit.WithSetting("blob.url", "file:"+folder))
		u := api.User()
		var picture bytes.Buffer
		require.NoError(t, png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8))))
		api.As(u).WithHeader("Content-Type", "image/png").Put("/users/me/avatar", picture.Bytes()).Status(http.StatusOK)
		require.NotEmpty(t, filesBelow(t, folder))
		command := beside(t, db)
		shown := succeed(t, command("user", "show", u.Email, "--json", "--set", "http.base_path=/api")).out
		require.Regexp(t, `"avatar_url": ?"/api/avatars/`, shown, "where the API below that path has it")
		require.Equal(t, "deleted "+u.ID.String()+" "+u.Email+"\n", succeed(t, command("user", "delete", u.Email, "--yes")).out)
		require.Equal(t, 1, command("user", "show", u.ID.String()).code)
		api.WorkJobs()
		require.Empty(t, filesBelow(t, folder))

		again := api.User(func(n *testkit.User) { n.Email = u.Email })
		require.Equal(t, again.ID, userIn(t, command("user", "delete", again.ID.String(), "--yes", "--json")).ID)
		gone := command("user", "delete", again.ID.String(), "--yes")
		require.Equal(t, 1, gone.code)
		require.Contains(t, gone.err, "there is no user")
	})
}

func filesBelow(t *testing.T, folder string) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	}))
	return all
}
