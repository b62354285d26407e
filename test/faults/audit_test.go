package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/test/drive"
)

// TestKillsLoseNoAuditRowThatHasACause: the row of what was done is there exactly where that is, answered or not, and a refusal
// stays once it is written, about a second after its answer. It takes longer than five seconds: each round waits for that
// second, kills a process and starts it.
func TestKillsLoseNoAuditRowThatHasACause(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		killedWhileWritingDown(t, "sqlite:"+filepath.Join(dir, "gatehouse.db"), "data_dir="+dir)
	})
	if !hasPostgres() {
		return
	}
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		p := startPostgres(t)
		killedWhileWritingDown(t, p.URL, "database.url="+p.URL, "database.pool_min=1", "data_dir="+t.TempDir())
	})
}

func killedWhileWritingDown(t *testing.T, url string, settings ...string) {
	t.Helper()
	s := drive.Start(t, append(settings, noLimits)...)
	of := database.DefaultSettings()
	of.URL, of.PoolMin = secret.New(url), 0
	db, err := database.Open(t.Context(), of, database.Options{})
	require.NoError(t, err)
	defer db.Close()
	count := func(from string, args ...any) (n int, err error) {
		err = db.QueryRow(t.Context(), "SELECT count(*) FROM "+from, args...).Scan(&n)
		return n, err
	}
	const (
		failed     = "gatehouse_audit WHERE action = 'login' AND outcome = 'failed' AND target = ?"
		registered = "gatehouse_audit WHERE action = 'user.register' AND outcome = 'done' AND target = ?"
	)
	acknowledged := map[string]drive.Answer{}
	var refused []account.ID
	for round := range drive.Often(3, 50) {
		email := fmt.Sprintf("refused-%d@example.com", round)
		id := madeBy(t, s.Register(email))
		refused = append(refused, id)
		require.Equal(t, http.StatusBadRequest, s.Send(http.MethodPost, "/auth/login", "", fmt.Sprintf(`{"email":%q,"password":"x"}`, email)).Status)
		require.Eventually(t, func() bool {
			n, err := count(failed, id)
			return err == nil && n == 1
		}, 10*time.Second, 20*time.Millisecond, "the refusal is written")
		maps.Copy(acknowledged, registeredUntilKilled(s, round))
		s.Start()
	}
	rows := func(from string, args ...any) int {
		t.Helper()
		n, err := count(from, args...)
		require.NoError(t, err)
		return n
	}
	require.NotEmpty(t, acknowledged)
	for _, a := range acknowledged {
		require.Equal(t, 1, rows(registered, madeBy(t, a)))
	}
	for _, id := range refused {
		require.Equal(t, 1, rows(failed, id), "it was there before the kill")
	}
	require.Zero(t, rows("users u WHERE NOT EXISTS (SELECT 1 FROM gatehouse_audit a WHERE a.action = 'user.register' AND a.target = u.id)"), "accounts without their row")
	require.Zero(t, rows("gatehouse_audit a WHERE a.action = 'user.register' AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = a.target)"), "rows without their account")
	verify := []string{"audit", "verify"}
	for _, v := range settings {
		verify = append(verify, "--set", v)
	}
	out, err := drive.Command(t, verify...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	t.Logf("%d registrations acknowledged over %d kills: %s", len(acknowledged), len(refused), out)
}

// madeBy gives the account that an answer of 201 tells of.
func madeBy(t *testing.T, a drive.Answer) account.ID {
	t.Helper()
	require.Equal(t, http.StatusCreated, a.Status, "%s", a.Body)
	var made struct {
		ID account.ID `json:"id"`
	}
	require.NoError(t, json.Unmarshal(a.Body, &made), "%s", a.Body)
	return made.ID
}
