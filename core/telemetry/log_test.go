package telemetry_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/core/telemetry"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

const marker = "marker-of-a-secret"

func TestSettingsAreReadByConfig(t *testing.T) {
	t.Parallel()
	var s telemetry.Settings
	_, err := config.Load(config.Source{Args: map[string]string{"log.level": "warn"}}, config.Part{Path: "log", Into: &s})
	require.NoError(t, err)
	require.Equal(t, telemetry.Settings{Level: "warn", Format: "auto"}, s)
}

func TestNoLineHoldsASecret(t *testing.T) {
	t.Parallel()
	s := secret.New(marker)
	type holder struct {
		Key  secret.String
		Name string
	}
	for name, log := range map[string]func(*slog.Logger){
		"secret":              func(l *slog.Logger) { l.Info("m", "key", s) },
		"pointer to a secret": func(l *slog.Logger) { l.Info("m", "key", &s) },
		"in a struct":         func(l *slog.Logger) { l.Info("m", "key", holder{s, "n"}) },
		"in a list":           func(l *slog.Logger) { l.Info("m", "key", []secret.String{s}) },
		"in a map": func(l *slog.Logger) {
			l.Info("m", "key", map[string]any{"a": s, "b": map[string]string{"Token": marker}})
		},
		"in an error":         func(l *slog.Logger) { l.Info("m", "error", errors.Join(errors.New(s.String()))) },
		"by name":             func(l *slog.Logger) { l.Info("m", "password", marker, "token", marker, "secret", marker) },
		"by name, any case":   func(l *slog.Logger) { l.Info("m", "Authorization", marker, "COOKIE", marker, "eMail", marker) },
		"by name, any type":   func(l *slog.Logger) { l.Info("m", "token", []string{marker}, "email", errors.New(marker)) },
		"by name, with":       func(l *slog.Logger) { l.With("token", marker).Info("m") },
		"by name, in a group": func(l *slog.Logger) { l.Info("m", slog.Group("user", "email", marker)) },
		"by a group's name":   func(l *slog.Logger) { l.Info("m", slog.Group("cookie", "value", marker)) },
		"by a logger's group": func(l *slog.Logger) { l.WithGroup("token").Info("m", "value", marker) },
		"in headers":          func(l *slog.Logger) { l.Info("m", "headers", http.Header{"Authorization": {marker}, "Accept": {"x"}}) },
	} {
		for _, format := range []string{"json", "text"} {
			t.Run(name+" as "+format, func(t *testing.T) {
				t.Parallel()
				tel, out := open(t, format, nil)
				log(tel.Logger())
				require.NotEmpty(t, out.String())
				require.NotContains(t, out.String(), marker)
			})
		}
	}
}

func TestWhatOnlySoundsPrivateIsWritten(t *testing.T) {
	t.Parallel()
	tel, out := open(t, "json", nil)
	tel.Logger().Info("m", "tokens", 3, "email_verified", true, "a_very_long_name_of_an_attribute", "x")
	require.Contains(t, out.String(), `"tokens":3,"email_verified":true,"a_very_long_name_of_an_attribute":"x"`)
}

func TestInputForgesNoLine(t *testing.T) {
	t.Parallel()
	const input = "a\nb\rc\x1b[31md\u2028e\u2029f\u0085g\u009bh\u202ei\x00j\x7fk\xffl\tm"
	for _, format := range []string{"json", "text"} {
		for name, log := range map[string]func(*slog.Logger){
			"message":   func(l *slog.Logger) { l.Info(input) },
			"attribute": func(l *slog.Logger) { l.Info("m", "a", input) },
			"name":      func(l *slog.Logger) { l.Info("m", "k\n\u2028", "v") },
			"error":     func(l *slog.Logger) { l.Info("m", "error", errors.New(input)) },
			"with":      func(l *slog.Logger) { l.With("a", input).Info("m") },
			"group":     func(l *slog.Logger) { l.Info("m", slog.Group("g", "a", input)) },
			"map":       func(l *slog.Logger) { l.Info("m", "a", map[string]string{"k": input}) },
			"request id": func(l *slog.Logger) {
				l.InfoContext(telemetry.WithRequestID(context.Background(), input), "m")
			},
		} {
			t.Run(name+" as "+format, func(t *testing.T) {
				t.Parallel()
				tel, out := open(t, format, nil)
				log(tel.Logger())
				line := strings.TrimSuffix(out.String(), "\n")
				require.NotEmpty(t, line)
				for _, r := range line {
					require.True(t, r >= ' ' && r < 0x7f, "%q in %s", r, line)
				}
				if format == "json" {
					require.True(t, json.Valid([]byte(line)), line)
				}
			})
		}
	}
}

func TestTextsOfOtherScriptsStayReadable(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"json", "text"} {
		tel, out := open(t, format, nil)
		tel.Logger().Info("Grüße 世界", "name", "Zoë")
		require.Contains(t, out.String(), "Grüße 世界")
		require.Contains(t, out.String(), "Zoë")
	}
}

func TestEveryLineOfARequestCarriesItsID(t *testing.T) {
	t.Parallel()
	ctx := telemetry.WithRequestID(t.Context(), "r-1")
	require.Equal(t, "r-1", telemetry.RequestID(ctx))
	require.Empty(t, telemetry.RequestID(t.Context()))
	for name, c := range map[string]struct {
		log  func(*slog.Logger)
		want string
	}{
		"plain": {func(l *slog.Logger) { l.InfoContext(ctx, "m", "a", 1) }, `"a":1,"request_id":"r-1"}`},
		"with":  {func(l *slog.Logger) { l.With("a", 1).InfoContext(ctx, "m") }, `"a":1,"request_id":"r-1"}`},
		"in a group": {func(l *slog.Logger) {
			l.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").InfoContext(ctx, "m", "c", 3)
		}, `"a":1,"request_id":"r-1","g":{"b":2,"h":{"c":3}}}`},
		"in a nameless one":  {func(l *slog.Logger) { l.WithGroup("").InfoContext(ctx, "m", "c", 3) }, `"c":3,"request_id":"r-1"}`},
		"said already":       {func(l *slog.Logger) { l.InfoContext(ctx, "m", "request_id", "r-1") }, `"m","request_id":"r-1"}`},
		"without an id":      {func(l *slog.Logger) { l.Info("m") }, `"msg":"m"}`},
		"group without one":  {func(l *slog.Logger) { l.WithGroup("g").Info("m", "a", 1) }, `"msg":"m","g":{"a":1}}`},
		"logged in a branch": {func(l *slog.Logger) { g := l.WithGroup("g"); _ = g.With("x", 1); g.With("y", 2).InfoContext(ctx, "m") }, `"request_id":"r-1","g":{"y":2}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel, out := open(t, "json", nil)
			c.log(tel.Logger())
			require.True(t, strings.HasSuffix(strings.TrimSpace(out.String()), c.want), out.String())
		})
	}
}

// broken is an error whose nil pointer has no text.
type broken struct{ text string }

func (b *broken) Error() string { return b.text }

func TestANilErrorInAnInterfaceIsLogged(t *testing.T) {
	t.Parallel()
	tel, out := open(t, "json", nil)
	var b *broken
	tel.Logger().Info("m", "error", error(b), "none", nil)
	require.Contains(t, out.String(), `"error":"*telemetry_test.broken without a text","none":null`)
}

func TestTimesAreInUTC(t *testing.T) {
	t.Parallel()
	tel, out := open(t, "json", nil)
	tel.Logger().Info("m", "at", time.Unix(0, 0).In(time.FixedZone("east", 3600)))
	require.Contains(t, out.String(), `"at":"1970-01-01T00:00:00Z"`)
	require.Regexp(t, `"time":"[^"]+Z"`, out.String())
}

func TestLevelHidesWhatIsLessSevere(t *testing.T) {
	t.Parallel()
	out := &logtest.Logs{}
	tel, err := telemetry.Open(t.Context(), telemetry.Settings{Level: "warn", Format: "text"}, telemetry.Options{Writer: out})
	require.NoError(t, err)
	tel.Logger().Info("hidden")
	tel.Logger().Warn("shown")
	require.NotContains(t, out.String(), "hidden")
	require.Contains(t, out.String(), "shown")
}

func TestAutoIsJSONUnlessATerminalInDevelopment(t *testing.T) {
	t.Parallel()
	file, err := os.Create(t.TempDir() + "/log")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	for _, w := range []io.Writer{&logtest.Logs{}, file} {
		tel, err := telemetry.Open(t.Context(), telemetry.Settings{Level: "info", Format: "auto"}, telemetry.Options{Writer: w, Development: true})
		require.NoError(t, err)
		tel.Logger().Info("m")
	}
	b, err := os.ReadFile(file.Name())
	require.NoError(t, err)
	require.True(t, json.Valid(b))
}

func TestOpenRefusesUnknownSettings(t *testing.T) {
	t.Parallel()
	for _, s := range []telemetry.Settings{{Level: "loud", Format: "json"}, {Level: "info", Format: "xml"}} {
		_, err := telemetry.Open(t.Context(), s, telemetry.Options{})
		require.Error(t, err)
	}
}

func BenchmarkAccessLine(b *testing.B) {
	tel, err := telemetry.Open(b.Context(), telemetry.Settings{Level: "info", Format: "json"}, telemetry.Options{Writer: io.Discard})
	require.NoError(b, err)
	ctx, log := telemetry.WithRequestID(b.Context(), "0199a8a1-0000-7000-8000-000000000000"), tel.Logger()
	b.ReportAllocs()
	for b.Loop() {
		log.LogAttrs(ctx, slog.LevelInfo, "request", slog.String("method", "GET"), slog.String("route", "/users/me"), slog.Int("status", 200), slog.Float64("ms", 0.4))
	}
}
