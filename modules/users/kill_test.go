package users_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/module"
	"github.com/gatehouse/gatehouse/testkit"
)

// What the process gets that is to be killed: the database, and whom to delete as whom.
const (
	victimDatabase = "TEST_VICTIM_DATABASE"
	victimPath     = "TEST_VICTIM_PATH"
	victimToken    = "TEST_VICTIM_TOKEN"
)

const halfWay = "everything is deleted, and nothing committed"

// withPause puts a module before all others that, asked to erase when everything else is gone, says so and waits.
func withPause(s *app.Stores) ([]module.Module, error) {
	modules, err := app.Standard(s)
	return append([]module.Module{{
		Name: "pause",
		Erase: func(ctx context.Context, _ *database.Tx, _ account.ID) error {
			fmt.Println(halfWay)
			<-ctx.Done()
			return ctx.Err()
		},
	}}, modules...), err
}

// TestAKillHalfWayThroughADeletionLeavesEverything runs itself as the process that is killed.
func TestAKillHalfWayThroughADeletionLeavesEverything(t *testing.T) {
	t.Parallel()
	if url := os.Getenv(victimDatabase); url != "" {
		api := testkit.Serve(t, testkit.Database{URL: url}, testkit.WithBuild(withPause))
		api.WithToken(os.Getenv(victimToken)).Delete(os.Getenv(victimPath), nil)
		return
	}
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		api := testkit.Serve(t, db)
		admin, u := api.Admin(), newPredecessor(t, api)
		before, path := exportOf(api.As(u.User)), "/users/"+u.ID.String()

		victim := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAKillHalfWayThroughADeletionLeavesEverything$")
		victim.Env = append(os.Environ(), victimDatabase+"="+db.URL, victimPath+"="+path, victimToken+"="+admin.AccessToken,
			"TMPDIR="+t.TempDir()) // it removes nothing itself
		out, err := victim.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, victim.Start())
		lines, said := bufio.NewScanner(out), ""
		for said != halfWay && lines.Scan() {
			said = lines.Text()
		}
		require.NoError(t, victim.Process.Kill())
		require.Error(t, victim.Wait())
		require.Equal(t, halfWay, said)

		require.Equal(t, before.Modules, exportOf(api.As(u.User)).Modules)
		api.Post("/auth/login", credentials(u.User, u.Password)).Status(http.StatusOK)
		api.Post("/auth/verify-email", map[string]string{"token": u.mailed["/verify-email"]}).Status(http.StatusNoContent)
		api.As(admin).Delete(path, nil).Status(http.StatusNoContent)
		api.As(u.User).Get("/users/me").Problem(http.StatusUnauthorized, "AUTHENTICATION_ERROR")
	})
}
