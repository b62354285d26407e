package blob_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/blob"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
)

// azuriteVariable is the endpoint of an Azurite with its well-known account, such as http://127.0.0.1:10000/devstoreaccount1.
const azuriteVariable = "TEST_AZURITE_URL"

// azuriteAccount is the account that every Azurite has; its key is public.
const azuriteAccount = "devstoreaccount1:Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

func open(t testing.TB, url string) *blob.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), blob.Settings{URL: secret.New(url), Timeout: 2 * time.Second}, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// eachStore runs a case on every place that files may be kept in.
func eachStore(t *testing.T, run func(t *testing.T, s *blob.Store)) {
	t.Helper()
	t.Run("folder", func(t *testing.T) {
		t.Parallel()
		run(t, open(t, "file:"+filepath.Join(t.TempDir(), "not", "there", "yet")))
	})
	for name, prefix := range map[string]string{"s3": "", "s3 below a prefix": "/some/where"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(newBucket(t))
			t.Cleanup(srv.Close)
			run(t, open(t, "s3://id:key@pictures"+prefix+"?region=eu-central-1&path_style=true&endpoint="+srv.URL))
		})
	}
	if os.Getenv(azuriteVariable) == "" {
		return
	}
	t.Run("azure", func(t *testing.T) {
		t.Parallel()
		run(t, open(t, azuriteURL(t)))
	})
}

func TestAFileIsKeptWholeUntilItIsRemoved(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s *blob.Store) {
		ctx := t.Context()
		require.NoError(t, s.Probe(ctx))
		const key = "avatars/0123.jpg"
		_, _, err := s.Get(ctx, key)
		require.ErrorIs(t, err, blob.ErrNotFound)
		require.NoError(t, s.Remove(ctx, key), "nothing is removed already")
		for _, content := range [][]byte{bytes.Repeat([]byte("picture"), 50_000), []byte("once more, since an attempt may be repeated")} {
			require.NoError(t, s.Put(ctx, key, "image/jpeg", content))
			r, size, err := s.Get(ctx, key)
			require.NoError(t, err)
			got, err := io.ReadAll(r)
			require.NoError(t, err)
			require.NoError(t, r.Close())
			require.Equal(t, content, got)
			require.EqualValues(t, len(content), size)
		}
		require.NoError(t, s.Remove(ctx, key))
		_, _, err = s.Get(ctx, key)
		require.ErrorIs(t, err, blob.ErrNotFound)
		require.NoError(t, s.Remove(ctx, key))
	})
}

func TestAStoreThatIsAwayIsUnavailableInTime(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-over }))
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	denied := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	for _, srv := range []*httptest.Server{silent, broken, denied} {
		t.Cleanup(srv.Close)
	}
	t.Cleanup(func() { close(over) })
	notAFolder := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(notAFolder, nil, 0o600))
	account := "account:" + base64.StdEncoding.EncodeToString([]byte("key"))
	urls := map[string]string{"folder": "file:" + filepath.Join(notAFolder, "below")}
	for name, endpoint := range map[string]string{"silent": silent.URL, "broken": broken.URL, "denied": denied.URL, "gone": "http://127.0.0.1:1"} {
		urls["s3 "+name] = "s3://id:key@pictures?region=eu-central-1&path_style=true&endpoint=" + endpoint
		urls["azure "+name] = "azblob://" + strings.ReplaceAll(account, "=", "%3D") + "@pictures?endpoint=" + endpoint
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t, url)
			start := time.Now()
			for what, f := range map[string]func(context.Context) error{
				"put":   func(ctx context.Context) error { return s.Put(ctx, "k.jpg", "image/jpeg", []byte("content")) },
				"probe": s.Probe,
				"get": func(ctx context.Context) error {
					_, _, err := s.Get(ctx, "k.jpg")
					return err
				},
			} {
				err := f(t.Context())
				if name == "folder" && what == "probe" {
					require.Error(t, err)
				}
				require.ErrorIs(t, err, errs.ErrUnavailable, what)
				require.NotContains(t, err.Error(), account, what)
			}
			require.Less(t, time.Since(start), 15*time.Second)
		})
	}
}

func TestAFileThatCannotBeWrittenLeavesNothing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := open(t, "file:"+folder)
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "avatars", "taken.jpg", "by a folder"), 0o700))
	require.ErrorIs(t, s.Put(t.Context(), "avatars/taken.jpg", "image/jpeg", []byte("x")), errs.ErrUnavailable)
	require.Empty(t, filesIn(t, folder))

	require.NoError(t, os.WriteFile(filepath.Join(folder, "avatars", "cut.jpg.unfinished"), []byte("x"), 0o600))
	require.NoError(t, s.Remove(t.Context(), "avatars/cut.jpg"), "what a crash has left goes with its key")
	require.Empty(t, filesIn(t, folder))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Put(ctx, "avatars/late.jpg", "image/jpeg", []byte("x")), errs.ErrUnavailable)
	require.Empty(t, filesIn(t, folder))
}

func filesIn(t *testing.T, folder string) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	}))
	return names
}

func TestFilesAreForTheirOwnerAlone(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "blobs")
	s := open(t, "file:"+folder)
	require.NoError(t, s.Put(t.Context(), "avatars/a.jpg", "image/jpeg", []byte("x")))
	for path, mode := range map[string]fs.FileMode{folder: 0o700, filepath.Join(folder, "avatars"): 0o700, filepath.Join(folder, "avatars", "a.jpg"): 0o600} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
	require.False(t, s.Remote())
}

func TestTheZeroStoreSaysSo(t *testing.T) {
	t.Parallel()
	var s blob.Store
	require.Error(t, s.Put(t.Context(), "k", "image/png", nil))
	_, _, err := s.Get(t.Context(), "k")
	require.Error(t, err)
	require.NotErrorIs(t, err, errs.ErrUnavailable)
	require.NoError(t, s.Close())
}
