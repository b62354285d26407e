package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLicencesAreRecognised(t *testing.T) {
	t.Parallel()
	apache, err := os.ReadFile(filepath.Join("..", "..", "LICENSE"))
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string]string{"Apache-2.0": string(apache), "unknown": "Ask Bob; he is nice."} {
		if got := classify([]byte(text)); strings.Join(got, ",") != want {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

func TestOnlyListedLicencesPass(t *testing.T) {
	t.Parallel()
	err := faults([]entry{
		{name: "good", licences: []string{"MIT", "BSD-3-Clause"}},
		{name: "copyleft", licences: []string{"MIT", "AGPL-3.0"}},
		{name: "silent"},
	})
	if err == nil {
		t.Fatal("passed")
	}
	if got, want := err.Error(), "copyleft: licence AGPL-3.0 is not on the list\nsilent states no licence"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEveryEntryStandsUnderItsPart(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	err := write(&b, []entry{
		{"a/b", "v1", []string{"MIT"}, program}, {"c/d", "v2", []string{"ISC"}, tests}, {"e/f", "v3", []string{"MIT"}, bench},
		{name: "third_party/x", licences: []string{"CC0-1.0"}, part: assets},
	})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(b.String(), "\n## ")
	for i, line := range []string{"", "| a/b | v1 | MIT |", "| c/d | v2 | ISC |", "| e/f | v3 | MIT |", "| third_party/x |  | CC0-1.0 |"} {
		if len(parts) != 5 || !strings.Contains(parts[i], line) {
			t.Errorf("%q is not in part %d of %s", line, i, b.String())
		}
	}
}

func TestAFolderOfShippedDataMustStateItsLicence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "third_party", "words"), 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := shipped(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := faults(data); err == nil || !strings.Contains(err.Error(), "third_party/words states no licence") {
		t.Errorf("got %v", err)
	}
}
