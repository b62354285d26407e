package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const first = `mode: atomic
example.com/m/core/a/x.go:1.1,2.2 8 1
example.com/m/core/a/x.go:3.1,4.2 2 0
example.com/m/core/b/y.go:1.1,2.2 10 0
`

const second = `mode: set
example.com/m/core/b/y.go:1.1,2.2 10 1
example.com/m/modules/c/z.go:1.1,2.2 1 0
`

func gate(t *testing.T, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	files := []string{filepath.Join(dir, "1.out"), filepath.Join(dir, "2.out")}
	for i, text := range []string{first, second} {
		if err := os.WriteFile(files[i], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	err := run(append(append([]string{"-module", "example.com/m"}, args...), files...), &out)
	return out.String(), err
}

func TestProfilesAreMerged(t *testing.T) {
	t.Parallel()
	out, err := gate(t, "-min", "80:core/a", "-min", "90:core/", "-min", "85:core/,modules/")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"80.0 %  core/a", "100.0 %  core/b", "0.0 %  modules/c", "coverage of core/, modules/: 85.7 %"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

func TestEveryBrokenRuleIsNamed(t *testing.T) {
	t.Parallel()
	_, err := gate(t, "-min", "81:core/a", "-min", "1:modules/", "-min", "1:core", "-min", "10:core/b")
	if err == nil {
		t.Fatal("passed")
	}
	for _, want := range []string{"core/a: 80.0 %", "modules/: 0.0 %", "no profile knows core"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "core/b") {
		t.Error(err)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-min", "85"}, {"-min", "x:core"}, {"-min", "85:"}, {"no/such/file"}} {
		if _, err := gate(t, args...); err == nil {
			t.Errorf("%v passed", args)
		}
	}
	if err := (profile{}).read(strings.NewReader("mode: set\nnonsense\n")); err == nil {
		t.Error("a broken profile passed")
	}
	if err := run([]string{os.DevNull}, &bytes.Buffer{}); err == nil {
		t.Error("an empty profile passed")
	}
}
