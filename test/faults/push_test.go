package faults_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/test/drive"
)

// TestInstancesGoOnWithoutTheirChannel takes Redis and the listening connection away from two instances, which say so, keep
// answering, and recover by themselves.
func TestInstancesGoOnWithoutTheirChannel(t *testing.T) {
	t.Parallel()
	if !hasPostgres() || !hasRedis() {
		return
	}
	db, r := databasetest.Postgres(t), startRedis(t)
	settings := []string{"database.url=" + db.URL, "redis.url=" + r.URL, noLimits, "database.pool_min=0", "database.pool_max=5"}
	one := drive.Start(t, settings...)
	two := drive.Start(t, settings...)
	require.Equal(t, http.StatusCreated, one.Register("ada@example.com").Status)
	token := one.MustLogIn("ada@example.com")
	bothAre := func(state string) {
		t.Helper()
		for _, s := range []*drive.Server{one, two} {
			require.Eventually(t, func() bool {
				status, found := s.Ready()
				return status == http.StatusOK && found == state
			}, 20*time.Second, 20*time.Millisecond, state)
			require.Equal(t, http.StatusOK, s.Send("GET", "/users/me", token, "").Status)
		}
	}
	bothAre("ready")

	terminated := terminateListeners(t, db.URL)
	require.Equal(t, int64(2), terminated, "one listening connection for each instance")
	require.Eventually(t, func() bool { return listening(t, db.URL) == 2 }, 20*time.Second, 20*time.Millisecond, "both listen again")
	bothAre("ready")

	require.NoError(t, r.Halt(t.Context()))
	bothAre("degraded")
	setActive(t, db.URL, false)
	for _, s := range []*drive.Server{one, two} {
		require.Eventually(t, func() bool { return s.Send("GET", "/users/me", token, "").Status == http.StatusUnauthorized },
			5*time.Second, 10*time.Millisecond, "nobody told of the change, and yet it holds within a second or two")
	}
	setActive(t, db.URL, true)
	require.NoError(t, r.Start(t.Context()))
	bothAre("ready")
}

const listeners = ` FROM pg_stat_activity WHERE application_name = 'gatehouse listen' AND datname = current_database()`

func terminateListeners(t *testing.T, url string) int64 {
	t.Helper()
	return ask(t, url, `SELECT count(pg_terminate_backend(pid))`+listeners)
}

// listening counts the listening connections.
func listening(t *testing.T, url string) int64 {
	t.Helper()
	return ask(t, url, `SELECT count(*)`+listeners)
}

func setActive(t *testing.T, url string, active bool) {
	t.Helper()
	require.Equal(t, int64(1), ask(t, url, `WITH changed AS (UPDATE users SET is_active = ? RETURNING id) SELECT count(*) FROM changed`, active))
}

func ask(t *testing.T, url, sql string, args ...any) (n int64) {
	t.Helper()
	s := database.DefaultSettings()
	s.URL, s.PoolMin, s.PoolMax = secret.New(url), 0, 1
	db, err := database.Open(t.Context(), s, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}
