package blob_test

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/stretchr/testify/require"
)

// bucket stands in for a service that speaks S3, as far as this package speaks it. It differs from the real one: it looks at
// no signature, keeps nothing but content and media type, knows no parts, versions, ranges or redirects, and is never slow.
type bucket struct {
	t testing.TB

	mu    sync.Mutex
	files map[string]file
}

type file struct {
	mediaType string
	content   []byte
}

func newBucket(t testing.TB) *bucket {
	t.Helper()
	return &bucket{t: t, files: map[string]file{}}
}

// ServeHTTP implements http.Handler.
func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !strings.HasPrefix(r.URL.Path, "/pictures/") || !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=id/") {
		http.Error(w, "", http.StatusForbidden)
		return
	}
	switch r.Method {
	case http.MethodPut:
		content, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") {
			http.Error(w, "", http.StatusNotImplemented)
			return
		}
		b.files[r.URL.Path] = file{r.Header.Get("Content-Type"), content}
		w.Header().Set("ETag", `"1"`)
	case http.MethodGet, http.MethodHead:
		f, ok := b.files[r.URL.Path]
		if !ok {
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>`)
			return
		}
		w.Header().Set("Content-Type", f.mediaType)
		w.Header().Set("Content-Length", strconv.Itoa(len(f.content)))
		_, _ = w.Write(f.content)
	case http.MethodDelete:
		delete(b.files, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		http.Error(w, "", http.StatusNotImplemented)
	}
}

// azuriteURL makes a container in the Azurite that TEST_AZURITE_URL names, and gives the setting that leads to it.
func azuriteURL(t *testing.T) string {
	t.Helper()
	name := make([]byte, 8)
	_, _ = rand.Read(name) // never fails
	endpoint := os.Getenv(azuriteVariable)
	account, key, _ := strings.Cut(azuriteAccount, ":")
	credential, err := container.NewSharedKeyCredential(account, key)
	require.NoError(t, err)
	client, err := container.NewClientWithSharedKeyCredential(endpoint+"/test-"+hex.EncodeToString(name), credential, nil)
	require.NoError(t, err)
	_, err = client.Create(t.Context(), nil)
	require.NoError(t, err)
	return "azblob://" + url.UserPassword(account, key).String() + "@test-" + hex.EncodeToString(name) + "?endpoint=" + endpoint
}
