package blob_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/blob"
	"github.com/gatehouse/gatehouse/core/secret"
)

func faults(s blob.Settings) map[string]string {
	found := map[string]string{}
	s.Check(func(field, fault string) { found[field] = fault })
	return found
}

func TestURLsOfStores(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]blob.Target{
		"":                                    {Folder: filepath.Join("data", "blobs")},
		"file:./pictures/":                    {Folder: "pictures"},
		"file:///srv/pictures":                {Folder: "/srv/pictures"},
		"azblob://account:a2V5@pictures":      {Name: "Azure container pictures"},
		"azblob://pictures?account=account":   {Name: "Azure container pictures"},
		"azblob://p?endpoint=http://10.0.0.1": {Name: "Azure container p", PlainText: true},
		"azblob://p?endpoint=http://localhost:10000/devstoreaccount1":        {Name: "Azure container p"},
		"s3://pictures/below?region=eu-central-1":                            {Name: "S3 bucket pictures"},
		"s3://id:key@p?region=x&endpoint=http://minio:9000&path_style=true":  {Name: "S3 bucket p", PlainText: true},
		"s3://id:key@p?region=x&endpoint=http://[::1]:9000/&path_style=true": {Name: "S3 bucket p"},
		"s3://id:key@p?region=x&endpoint=https://minio.example.com":          {Name: "S3 bucket p"},
	} {
		s := blob.Settings{URL: secret.New(url), Timeout: time.Second}
		require.Empty(t, faults(s), url)
		require.Equal(t, want, s.Target("data"), url)
	}
}

func TestFaultyURLsAreReportedAndNeverQuoted(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"pictures", "file:", "file:a\x00b", "gs://pictures", "s3:", "s3://", "s3://pictures", "s3://secret@p?region=x", "s3://secret:@p?region=x", "s3://p:9000?region=x",
		"s3://p?region=x#secret", "s3://p?region=x&region=y", "s3://p?region=x&secret=1", "s3://p?region=x&path_style=no", "s3://p?region=", "s3://p?region=x&endpoint=minio:9000",
		"s3://p?region=x&endpoint=http://secret:secret@minio", "s3://p?region=%zz", "azblob://secret", "azblob://p?region=x", "azblob://a:secret@p?account=b", "%zz://secret",
	} {
		found := faults(blob.Settings{URL: secret.New(url), Timeout: time.Second})
		require.Len(t, found, 1, url)
		require.NotContains(t, found["url"], "secret", url)
		_, err := blob.Open(t.Context(), blob.Settings{URL: secret.New(url), Timeout: time.Second}, ".")
		require.Error(t, err, url)
		require.Equal(t, blob.Target{}, blob.Settings{URL: secret.New(url)}.Target("."))
	}
	_, err := blob.Open(t.Context(), blob.Settings{URL: secret.New("azblob://a:secret@p")}, ".")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "secret")
	require.Contains(t, faults(blob.Settings{Timeout: time.Millisecond}), "timeout")
	require.Contains(t, faults(blob.Settings{Timeout: time.Hour}), "timeout")
}
