package blob

import (
	"bytes"
	"context"
	"io"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// bucket is a container of Azure's or a bucket of S3's.
type bucket struct {
	*blob.Bucket
}

// openAzure speaks to one container, with the account's key or as the identity that Azure gives the machine.
func openAzure(ctx context.Context, at place) (backend, error) {
	endpoint := at.endpoint
	if endpoint == "" {
		endpoint = "https://" + at.account + ".blob.core.windows.net"
	}
	options := &container.ClientOptions{ClientOptions: azcore.ClientOptions{Retry: policy.RetryOptions{MaxRetries: 1}}}
	client, err := azureClient(endpoint+"/"+at.bucket, at, options)
	if err != nil {
		return nil, err
	}
	b, err := azureblob.OpenBucket(ctx, client, nil)
	return prefixed(b, at), err
}

func azureClient(url string, at place, o *container.ClientOptions) (*container.Client, error) {
	if !at.key.IsZero() {
		key, err := container.NewSharedKeyCredential(at.account, at.key.Reveal())
		if err != nil {
			return nil, errURLAzureKey
		}
		return container.NewClientWithSharedKeyCredential(url, key, o)
	}
	identity, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return container.NewClient(url, identity, o)
}

// openS3 speaks to one bucket, with a key or as the identity that the cloud gives the machine.
func openS3(ctx context.Context, at place) (backend, error) {
	options := []func(*config.LoadOptions) error{config.WithRegion(at.region), config.WithRetryMaxAttempts(2)}
	if !at.key.IsZero() {
		options = append(options, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(at.account, at.key.Reveal(), "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, err
	}
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.UsePathStyle = at.pathStyle
		// What speaks like S3 often knows no checksums but those that an operation requires.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		if at.endpoint != "" {
			o.BaseEndpoint = aws.String(at.endpoint)
		}
	})
	b, err := s3blob.OpenBucket(ctx, client, at.bucket, nil)
	return prefixed(b, at), err
}

func prefixed(b *blob.Bucket, at place) backend {
	if b != nil && at.prefix != "" {
		b = blob.PrefixedBucket(b, at.prefix)
	}
	return bucket{b}
}

// put hands the file over whole. It does not go through WriteAll, whose writer panics in azureblob when the service fails.
func (b bucket) put(ctx context.Context, key, mediaType string, content []byte) error {
	return b.Upload(ctx, key, bytes.NewReader(content), &blob.WriterOptions{ContentType: mediaType, DisableContentTypeDetection: true})
}

func (b bucket) get(ctx context.Context, key string) (io.ReadCloser, int64, error) {
	r, err := b.NewReader(ctx, key, nil)
	if err != nil {
		if gcerrors.Code(err) == gcerrors.NotFound {
			return nil, 0, ErrNotFound
		}
		return nil, 0, err
	}
	size := r.Size()
	return r, size, nil
}

func (b bucket) remove(ctx context.Context, key string) error {
	err := b.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return err
}

// probeKey is a key that no file has: names of ours are longer.
const probeKey = "probe"

// probe asks for a file that is not there. A bucket that is not there either answers the same over S3, so its own existence
// shows with the first file.
func (b bucket) probe(ctx context.Context) error {
	_, err := b.Exists(ctx, probeKey)
	return err
}

func (b bucket) close() error { return b.Close() }
