package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/errs"
)

var examineStart = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// loaded gives an app whose settings are read and whose stores are closed. Ports are free ones unless set says otherwise.
func loaded(t *testing.T, set map[string]string) *App {
	t.Helper()
	a, err := New(Standard, Options{Clock: clock.NewFake(examineStart), Logs: io.Discard})
	require.NoError(t, err)
	args := map[string]string{"http.addr": "127.0.0.1:0", "ops.addr": "127.0.0.1:0"}
	maps.Copy(args, set)
	_, err = a.Load(config.Source{Args: args})
	require.NoError(t, err)
	return a
}

// setUp makes the database of a data folder, as a first start does.
func setUp(t *testing.T, set map[string]string) {
	t.Helper()
	a := loaded(t, set)
	defer a.Close(context.Background())
	require.NoError(t, a.Open(t.Context()))
}

// requireFinding wants a finding of the level, subject and part of a message.
func requireFinding(t *testing.T, all []Finding, l Level, subject, says string) {
	t.Helper()
	for _, f := range all {
		if f.Level == l && f.Subject == subject && strings.Contains(f.Message, says) {
			require.True(t, l != LevelFail || f.Advice != "" || subject == "env", "%s: %s has no advice", f.Subject, f.Message)
			return
		}
	}
	require.Fail(t, "no such finding", "%s %s %q in %+v", l, subject, says, all)
}

func TestExamineFindsNothingWrongAroundAFirstStart(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	set := map[string]string{"data_dir": dir}
	before := loaded(t, set).Examine(t.Context())
	requireFinding(t, before, LevelOK, "database", "is not there yet")
	require.NoDirExists(t, dir)
	setUp(t, set)
	after := loaded(t, set).Examine(t.Context())
	requireFinding(t, after, LevelOK, "schema", "all applied")
	requireFinding(t, after, LevelOK, "master_key", "development key opens")
	requireFinding(t, after, LevelOK, "data_dir", dir)
	for _, f := range append(before, after...) {
		require.Equal(t, LevelOK, f.Level, f)
	}
}

func TestExamineTellsWhatIsWrongWithSQLite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	set := map[string]string{"data_dir": dir, "database.url": "sqlite:" + filepath.Join(dir, "x.db") + "?synchronous=off"}
	setUp(t, set)
	require.NoError(t, os.Chmod(filepath.Join(dir, "x.db"), 0o644))
	requireFinding(t, loaded(t, set).Examine(t.Context()), LevelWarn, "data_dir", "mode 0644")

	set["master_key"] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	all := loaded(t, set).Examine(t.Context())
	requireFinding(t, all, LevelFail, "master_key", "was set up without one")
	requireFinding(t, all, LevelWarn, "database.url", "synchronous")

	require.NoError(t, os.WriteFile(filepath.Join(dir, "y.db"), []byte(strings.Repeat("no database ", 100)), 0o600))
	requireFinding(t, loaded(t, map[string]string{"database.url": "sqlite:" + filepath.Join(dir, "y.db")}).Examine(t.Context()), LevelFail, "database", "y.db")
}

func TestExamineSaysWhoAppliesWhatIsPending(t *testing.T) {
	t.Parallel()
	for migrate, want := range map[string]Level{"auto": LevelOK, "off": LevelFail} {
		set := map[string]string{"data_dir": t.TempDir(), "database.migrate": migrate}
		a := loaded(t, set)
		require.NoError(t, a.OpenDatabase(t.Context()))
		_, err := a.Stores.DB.Migrate(t.Context(), a.Migrations()[:1])
		require.NoError(t, err)
		a.Close(context.Background())
		all := loaded(t, set).Examine(t.Context())
		requireFinding(t, all, want, "schema", "are pending")
		requireFinding(t, all, LevelOK, "master_key", "no root secret yet")
	}
}

func TestExamineTellsWhatTheEnvironmentForbidsAndNoSecret(t *testing.T) {
	t.Parallel()
	all := loaded(t, map[string]string{
		"env": "production", "ratelimit.enabled": "false", "data_dir": t.TempDir(), "redis.url": "redis://:marker@127.0.0.1:1",
		"database.url": "postgres://marker:marker@127.0.0.1:1/x?sslmode=disable", "http.public_url": "http://example.com",
	}).Examine(t.Context())
	for _, says := range []string{"master_key is not set", "http.public_url must be", "ratelimit.enabled=false"} {
		requireFinding(t, all, LevelFail, "env", says)
	}
	requireFinding(t, all, LevelFail, "database", "127.0.0.1:1/x")
	requireFinding(t, all, LevelWarn, "redis", "")
	for _, f := range all {
		require.NotContains(t, f.Message+f.Advice, "marker:")
		require.NotContains(t, f.Message+f.Advice, ":marker")
	}
	requireFinding(t, loaded(t, map[string]string{"ratelimit.enabled": "false", "data_dir": t.TempDir()}).Examine(t.Context()), LevelWarn, "ratelimit.enabled", "off")
}

func TestExamineTellsWhoHoldsAnAddress(t *testing.T) {
	t.Parallel()
	other, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = other.Close() }()
	go func() {
		for {
			c, err := other.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	us := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/healthz" {
			_, _ = w.Write([]byte(`{"status":"ok"}`))
		}
	}))
	defer us.Close()
	all := loaded(t, map[string]string{
		"data_dir": t.TempDir(), "http.addr": us.Listener.Addr().String(), "http.base_path": "/api", "ops.addr": other.Addr().String(),
	}).Examine(t.Context())
	requireFinding(t, all, LevelOK, "http.addr", "by a Gatehouse that runs")
	requireFinding(t, all, LevelFail, "ops.addr", "by another program")
	all = loaded(t, map[string]string{"data_dir": t.TempDir(), "insecure": "true", "http.addr": "192.0.2.1:8080", "ops.addr": "192.0.2.1:8080"}).Examine(t.Context())
	requireFinding(t, all, LevelFail, "http.addr", "cannot be listened on")
	requireFinding(t, all, LevelFail, "ops.addr", "the same as http.addr")
	requireFinding(t, loaded(t, map[string]string{"data_dir": t.TempDir(), "http.public_url": "https://id.example.com"}).Examine(t.Context()),
		LevelWarn, "http.trusted_proxies", "is empty")
}

// certificate writes a pair of files that is good until an instant.
func certificate(t *testing.T, until time.Time) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-time.Hour), NotAfter: until}
	public, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	raw, err := x509.MarshalECPrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: public}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key
}

func TestExamineLooksAtTheCertificate(t *testing.T) {
	t.Parallel()
	for days, want := range map[int]Level{-1: LevelFail, 5: LevelWarn, 90: LevelOK} {
		cert, key := certificate(t, examineStart.AddDate(0, 0, days))
		all := loaded(t, map[string]string{"data_dir": t.TempDir(), "http.tls_cert": cert, "http.tls_key": key}).Examine(t.Context())
		requireFinding(t, all, want, "http.tls_cert", examineStart.AddDate(0, 0, days).Format(time.DateOnly))
	}
	cert, key := certificate(t, examineStart)
	require.NoError(t, os.Chmod(key, 0o644))
	require.NoError(t, os.WriteFile(cert, nil, 0o600))
	all := loaded(t, map[string]string{"data_dir": t.TempDir(), "http.tls_cert": cert, "http.tls_key": key}).Examine(t.Context())
	requireFinding(t, all, LevelFail, "http.tls_cert", "certificate")
	requireFinding(t, all, LevelWarn, "http.tls_key", "read by everybody")
}

func TestExamineJudgesTheSkewOfClocks(t *testing.T) {
	t.Parallel()
	for ahead, want := range map[time.Duration]Level{0: LevelOK, -4 * time.Second: LevelOK, 6 * time.Second: LevelWarn, -61 * time.Second: LevelFail} {
		e := &examination{}
		e.skew(ahead)
		require.Equal(t, want, e.found[0].Level, ahead)
	}
}

func TestExamineAsksTheServersThatThereAre(t *testing.T) {
	t.Parallel()
	if url := os.Getenv("TEST_POSTGRES_URL"); url != "" {
		a := loaded(t, map[string]string{"database.url": url})
		all := a.Examine(t.Context())
		requireFinding(t, all, LevelOK, "database", "PostgreSQL ")
		requireFinding(t, all, LevelFail, "clock", "differ by") // the fake clock stands still
	}
	if url := os.Getenv("TEST_REDIS_URL"); url != "" {
		requireFinding(t, loaded(t, map[string]string{"data_dir": t.TempDir(), "redis.url": url}).Examine(t.Context()), LevelOK, "redis", "answers")
	}
}

func TestPlainLeavesTheClientsCodeOut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "x: gone", Plain(wrappedError{errs.ErrUnavailable.WithCause(io.EOF)}))
	require.Equal(t, "EOF", Plain(io.EOF))
}

type wrappedError struct{ inner error }

func (e wrappedError) Error() string {
	return "x: " + strings.Replace(e.inner.Error(), "EOF", "gone", 1)
}
func (e wrappedError) Unwrap() error { return e.inner }
