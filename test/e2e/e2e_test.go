// Package e2e_test drives the built binary as its users do.
package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/test/drive"
	"github.com/gatehouse/gatehouse/testkit"
)

func TestMain(m *testing.M) { os.Exit(drive.Main(m)) }

const noLimits = "ratelimit.enabled=false"

// each runs a case on every store, with settings that point there.
func each(t *testing.T, run func(t *testing.T, settings []string)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		run(t, []string{"data_dir=" + t.TempDir()})
	})
	if os.Getenv(testkit.PostgresVariable) == "" || os.Getenv(testkit.RedisVariable) == "" {
		return
	}
	t.Run("postgres and redis", func(t *testing.T) {
		t.Parallel()
		run(t, []string{"data_dir=" + t.TempDir(), "database.url=" + databasetest.Postgres(t).URL, "redis.url=" + os.Getenv(testkit.RedisVariable), "database.pool_min=1"})
	})
}

func TestAFreshServerRegistersAndSignsIn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		s := drive.Start(t, settings...)
		t.Logf("healthy after %s", s.Started)
		for _, line := range []string{"API ", "docs ", "operations ", "database "} {
			require.Eventually(t, func() bool { return strings.Contains(s.Log(), line) }, 10*time.Second, 5*time.Millisecond, line)
		}
		r := s.Register("ada@example.com")
		require.Equal(t, http.StatusCreated, r.Status, "%s", r.Body)
		require.NotEmpty(t, r.Header.Get("RateLimit"))
		var me map[string]any
		require.NoError(t, json.Unmarshal(s.Send("GET", "/users/me", s.MustLogIn("ADA@example.com"), "").Body, &me))
		require.Equal(t, "ada@example.com", me["email"])
		require.Equal(t, http.StatusNotFound, s.Status("/metrics"), "metrics are the operators'")
		require.Eventually(t, func() bool {
			status, state := s.Ready()
			return status == http.StatusOK && state == "ready"
		}, 10*time.Second, 10*time.Millisecond, "once the channel of changes is proven")
	})
}

func TestARestartKeepsAccountsSessionsAndKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		s := drive.Start(t, append(settings, noLimits)...)
		s.Register("ada@example.com")
		token := s.MustLogIn("ada@example.com")
		keys := string(s.Send("GET", "/.well-known/jwks.json", "", "").Body)
		s.Kill()
		s.Start()
		require.Equal(t, http.StatusOK, s.Send("GET", "/users/me", token, "").Status)
		require.Equal(t, keys, string(s.Send("GET", "/.well-known/jwks.json", "", "").Body))
		require.Equal(t, http.StatusConflict, s.Register("Ada@Example.com").Status)
	})
}

func TestInstancesAreOneService(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		settings = append(settings, "ratelimit.login=3/1m", "redis.prefix=e2e-"+strings.ReplaceAll(t.Name(), "/", "-")[:20])
		a, b := drive.Start(t, settings...), drive.Start(t, settings...)
		require.Equal(t, http.StatusCreated, a.Register("ada@example.com").Status)
		token := b.MustLogIn("ada@example.com")
		require.Equal(t, http.StatusOK, a.Send("GET", "/users/me", token, "").Status)
		if !strings.Contains(strings.Join(settings, " "), "redis.url") {
			return
		}
		var passed int
		for i := range 6 {
			if _, r := []*drive.Server{a, b}[i%2].LogIn("ada@example.com"); r.Status == http.StatusOK {
				passed++
			}
		}
		require.Equal(t, 2, passed, "three a minute over both, one of them above")
	})
}

func TestTheFirstAdministratorComesFromTheCommandLine(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, settings []string) {
		s := drive.Start(t, append(settings, noLimits)...)
		createAdministrator(t, "root@example.com", settings)
		var me map[string]any
		require.NoError(t, json.Unmarshal(s.Send("GET", "/users/me", s.MustLogIn("root@example.com"), "").Body, &me))
		require.Equal(t, "admin", me["role"])
		require.Equal(t, true, me["email_verified"])
	})
}

// createAdministrator has the binary add one to the store of the settings.
func createAdministrator(t *testing.T, email string, settings []string) {
	t.Helper()
	args := []string{"user", "create", "--email", email, "--full-name", "Root", "--admin", "--password-stdin"}
	for _, v := range settings {
		args = append(args, "--set", v)
	}
	cmd := drive.Command(t, args...)
	cmd.Stdin = strings.NewReader(drive.Password + "\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestProductionStartsWithWhatItNeeds(t *testing.T) {
	t.Parallel()
	s := drive.Start(t, "env=production", "data_dir="+t.TempDir(), "http.public_url=https://auth.example.com", "http.drain_delay=0s",
		"mail.url=smtps://mail.example.com", "mail.from=Example <no-reply@example.com>", "master_key=MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
	r := s.Register("ada@example.com")
	require.Equal(t, http.StatusCreated, r.Status, "%s", r.Body)
	require.NotEmpty(t, r.Header.Get("Strict-Transport-Security"))
}

func TestTheBinarysDocumentIsTheServedOne(t *testing.T) {
	t.Parallel()
	s := drive.Start(t, "data_dir="+t.TempDir())
	out, err := drive.Command(t, "openapi", "--format", "json").Output()
	require.NoError(t, err)
	require.JSONEq(t, string(out), string(s.Send("GET", "/openapi.json", "", "").Body))
}

func TestStartingTakesNoTime(t *testing.T) {
	t.Parallel()
	s := drive.Start(t, "data_dir="+t.TempDir())
	first := s.Started
	s.Kill()
	s.Start()
	t.Logf("healthy after %s on an empty folder, %s on a full one", first, s.Started)
	require.Less(t, s.Started, 5*time.Second, "the bound of 0.2 s is for a quiet machine")
}
