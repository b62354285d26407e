package config_test

import (
	"io/fs"
	"testing"

	"github.com/gatehouse/gatehouse/core/config"
)

// FuzzLoad holds that any file and any variable gives values or faults, never both, neither or a panic.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{"", "x: {int: 1}", "x:\n  targets:\n    - url: u\n      wait: {idle: 1h}\n", "a: &a [*a]", "x: *y", "<<: {a: b}", "? [a]\n: b", "x: !!binary aGk=", "---\n---\n", "x: {a: 1, a: 2}", "\xff\xfe", "x: [", "x: {open: [{idle: 1d}, ~]}", "%TAG ! x\n---\nx: 1"} {
		f.Add([]byte(s), `[{"idle":"1h"}]`)
	}
	f.Fuzz(func(t *testing.T, data []byte, variable string) {
		_, _, ps := parts()
		v, err := config.Load(config.Source{
			Environ:  []string{"GATEHOUSE_X_OPEN=" + variable, "GATEHOUSE_X_TARGETS=" + variable, "GATEHOUSE_" + variable + "=1"},
			ReadFile: func(string) ([]byte, fs.FileMode, error) { return data, 0o600, nil },
		}, ps...)
		if (v == nil) == (err == nil) {
			t.Fatalf("values %v, error %v", v, err)
		}
		if err != nil && err.Error() == "" {
			t.Fatal("an error without a message")
		}
	})
}
