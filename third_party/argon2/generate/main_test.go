package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../../.."

func TestTheFilesAreThoseOfTheModule(t *testing.T) {
	t.Parallel()
	require.NoError(t, run(root, true), "after another version of the module, run the command and read what has changed")
}

func TestThePageNamesTheVersionAndItsChecksum(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	from, err := source(root)
	require.NoError(t, err)
	_, version, ok := strings.Cut(filepath.Base(from), "@")
	require.True(t, ok)
	require.Contains(t, string(page), "| version | "+version+" |")
	_, rest, ok := strings.Cut(string(sums), module+" "+version+" ")
	require.True(t, ok)
	sum, _, _ := strings.Cut(rest, "\n")
	require.Contains(t, string(page), sum)
}

// TestAnotherFileIsNamed compares an empty folder.
func TestAnotherFileIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		content, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
	}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, target), 0o700))
	require.ErrorContains(t, run(dir, true), "third_party/argon2/blake2b.go is not what golang.org/x/crypto has")
	require.NoError(t, run(dir, false))
	require.NoError(t, run(dir, true))
}
