package testenv

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// withNPM puts a script in npm's place.
func withNPM(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "npm"), []byte("#!/bin/sh\n"+script), 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", "")
}

func TestPackagesAreFetchedOnceForEachLock(t *testing.T) { //nolint:paralleltest // withNPM sets variables
	withNPM(t, `echo "$@" >called && cat package.json package-lock.json >both`)
	var progress bytes.Buffer
	folder, err := installPackages(t.Context(), "thing", []byte("{}"), []byte("[]"), &progress)
	require.NoError(t, err)
	both, err := os.ReadFile(filepath.Join(folder, "both"))
	require.NoError(t, err)
	require.Equal(t, "{}[]", string(both))
	called, err := os.ReadFile(filepath.Join(folder, "called"))
	require.NoError(t, err)
	require.Contains(t, string(called), "ci --ignore-scripts", "what a package brings is not run")

	progress.Reset()
	again, err := installPackages(t.Context(), "thing", []byte("{}"), []byte("[]"), &progress)
	require.NoError(t, err)
	require.Equal(t, folder, again)
	require.Empty(t, progress.String())
	other, err := installPackages(t.Context(), "thing", []byte("{}"), []byte("[1]"), &progress)
	require.NoError(t, err)
	require.NotEqual(t, folder, other)
}

func TestPackagesThatCannotBeFetchedLeaveNothing(t *testing.T) { //nolint:paralleltest // withNPM sets variables
	withNPM(t, `mkdir node_modules && echo no network >&2; exit 1`)
	_, err := installPackages(t.Context(), "thing", []byte("{}"), []byte("[]"), &bytes.Buffer{})
	require.ErrorContains(t, err, "no network")
	left, err := filepath.Glob(filepath.Join(os.Getenv("HOME"), ".cache", "gatehouse-testenv", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestAnotherServerIsNotTakenForAzurite(t *testing.T) {
	for _, c := range []struct {
		name string
		id   string
		ok   bool
	}{{"azurite", "0a1b", true}, {"another", "", false}} {
		t.Run(c.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("X-Ms-Request-Id", c.id)
				w.WriteHeader(http.StatusForbidden)
			}))
			defer srv.Close()
			t.Setenv(AzuriteVariable, srv.URL+"/devstoreaccount1")
			e, err := Provide(t.Context(), []Need{Azurite}, &bytes.Buffer{})
			if !c.ok {
				require.ErrorContains(t, err, AzuriteVariable)
				return
			}
			require.NoError(t, err)
			require.NoError(t, e.Stop())
		})
	}
}
