package auth_test

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/testkit"
)

// What attempts.go says.
const (
	pruneEvery   = 64
	mostAttempts = 400
)

// unslowed is attackable, and slows no account down: every guess is counted and answered alike.
func unslowed(clk clock.Clock) []testkit.Option {
	return append(attackable(clk), testkit.WithSetting("ratelimit.login_failure", "100000/15m"))
}

// guess fails to log in, n times, at an account that nobody has. Of each pruneEvery guesses one prunes.
func guess(api *testkit.API, n int) {
	for range n {
		api.Post("/auth/login", credentials("nobody@example.com", "Wrong-Password-1")).Problem(http.StatusBadRequest, "INVALID_CREDENTIALS")
	}
}

// startOfGuesses gives the byte that the digest begins with under which guesses are counted: pruning takes the rows of one
// such byte at a time. It is asked while there is no other row.
func startOfGuesses(t *testing.T, api *testkit.API) byte {
	t.Helper()
	guess(api, 1)
	var digest []byte
	require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT digest FROM auth_login_attempts`).Scan(&digest))
	require.Len(t, digest, sha256.Size)
	return digest[0]
}

// digestOf makes the nth digest that begins with a byte.
func digestOf(start byte, n int) []byte {
	digest := sha256.Sum256([]byte{start, byte(n >> 8), byte(n)})
	digest[0] = start
	return digest[:]
}

// putFailures writes failed logins of n accounts whose digests begin with a byte.
func putFailures(t *testing.T, api *testkit.API, start byte, n int, expiresAt func(i int) time.Time) {
	t.Helper()
	args := make([]any, 0, 4*n)
	for i := range n {
		args = append(args, digestOf(start, i), 1, expiresAt(i), expiresAt(i))
	}
	values := strings.TrimSuffix(strings.Repeat("(?,?,?,?),", n), ",")
	_, err := api.App.Stores.DB.Exec(t.Context(), `INSERT INTO auth_login_attempts (digest, failures, blocked_until, expires_at) VALUES `+values, args...)
	require.NoError(t, err)
}

// failuresLeft tells in how many seconds each failed login expires whose digest begins with a byte, the last to expire first.
func failuresLeft(t *testing.T, api *testkit.API, start byte, now time.Time) []int {
	t.Helper()
	last := append([]byte{start}, bytes.Repeat([]byte{0xff}, sha256.Size-1)...)
	rows, err := api.App.Stores.DB.Query(t.Context(), `SELECT expires_at FROM auth_login_attempts WHERE digest >= ? AND digest <= ? ORDER BY expires_at DESC`, []byte{start}, last)
	require.NoError(t, err)
	defer rows.Close()
	var all []int
	for rows.Next() {
		var at time.Time
		require.NoError(t, rows.Scan(&at))
		all = append(all, int(at.Sub(now)/time.Second))
	}
	require.NoError(t, rows.Err())
	return all
}

// TestRowsOfFailedLoginsHaveACapAndThoseThatExpireLastStay has failed logins of more accounts than rows are kept of. Those that
// are slowed down for longest expire last, so that a flood of other addresses frees nobody who is guessing.
func TestRowsOfFailedLoginsHaveACapAndThoseThatExpireLastStay(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		api := testkit.Serve(t, db, unslowed(clk)...)
		start := startOfGuesses(t, api) // of which one row expires in 15 minutes, behind all that follow
		const flood, own = 850, 900
		inSeconds := func(i int) time.Time { return clk.Now().Add(time.Duration(i+1) * time.Second) }
		putFailures(t, api, start, flood, inSeconds)
		putFailures(t, api, start^1, flood, inSeconds)

		guess(api, pruneEvery)
		require.Len(t, failuresLeft(t, api, start, clk.Now()), flood+1-mostAttempts, "a step is bounded")
		guess(api, pruneEvery)
		want := []int{own}
		for s := flood; len(want) < mostAttempts; s-- {
			want = append(want, s)
		}
		require.Equal(t, want, failuresLeft(t, api, start, clk.Now()))
		require.Len(t, failuresLeft(t, api, start^1, clk.Now()), flood, "their turn comes with guesses of their own")

		var counted int
		require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT failures FROM auth_login_attempts WHERE expires_at = ?`, clk.Now().Add(own*time.Second)).Scan(&counted))
		require.Equal(t, 1+2*pruneEvery, counted, "no guess was forgotten meanwhile")
	})
}

func TestRowsOfFailedLoginsAndKnownAddressesExpire(t *testing.T) {
	t.Parallel()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		clk := clock.NewFake(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
		api := testkit.Serve(t, db, unslowed(clk)...)
		start := startOfGuesses(t, api)
		putFailures(t, api, start, 20, func(i int) time.Time { return clk.Now().Add(time.Duration(i-9) * time.Second) }) // ten have
		putFailures(t, api, start^1, 20, func(int) time.Time { return clk.Now() })
		for i := range 256 { // where the account would be known is not told, so there are some for each byte
			for n, expiresAt := range []time.Time{clk.Now(), clk.Now().Add(time.Second)} {
				_, err := api.App.Stores.DB.Exec(t.Context(), `INSERT INTO auth_known_addresses (digest, expires_at) VALUES (?, ?)`, digestOf(byte(i), n), expiresAt)
				require.NoError(t, err)
			}
		}
		guess(api, pruneEvery)
		require.Equal(t, []int{900, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, failuresLeft(t, api, start, clk.Now()))
		require.Len(t, failuresLeft(t, api, start^1, clk.Now()), 20)
		known := func(where string) (n int) {
			require.NoError(t, api.App.Stores.DB.QueryRow(t.Context(), `SELECT count(*) FROM auth_known_addresses WHERE expires_at `+where, clk.Now()).Scan(&n))
			return n
		}
		require.Equal(t, 255, known("<= ?"), "those of one byte have gone")
		require.Equal(t, 256, known("> ?"))
	})
}
