package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCommittedListHasItsChecksum(t *testing.T) {
	t.Parallel()
	require.NoError(t, verify(".."))
	require.Error(t, verify(t.TempDir()))
}

func TestConvertFoldsSortsAndKeepsTheLongOnes(t *testing.T) {
	t.Parallel()
	list, err := convert([]byte(`["short", "Superman", "STRASSE1", "Straße1x", "superman", "aaaaaaaa"]`))
	require.NoError(t, err)
	require.Equal(t, "aaaaaaaa\nstrasse1\nstrasse1x\nsuperman\n", string(list))

	_, err = convert([]byte(`{"not": "an array"}`))
	require.Error(t, err)
}

func TestExtractTakesTheNamedFilesAlone(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	for _, name := range []string{"other", member, license} {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(name))}))
		_, err := archive.Write([]byte(name))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())

	files, err := extract(packed.Bytes(), member, license)
	require.NoError(t, err)
	require.Equal(t, map[string][]byte{member: []byte(member), license: []byte(license)}, files)

	_, err = extract(packed.Bytes(), "absent")
	require.Error(t, err)
	_, err = extract([]byte("not gzip"), member)
	require.Error(t, err)
}

func TestRebuildRefusesATarballWithAnotherChecksum(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.ErrorContains(t, rebuild(t.Context(), dir, "main.go"), "SHA-256")
	require.NoFileExists(t, listPath(dir))
}
