package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/third_party/scalar"
)

func TestTheCommittedScriptIsTheOneNamed(t *testing.T) {
	t.Parallel()
	require.NoError(t, verify([]byte(scalar.ScriptGzip)))
}

func TestAnotherScriptIsRefused(t *testing.T) {
	t.Parallel()
	other, err := compress([]byte("alert(1)"))
	require.NoError(t, err)
	require.ErrorContains(t, verify(other), "unpacks to 8 bytes")

	sameSize, err := compress(make([]byte, scalar.ScriptSize))
	require.NoError(t, err)
	require.ErrorContains(t, verify(sameSize), "SHA-256")

	require.Error(t, verify([]byte("not gzip")))
	require.Error(t, verify([]byte(scalar.ScriptGzip[:1000])))
}

func TestCompressionIsDeterministic(t *testing.T) {
	t.Parallel()
	script := bytes.Repeat([]byte("let a = 1;"), 1000)
	first, err := compress(script)
	require.NoError(t, err)
	second, err := compress(script)
	require.NoError(t, err)
	require.Equal(t, first, second)
}

func TestExtractFindsOneFile(t *testing.T) {
	t.Parallel()
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	archive := tar.NewWriter(zipped)
	for name, content := range map[string]string{"package/a.js": "a", "package/b.js": "b"} {
		require.NoError(t, archive.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(content))}))
		_, err := archive.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, archive.Close())
	require.NoError(t, zipped.Close())

	got, err := extract(packed.Bytes(), "package/b.js")
	require.NoError(t, err)
	require.Equal(t, "b", string(got))
	_, err = extract(packed.Bytes(), "package/c.js")
	require.ErrorContains(t, err, "has no package/c.js")
	_, err = extract([]byte("not a tarball"), "package/a.js")
	require.Error(t, err)
	_, err = extract(packed.Bytes()[:packed.Len()/2], "package/b.js")
	require.Error(t, err)
}
