package config_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestLoadFillsDefaultsWhereNothingIsGiven(t *testing.T) {
	t.Parallel()
	a, l, ps := parts()
	a.Int64 = 7 // left by an earlier load
	v, err := config.Load(config.Source{ReadFile: files(nil)}, ps...)
	require.NoError(t, err)
	require.Equal(t, &all{
		shared: shared{Name: "gate"}, Text: "hello", Bool: true, Int: 10, Float: 0.5, Duration: 720 * time.Hour, Size: 1 << 20, Engine: "auto",
		URL: secret.New("sqlite:db"), Texts: []string{"a", "b"}, Open: []timeouts{{Idle: time.Hour}}, Nested: timeouts{Idle: 24 * time.Hour},
	}, a)
	require.True(t, l.Enabled)
	require.Empty(t, v.File())
	for _, val := range v.All() {
		require.Equal(t, "default", val.Origin, val.Path)
		require.Equal(t, val.Default, val.Value, val.Path)
	}
}

func TestLoadReadsEveryTypeFromEveryLayer(t *testing.T) {
	t.Parallel()
	cases := []struct {
		path, text string // as a flag or a variable
		yaml       string // in the file; empty is the text as it is
		want       func(*all) any
		value      any
		shows      string // empty is the text
	}{
		{"x.name", "other", "", func(a *all) any { return a.Name }, "other", ""},
		{"x.text", "1.10", "", func(a *all) any { return a.Text }, "1.10", ""},
		{"x.text", "", `""`, func(a *all) any { return a.Text }, "", ""},
		{"x.text", "off", "", func(a *all) any { return a.Text }, "off", ""},
		{"x.text", "2026-01-02", "", func(a *all) any { return a.Text }, "2026-01-02", ""},
		{"x.bool", "false", "", func(a *all) any { return a.Bool }, false, ""},
		{"x.bool", "0", "", func(a *all) any { return a.Bool }, false, "false"},
		{"x.bool", "1", "True", func(a *all) any { return a.Bool }, true, "true"},
		{"x.int", "3", "", func(a *all) any { return a.Int }, 3, ""},
		{"x.int64", "-9223372036854775808", "", func(a *all) any { return a.Int64 }, int64(-1 << 63), ""},
		{"x.float", "2.25", "", func(a *all) any { return a.Float }, 2.25, ""},
		{"x.duration", "90s", "", func(a *all) any { return a.Duration }, 90 * time.Second, "1m30s"},
		{"x.size", "65536", "", func(a *all) any { return a.Size }, config.Size(65536), "64KiB"},
		{"x.engine", "off", "", func(a *all) any { return a.Engine }, engine("off"), ""},
		{"x.secret", "0123", "", func(a *all) any { return a.Secret.Reveal() }, "0123", "[redacted]"},
		{"x.texts", "p, q ,r", "[p, q, r]", func(a *all) any { return a.Texts }, []string{"p", "q", "r"}, "p,q,r"},
		{"x.texts", "p,q", "'p,q'", func(a *all) any { return a.Texts }, []string{"p", "q"}, ""},
		{"x.texts", "", "[]", func(a *all) any { return a.Texts }, []string{}, ""},
		{"x.prefixes", "10.0.0.0/8,::1/128", "[10.0.0.0/8, '::1/128']", func(a *all) any { return a.Prefixes },
			[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, ""},
		{"x.levels", "low,high", "[low, high]", func(a *all) any { return a.Levels }, []engine{"low", "high"}, ""},
		{"x.secrets", "s1,s2", "[s1, s2]", func(a *all) any { return a.Secrets }, []secret.String{secret.New("s1"), secret.New("s2")}, "[redacted],[redacted]"},
		{"x.nested.idle", "1d12h", "", func(a *all) any { return a.Nested.Idle }, 36 * time.Hour, ""},
		{"x.open", `[]`, "", func(a *all) any { return a.Open }, []timeouts{}, ""},
		{"x.open", ` `, "[]", func(a *all) any { return a.Open }, []timeouts{}, "[]"},
		{"x.open", `[{"idle":"2h"},{}]`, "[{idle: 2h}, {}]", func(a *all) any { return a.Open }, []timeouts{{2 * time.Hour}, {24 * time.Hour}}, `[{"idle":"2h"},{"idle":"1d"}]`},
		{"x.targets", `[{"url":"u","key":"k","topics":["a","b"],"on":true,"kind":"fancy","retries":5,"wait":null}]`,
			"[{url: u, key: k, topics: [a, b], on: true, kind: fancy, retries: 5, wait: }]", func(a *all) any { return a.Targets },
			[]target{{URL: "u", Key: secret.New("k"), Retries: 5, Topics: []string{"a", "b"}, Wait: timeouts{24 * time.Hour}, On: true, shared2: shared2{"fancy"}}},
			`[{"url":"u","key":"[redacted]","retries":5,"topics":["a","b"],"wait":{"idle":"1d"},"on":true,"kind":"fancy"}]`},
		{"x.targets", `[{"wait":{}}]`, "[{wait: {}}]", func(a *all) any { return a.Targets },
			[]target{{Retries: 3, Wait: timeouts{24 * time.Hour}, shared2: shared2{"plain"}}},
			`[{"url":"","key":"","retries":3,"topics":[],"wait":{"idle":"1d"},"on":false,"kind":"plain"}]`},
		{"x.targets", `[{}]`, "[{}]", func(a *all) any { return a.Targets[0].Wait.Idle }, 24 * time.Hour,
			`[{"url":"","key":"","retries":3,"topics":[],"wait":{"idle":"1d"},"on":false,"kind":"plain"}]`},
	}
	for _, c := range cases {
		inFile := c.yaml
		if inFile == "" {
			inFile = c.text
		}
		names := strings.Split(c.path, ".")
		doc := strings.Join(names, ": {") + ": " + inFile + strings.Repeat("}", len(names)-1)
		for origin, src := range map[string]config.Source{
			"flag":                {Args: map[string]string{c.path: c.text}, ReadFile: files(nil)},
			"environment":         {Environ: []string{envOf(c.path) + "=" + c.text}, ReadFile: files(nil)},
			"file gatehouse.yaml": {ReadFile: yaml(doc)},
		} {
			t.Run(c.path+"="+c.text+" by "+origin, func(t *testing.T) {
				t.Parallel()
				a, _, ps := parts()
				v, err := config.Load(src, ps...)
				require.NoError(t, err)
				require.Equal(t, c.want(a), c.value)
				got, ok := v.Get(c.path)
				require.True(t, ok)
				require.Equal(t, origin, got.Origin)
				shows := c.shows
				if shows == "" {
					shows = c.text
				}
				require.Equal(t, shows, got.Value)
			})
		}
	}
}

func envOf(path string) string {
	return "GATEHOUSE_" + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

func TestLoadPrefersFlagThenEnvironmentThenFileThenDefault(t *testing.T) {
	t.Parallel()
	src := config.Source{
		Args:     map[string]string{"x.int": "1"},
		Environ:  []string{"GATEHOUSE_X_INT=2", "GATEHOUSE_X_TEXT=env", "GATEHOUSE_X_TEXT=second", "OTHER=1", "malformed", "GATEHOUSE_RATELIMIT_LOGIN=7/1m"},
		ReadFile: yaml("x:\n  int: 3\n  text: file\n  float: 4\n  bool:\nratelimit: {enabled: false, login: 9/1m}\n"),
	}
	a, l, ps := parts()
	v, err := config.Load(src, ps...)
	require.NoError(t, err)
	require.Equal(t, 1, a.Int)
	require.Equal(t, "env", a.Text)
	require.InDelta(t, 4, a.Float, 0)
	require.True(t, a.Bool, "a name without a value is not given")
	require.False(t, l.Enabled)
	require.Equal(t, "7/1m", l.rates["login"])
	require.Equal(t, "gatehouse.yaml", v.File())
	origins := map[string]string{}
	for _, val := range v.All() {
		origins[val.Path] = val.Origin
	}
	require.Equal(t, "flag", origins["x.int"])
	require.Equal(t, "environment", origins["x.text"])
	require.Equal(t, "file gatehouse.yaml", origins["x.float"])
	require.Equal(t, "default", origins["x.bool"])
	got, _ := v.Get("ratelimit.login")
	require.Equal(t, config.Value{Path: "ratelimit.login", Env: "GATEHOUSE_RATELIMIT_LOGIN", Type: "text", Default: "10/1m", Value: "7/1m", Origin: "environment", Doc: "limit login"}, got)
	_, found := v.Get("nothing")
	require.False(t, found)
}

func TestLoadFindsItsFile(t *testing.T) {
	t.Parallel()
	machine := files(map[string]file{
		"flag.yaml": {text: "x: {text: flag}"}, "env.yaml": {text: "x: {text: env}"}, "gatehouse.yaml": {text: "x: {text: default}"},
	})
	env := []string{"GATEHOUSE_CONFIG=env.yaml"}
	for want, src := range map[string]config.Source{
		"flag":    {File: "flag.yaml", Environ: env, ReadFile: machine},
		"env":     {Environ: env, ReadFile: machine},
		"default": {Environ: []string{"GATEHOUSE_CONFIG="}, ReadFile: machine},
	} {
		a, _, ps := parts()
		_, err := config.Load(src, ps...)
		require.NoError(t, err)
		require.Equal(t, want, a.Text)
	}
}

func TestLoadReadsSecretsFromFilesAndSaysWhichStandOpen(t *testing.T) {
	t.Parallel()
	machine := files(map[string]file{
		"closed":         {text: "one\r\n", mode: 0o640},
		"open":           {text: "two\n\n", mode: 0o444},
		"gatehouse.yaml": {text: "x: {secrets: [a], text: t}", mode: 0o644},
	})
	a, _, ps := parts()
	v, err := config.Load(config.Source{Environ: []string{"GATEHOUSE_X_SECRET_FILE=closed", "GATEHOUSE_X_URL_FILE=open"}, ReadFile: machine}, ps...)
	require.NoError(t, err)
	require.Equal(t, "one", a.Secret.Reveal())
	require.Equal(t, "two\n", a.URL.Reveal(), "one newline is cut, no more")
	require.Equal(t, []config.Exposed{{"x.url", "open"}, {"x.secrets", "gatehouse.yaml"}}, v.Exposed())
	got, _ := v.Get("x.url")
	require.Equal(t, "file open", got.Origin)
	require.Equal(t, "[redacted]", got.Value)
	require.True(t, got.Secret)
}

func TestLoadTakesStructuresWithSecretsFromAFile(t *testing.T) {
	t.Parallel()
	a, _, ps := parts()
	_, err := config.Load(config.Source{Environ: []string{"GATEHOUSE_X_TARGETS_FILE=f"}, ReadFile: files(map[string]file{"f": {text: `[{"key":"k"}]` + "\n"}})}, ps...)
	require.NoError(t, err)
	require.Equal(t, "k", a.Targets[0].Key.Reveal())
}

func TestLoadLeavesKubernetesServiceLinksAlone(t *testing.T) {
	t.Parallel()
	_, _, ps := parts()
	_, err := config.Load(config.Source{ReadFile: files(nil), Environ: []string{
		"GATEHOUSE_SERVICE_HOST=10.0.0.1", "GATEHOUSE_SERVICE_PORT=80", "GATEHOUSE_SERVICE_PORT_HTTP=80", "GATEHOUSE_PORT=tcp://10.0.0.1:80",
		"GATEHOUSE_PORT_80_TCP=tcp://10.0.0.1:80", "GATEHOUSE_PORT_80_TCP_PROTO=tcp", "GATEHOUSE_PORT_80_TCP_PORT=80", "GATEHOUSE_PORT_80_TCP_ADDR=10.0.0.1",
		"GATEHOUSE_OPS_SERVICE_HOST=10.0.0.2",
	}}, ps...)
	require.NoError(t, err)
}

func TestLoadAcceptsAnEmptyFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "{}", "~", "x:\n", "\ufeff", "x:\n  nested:\n"} {
		_, _, ps := parts()
		_, err := config.Load(written(text), ps...)
		require.NoError(t, err, "%q", text)
	}
}

func TestLoadReadsTheMachinesFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name, key := filepath.Join(dir, "g.yaml"), filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(name, []byte("x: {text: t}"), 0o600))
	require.NoError(t, os.WriteFile(key, []byte("k"), 0o600))
	require.NoError(t, os.Chmod(key, 0o604))
	a, _, ps := parts()
	v, err := config.Load(config.Source{File: name, Environ: []string{"GATEHOUSE_X_SECRET_FILE=" + key}}, ps...)
	require.NoError(t, err)
	require.Equal(t, "t", a.Text)
	require.Equal(t, []config.Exposed{{"x.secret", key}}, v.Exposed())

	for file, want := range map[string]string{dir: "is a directory", filepath.Join(dir, "no"): "no such file", "/dev/zero": "is larger than 1MiB"} {
		_, err = config.Load(config.Source{File: file}, ps...)
		require.ErrorContains(t, err, want)
	}
}

func TestLoadTwiceStartsFromTheDefaultsAgain(t *testing.T) {
	t.Parallel()
	a, _, ps := parts()
	_, err := config.Load(variableNoFile("X_INT=5"), ps...)
	require.NoError(t, err)
	require.Equal(t, 5, a.Int)
	_, err = config.Load(variableNoFile("X_TEXT=x"), ps...)
	require.NoError(t, err)
	require.Equal(t, 10, a.Int)
}

func variableNoFile(v string) config.Source {
	return config.Source{Environ: []string{"GATEHOUSE_" + v}, ReadFile: files(nil)}
}

func TestAllIsInDeclaredOrderAndDescribesEachSetting(t *testing.T) {
	t.Parallel()
	for range 5 {
		_, _, ps := parts()
		v, err := config.Load(config.Source{ReadFile: files(nil)}, ps...)
		require.NoError(t, err)
		var paths, types []string
		for _, val := range v.All() {
			paths = append(paths, val.Path)
			types = append(types, val.Type)
		}
		require.Equal(t, []string{
			"x.name", "x.text", "x.bool", "x.int", "x.int64", "x.float", "x.duration", "x.size", "x.engine", "x.secret", "x.url", "x.texts", "x.prefixes",
			"x.levels", "x.secrets", "x.targets", "x.open", "x.nested.idle", "ratelimit.enabled", "ratelimit.login", "ratelimit.register",
		}, paths)
		require.Equal(t, []string{
			"text", "text", "true or false", "whole number", "whole number", "number", "duration", "size", "one of auto, off", "secret", "secret", "list of text",
			"list of prefix", "list of: low, high", "list of secret", "list of structures", "list of structures", "duration", "true or false", "text", "text",
		}, types)
	}
}

func TestValuesShowListsWhoseItemsHoldCommas(t *testing.T) {
	t.Parallel()
	_, _, ps := parts()
	v, err := config.Load(written("x: {texts: ['a,b', c]}"), ps...)
	require.NoError(t, err)
	got, _ := v.Get("x.texts")
	require.Equal(t, `["a,b","c"]`, got.Value)
}
