package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplaceChangesWholePathsAlone(t *testing.T) {
	t.Parallel()
	for before, after := range map[string]string{
		`import "host/a/b"`:         `import "new/b"`,
		`import "host/a"`:           `import "new"`,
		`x host/a, host/a/c host/a`: `x new, new/c new`,
		`https://host/a/issues`:     `https://host/a/issues`,
		`host/ab host/a-b host/a_b`: `host/ab host/a-b host/a_b`,
		`my.host/a`:                 `my.host/a`,
		`host/a`:                    `new`,
		`nothing`:                   `nothing`,
	} {
		if got := string(replace([]byte(before), "host/a", "new")); got != after {
			t.Errorf("%s: got %s, want %s", before, got, after)
		}
	}
}

func TestAModuleIsRenamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string][2]string{
		"go.mod":           {"module example.com/old\n\ngo 1.26\n", "module zz.com/new\n\ngo 1.26\n"},
		"tools/go.mod":     {"module example.com/old/tools\n", "module zz.com/new/tools\n"},
		"a/a.go":           {"package a\n\nimport (\n\t_ \"example.com/old/b\"\n\t_ \"example.com/third\"\n)\n", "package a\n\nimport (\n\t_ \"example.com/third\"\n\t_ \"zz.com/new/b\"\n)\n"},
		".lint.yml":        {"prefix: example.com/old\n", "prefix: zz.com/new\n"},
		"README.md":        {"go install example.com/old\n", "go install example.com/old\n"},
		"broken/broken.go": {"not Go: example.com/old/x\n", "not Go: zz.com/new/x\n"},
	}
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text[0]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time, there is nothing to do
		if err := rename(dir, "zz.com/new"); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != text[1] {
				t.Errorf("%s: got %q, want %q", name, got, text[1])
			}
		}
	}
}

func TestAPathThatCannotNameAModuleIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/old\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"", "with space", "/rooted", "a//b"} {
		if err := rename(dir, to); err == nil {
			t.Errorf("%q passed", to)
		}
	}
	if err := rename(t.TempDir(), "example.com/new"); err == nil {
		t.Error("a folder without go.mod passed")
	}
}
