package cli_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/cli"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
	"github.com/gatehouse/gatehouse/testkit"
)

// terminal opens a pseudo-terminal: what is written to person is typed on screen.
func terminal(t *testing.T) (person, screen *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = person.Close() })
	fd := int(person.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = screen.Close() })
	return person, screen
}

func echoes(t *testing.T, screen *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(screen.Fd()), unix.TCGETS)
	require.NoError(t, err)
	return state.Lflag&unix.ECHO != 0
}

// asked runs user create on a terminal. Each answer is typed once its question stands and the echo is off.
func asked(t *testing.T, person, screen *os.File, answers ...string) (int, string) {
	t.Helper()
	var out, errs logtest.Logs
	done := make(chan int, 1)
	args := []string{"user", "create", "--email", "a@example.com", "--full-name", "A", "--data-dir", t.TempDir()}
	go func() { done <- cli.Run(t.Context(), app.Standard, args, cli.IO{In: screen, Out: &out, Err: &errs}) }()
	for i, a := range answers {
		question := []string{"Password: ", "Once more: "}[i]
		require.Eventually(t, func() bool { return strings.HasSuffix(errs.String(), question) && !echoes(t, screen) }, 20*time.Second, time.Millisecond)
		_, err := person.WriteString(a + "\n")
		require.NoError(t, err)
	}
	return <-done, out.String() + errs.String()
}

func TestAPasswordIsAskedForTwiceWithoutEcho(t *testing.T) {
	t.Parallel()
	person, screen := terminal(t)
	code, said := asked(t, person, screen, "Difference-Engine-1842", "Difference-Engine-1842")
	require.Zero(t, code, said)
	require.Contains(t, said, "a@example.com")
	require.NotContains(t, said, "1842")
	require.True(t, echoes(t, screen))
}

func TestTwoPasswordsThatDifferMakeNoAccount(t *testing.T) {
	t.Parallel()
	person, screen := terminal(t)
	code, said := asked(t, person, screen, "Difference-Engine-1842", "Difference-Engine-1843")
	require.Equal(t, 2, code)
	require.Contains(t, said, "the two passwords differ")
}

func TestAQuestionThatIsBrokenOffGivesTheEchoBack(t *testing.T) {
	t.Parallel()
	person, screen := terminal(t)
	ctx, stop := context.WithCancel(t.Context())
	var errs logtest.Logs
	done := make(chan int, 1)
	args := []string{"user", "create", "--email", "a@example.com", "--full-name", "A", "--data-dir", t.TempDir()}
	go func() { done <- cli.Run(ctx, app.Standard, args, cli.IO{In: screen, Out: &errs, Err: &errs}) }()
	require.Eventually(t, func() bool { return !echoes(t, screen) }, 20*time.Second, time.Millisecond)
	stop()
	require.NotZero(t, <-done)
	require.Contains(t, errs.String(), "interrupted")
	require.True(t, echoes(t, screen))
	endRead(t, person, screen)
}

// endRead ends a read that nobody waits for any more, and whose handle would otherwise become another test's.
func endRead(t *testing.T, person, screen *os.File) {
	t.Helper()
	_, err := person.WriteString("\n")
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		waiting, err := unix.IoctlGetInt(int(screen.Fd()), unix.TIOCINQ)
		return err == nil && waiting == 0
	}, 20*time.Second, time.Millisecond)
}

func TestRevokingSigningKeysIsAskedAbout(t *testing.T) {
	t.Parallel()
	for answer, code := range map[string]int{"y\n": 0, "Yes\n": 0, "n\n": 2, "\n": 2} {
		person, screen := terminal(t)
		var out, errs logtest.Logs
		_, err := person.WriteString(answer)
		require.NoError(t, err)
		args := []string{"keys", "rotate", "--revoke-old", "--data-dir", t.TempDir()}
		require.Equal(t, code, cli.Run(t.Context(), app.Standard, args, cli.IO{In: screen, Out: &out, Err: &errs}), "%q: %s", answer, errs.String())
		require.Contains(t, errs.String(), "Every access token will be refused at once. Go on? [y/N] ")
		if code != 0 {
			require.Contains(t, errs.String(), "nothing was changed")
		}
	}
}

func TestADeletionIsConfirmedByTypingTheAddress(t *testing.T) {
	t.Parallel()
	for answer, code := range map[string]int{"Ada@Bücher.example\n": 0, " ADA@xn--bcher-kva.EXAMPLE \n": 0, "y\n": 2, "\n": 2, "bob@example.com\n": 2} {
		db := testkit.SQLite(t)
		api := testkit.Serve(t, db)
		u := api.User(func(u *testkit.User) { u.Email = "Ada@Bücher.example" })
		person, screen := terminal(t)
		_, err := person.WriteString(answer)
		require.NoError(t, err)
		var out, errs logtest.Logs
		args := []string{"user", "delete", u.ID.String(), "--data-dir", t.TempDir(), "--set", "database.url=" + db.URL}
		require.Equal(t, code, cli.Run(t.Context(), app.Standard, args, cli.IO{In: screen, Out: &out, Err: &errs}), "%q: %s", answer, errs.String())
		require.Contains(t, errs.String(), "This deletes the user Ada@Bücher.example (Ada Lovelace), and all that is held about them, for good.\nType the e-mail address to go on: ")
		if code == 0 {
			require.Equal(t, "deleted "+u.ID.String()+" Ada@Bücher.example\n", out.String())
			continue
		}
		require.Contains(t, errs.String(), "nothing was changed")
		require.Empty(t, out.String())
		api.As(u).Get("/users/me").Status(http.StatusOK)
	}
}

func TestADeletionThatIsBrokenOffDeletesNobody(t *testing.T) {
	t.Parallel()
	db := testkit.SQLite(t)
	api := testkit.Serve(t, db)
	u := api.User()
	person, screen := terminal(t)
	ctx, stop := context.WithCancel(t.Context())
	var errs logtest.Logs
	done := make(chan int, 1)
	args := []string{"user", "delete", u.Email, "--data-dir", t.TempDir(), "--set", "database.url=" + db.URL}
	go func() { done <- cli.Run(ctx, app.Standard, args, cli.IO{In: screen, Out: &errs, Err: &errs}) }()
	require.Eventually(t, func() bool { return strings.HasSuffix(errs.String(), "to go on: ") }, 20*time.Second, time.Millisecond)
	stop()
	require.Equal(t, 1, <-done)
	require.True(t, strings.HasSuffix(errs.String(), "\ngatehouse: interrupted\n"), errs.String())
	api.As(u).Get("/users/me").Status(http.StatusOK)
	endRead(t, person, screen)
}
