package config_test

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/config"
)

func TestLoadReportsEachFaultWithItsPlace(t *testing.T) {
	t.Parallel()
	const env, inFile = " (from environment variable %s)", " (from file gatehouse.yaml, line %d)"
	cases := []struct {
		name string
		src  config.Source
		want string
	}{
		{"bool", variable("X_BOOL=yes"), `x.bool: expected true or false, got "yes"` + fmt.Sprintf(env, "GATEHOUSE_X_BOOL")},
		{"int", variable("X_INT="), `x.int: expected a whole number in decimal digits, got "" (from environment variable GATEHOUSE_X_INT)`},
		{"int in hexadecimal", written("x:\n  int: 0x10"), `x.int: expected a whole number in decimal digits, got "0x10"` + fmt.Sprintf(inFile, 2)},
		{"int over 64 bits", variable("X_INT=9223372036854775808"), `x.int: expected a whole number in decimal digits, got "9223372036854775808" (from environment variable GATEHOUSE_X_INT)`},
		{"float", variable("X_FLOAT=NaN"), `x.float: expected a number such as 0.5, got "NaN" (from environment variable GATEHOUSE_X_FLOAT)`},
		{"duration", variable("X_DURATION=10"), `x.duration: expected a duration such as 30s, 10m, 24h or 30d, got "10" (from environment variable GATEHOUSE_X_DURATION)`},
		{"size", config.Source{Args: map[string]string{"x.size": "1MB"}}, `x.size: expected a size in bytes such as 65536, 64KiB or 1MiB, got "1MB" (from command line)`},
		{"enum", variable("X_ENGINE=on"), `x.engine: expected one of auto, off, got "on" (from environment variable GATEHOUSE_X_ENGINE)`},
		{"text unmarshaler", variable("X_PREFIXES=10.0.0.0/8,::/x"), `x.prefixes[1]: netip.ParsePrefix("::/x"): bad bits after slash: "x", got "::/x" (from environment variable GATEHOUSE_X_PREFIXES)`},
		{"list with an empty item", variable("X_TEXTS=a,,b"), `x.texts[1]: is empty (from environment variable GATEHOUSE_X_TEXTS)`},
		{"list with a null", written("x: {texts: [a, ~]}"), `x.texts[1]: is empty` + fmt.Sprintf(inFile, 1)},
		{"list as a mapping", written("x: {texts: {a: b}}"), `x.texts: expected a list` + fmt.Sprintf(inFile, 1)},
		{"scalar as a list", written("x: {text: [a]}"), `x.text: expected one value, not a list or a mapping` + fmt.Sprintf(inFile, 1)},
		{"nested list", written("x: {texts: [[a]]}"), `x.texts[0]: expected one value, not a list or a mapping` + fmt.Sprintf(inFile, 1)},
		{"group as a scalar", written("x: 1"), `x: expected a mapping of settings` + fmt.Sprintf(inFile, 1)},
		{"structures as text", written("x: {open: a}"), `x.open: expected a list` + fmt.Sprintf(inFile, 1)},
		{"structure as text", written("x: {open: [a]}"), `x.open[0]: expected a mapping` + fmt.Sprintf(inFile, 1)},
		{"structures not JSON", variable("X_OPEN=[{]"), `x.open: expected a JSON list of objects; the syntax is wrong after byte 2 (from environment variable GATEHOUSE_X_OPEN)`},
		{"structures cut short", variable(`X_OPEN=[{"idle":`), `x.open: expected a JSON list of objects; the syntax is wrong after byte 9 (from environment variable GATEHOUSE_X_OPEN)`},
		{"structures with more behind", variable(`X_OPEN=[] []`), `x.open: expected a JSON list of objects; the syntax is wrong after byte 4 (from environment variable GATEHOUSE_X_OPEN)`},
		{"structures nested too deep", variable(`X_OPEN=` + strings.Repeat("[", 40)), `x.open: expected a JSON list of objects; the syntax is wrong after byte 34 (from environment variable GATEHOUSE_X_OPEN)`},
		{"structures as an object", variable(`X_OPEN={}`), `x.open: expected a list (from environment variable GATEHOUSE_X_OPEN)`},
		{"structure's member twice", variable(`X_OPEN=[{"idle":"1h","idle":"2h"}]`), `x.open[0].idle: given twice (from environment variable GATEHOUSE_X_OPEN)`},
		{"structure's member unknown", variable(`X_OPEN=[{"idel":"1h"}]`), `x.open[0].idel: unknown setting; did you mean idle? (from environment variable GATEHOUSE_X_OPEN)`},
		{"structure's member faulty", written("x:\n  open:\n    - idle: soon"), `x.open[0].idle: expected a duration such as 30s, 10m, 24h or 30d, got "soon"` + fmt.Sprintf(inFile, 3)},
		{"structure's rule", written("x:\n  targets: [{url: 'http://forbidden'}]"), `x.targets[0].url: must not be forbidden` + fmt.Sprintf(inFile, 2)},
		{"rule", variable("X_INT=-1"), `x.int: must not be negative, got "-1" (from environment variable GATEHOUSE_X_INT)`},
		{"rule on a nested field", written("x: {nested: {idle: 3d}}"), `x.nested.idle: must be two days at most, got "3d"` + fmt.Sprintf(inFile, 1)},
		{"rule on the part", variable("X_TEXT=part"), `x: does not fit together`},
		{"rule on a secret", variable("X_SECRET=hunter2"), `x.secret: is too well known (from environment variable GATEHOUSE_X_SECRET)`},
		{"dynamic", variable("RATELIMIT_LOGIN=often"), `ratelimit.login: expected a rate such as 10/1m, got "often" (from environment variable GATEHOUSE_RATELIMIT_LOGIN)`},
		{"dynamic as a list", written("ratelimit: {login: [1]}"), `ratelimit.login: expected one text` + fmt.Sprintf(inFile, 1)},
		{"unknown variable", variable("X_TETX=a"), `GATEHOUSE_X_TETX: unknown setting; did you mean GATEHOUSE_X_TEXT? (from environment)`},
		{"unknown variable like none", variable("COMPLETELY_DIFFERENT_THING=a"), `GATEHOUSE_COMPLETELY_DIFFERENT_THING: unknown setting (from environment)`},
		{"variable of a list's file", variable("X_TEXTS_FILE=a"), `GATEHOUSE_X_TEXTS_FILE: unknown setting; only secrets are read from a file that a variable names (from environment)`},
		{"a port is not a service link", variable("PORT=8080"), `GATEHOUSE_PORT: unknown setting (from environment)`},
		{"unknown flag", config.Source{Args: map[string]string{"x.itn": "1"}}, `x.itn: unknown setting; did you mean x.int? (from command line)`},
		{"unknown name in the file", written("x:\n  nested: {idel: 1h}"), `x.nested.idel: unknown setting; did you mean x.nested.idle?` + fmt.Sprintf(inFile, 2)},
		{"unknown group in the file", written("y: {a: {b: 1, c: 2}}"), `y: unknown setting; did you mean x?` + fmt.Sprintf(inFile, 1)},
		{"name at the wrong place", written("idle: 1h"), `idle: unknown setting; did you mean x.nested.idle?` + fmt.Sprintf(inFile, 1)},
		{"name in another case", written("X: {text: a}"), `X: unknown setting; did you mean x?` + fmt.Sprintf(inFile, 1)},
		{"name twice", written("x:\n  text: a\n  text: b"), `x.text: given twice, first in line 2` + fmt.Sprintf(inFile, 3)},
		{"name with a dot", written("x.text: a"), `x.text: a name must not hold a dot: nest one name below the other` + fmt.Sprintf(inFile, 1)},
		{"name that is a number", written("1: a"), `a name must be a plain text` + fmt.Sprintf(inFile, 1)},
		{"name that is a list", written("? [a]\n: b"), `a name must be a plain text` + fmt.Sprintf(inFile, 1)},
		{"name that forges a line", written(`"a\nb": 1`), "a\uFFFDb: unknown setting" + fmt.Sprintf(inFile, 1)},
		{"anchor", written("x: {text: &a b}"), `x.text: anchors and aliases are not supported` + fmt.Sprintf(inFile, 1)},
		{"alias to nowhere", written("x: {secret: *hunter2}"), `not valid YAML: anchors and aliases are not supported (put a text that starts with & or * in quotes) (from file gatehouse.yaml)`},
		{"tag", written("x: {secret: !hunter2 a}"), `x.secret: YAML tags are not supported (put a text that starts with ! in quotes)` + fmt.Sprintf(inFile, 1)},
		{"syntax", written("x:\n  text: 'a"), `not valid YAML: found unexpected end of stream` + fmt.Sprintf(inFile, 2)},
		{"two documents", written("x: {}\n---\ny: {}"), `expected one YAML document, found a second one` + fmt.Sprintf(inFile, 2)},
		{"second document broken", written("x: {}\n---\n'"), `not valid YAML: found unexpected end of stream` + fmt.Sprintf(inFile, 3)},
		{"document is a list", written("[1]"), `expected a mapping of settings` + fmt.Sprintf(inFile, 1)},
		{"document is too deep", written(strings.Repeat("{a: ", 40) + strings.Repeat("}", 40)), strings.Repeat("a.", 32) + `a: nested deeper than 32` + fmt.Sprintf(inFile, 1)},
		{"no such file", config.Source{File: "here.yaml", ReadFile: files(nil)}, `settings file: cannot be read: file does not exist (from file here.yaml)`},
		{"file may not be read", config.Source{ReadFile: files(map[string]file{"gatehouse.yaml": {err: fs.ErrPermission}})}, `settings file: cannot be read: permission denied (from file gatehouse.yaml)`},
		{"huge file", written(strings.Repeat("#", config.MaxFile+1)), `settings file: cannot be read: is larger than 1MiB (from file gatehouse.yaml)`},
		{"secret twice", variable("X_SECRET=a", "GATEHOUSE_X_SECRET_FILE=b"), `x.secret: GATEHOUSE_X_SECRET and GATEHOUSE_X_SECRET_FILE are both set; expected one (from environment)`},
		{"secret file away", variable("X_SECRET_FILE=/away"), `x.secret: file "/away" cannot be read: file does not exist (from environment variable GATEHOUSE_X_SECRET_FILE)`},
		{"secret file empty", config.Source{Environ: []string{"GATEHOUSE_X_SECRET_FILE=s"}, ReadFile: files(map[string]file{"s": {text: "\n"}})}, `x.secret: file "s" is empty (from environment variable GATEHOUSE_X_SECRET_FILE)`},
		{"password in a URL", variable("X_INT=http://ada:hunter2@host/"), `x.int: expected a whole number in decimal digits, got "http://[redacted]@host/" (from environment variable GATEHOUSE_X_INT)`},
		{"long value is cut", variable("X_INT=" + strings.Repeat("ü", 100)), `x.int: expected a whole number in decimal digits, got "` + strings.Repeat("ü", 60) + `…" (from environment variable GATEHOUSE_X_INT)`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.src.ReadFile == nil {
				c.src.ReadFile = files(nil)
			}
			_, _, ps := parts()
			v, err := config.Load(c.src, ps...)
			require.Nil(t, v)
			lines := strings.Split(err.Error(), "\n")
			require.Contains(t, lines, c.want)
			var f config.Fault
			require.ErrorAs(t, err, &f)
			require.NotContains(t, strings.ReplaceAll(err.Error(), "HUNTER", ""), "hunter2")
		})
	}
}

func variable(first string, more ...string) config.Source {
	return config.Source{Environ: append(more, "GATEHOUSE_"+first)}
}

func written(text string) config.Source { return config.Source{ReadFile: yaml(text)} }

func TestLoadReportsAllFaultsOfAllPartsTogether(t *testing.T) {
	t.Parallel()
	_, _, ps := parts()
	_, err := config.Load(config.Source{
		Args:     map[string]string{"x.float": "f"},
		Environ:  []string{"GATEHOUSE_X_INT=-1", "GATEHOUSE_X_BOOL=b", "GATEHOUSE_NO=1", "GATEHOUSE_RATELIMIT_LOGIN=l"},
		ReadFile: yaml("x: {duration: d, text: a, text: b}\nz: 1\nratelimit: {enabled: e}"),
	}, ps...)
	var faults config.Faults
	require.ErrorAs(t, err, &faults)
	var paths []string
	for _, f := range faults {
		paths = append(paths, f.Path)
	}
	require.Equal(t, []string{"GATEHOUSE_NO", "ratelimit.enabled", "ratelimit.login", "x.bool", "x.duration", "x.float", "x.int", "x.text", "z"}, paths)
	require.Len(t, faults.Unwrap(), 9)
}

func TestLoadKeepsItsMessageShortForAFileOfAnotherProgram(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&b, "key_number_%d: 1\n", i)
	}
	_, _, ps := parts()
	_, err := config.Load(config.Source{ReadFile: yaml(b.String())}, ps...)
	require.ErrorContains(t, err, "and 19900 more")
	require.Len(t, strings.Split(err.Error(), "\n"), 101)
}

func TestLoadNeverEchoesASecret(t *testing.T) {
	t.Parallel()
	const marker = "marker-of-a-secret"
	for name, src := range map[string]config.Source{
		"list of structures":          variable(`X_TARGETS=[{"retries":"` + marker + `"}]`),
		"list of structures, syntax":  variable(`X_TARGETS=[{"key":"` + marker),
		"text unmarshaler in it":      variable(`X_TARGETS=[{"on":"` + marker + `","kind":"` + marker + `"}]`),
		"unknown variable":            variable("X_SECERT=" + marker),
		"alias":                       written("x: {secret: *" + marker + "}"),
		"tag":                         written("x: {secret: !" + marker + " a}"),
		"directive":                   written("%" + marker + " x\n---\nx: {secret: a}"),
		"flow mapping for one":        written("x: {secret: {a: " + marker + "}}"),
		"list for one":                written("x: {secret: [" + marker + "]}"),
		"with a duplicate":            written("x: {secret: " + marker + ", secret: " + marker + "}"),
		"unclosed":                    written("x: {secret: '" + marker),
		"bad escape":                  written(`x: {secret: "` + marker + `\q"}`),
		"both":                        variable("X_SECRET="+marker, "GATEHOUSE_X_SECRET_FILE=f"),
		"fault elsewhere in the file": written("x: {secret: " + marker + ", int: a}"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if src.ReadFile == nil {
				src.ReadFile = files(nil)
			}
			_, _, ps := parts()
			_, err := config.Load(src, ps...)
			require.Error(t, err)
			require.NotContains(t, err.Error(), marker)
			require.NotContains(t, fmt.Sprintf("%#v", err), marker)
		})
	}
}
