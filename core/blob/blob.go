// Package blob keeps files that are too large for the database, such as pictures: in a folder, in Azure Blob Storage, or in
// S3 and what speaks like it. What is under a key is written whole or not at all, and never changed; whoever keeps files
// makes a new key for each. It knows nothing of who may read what.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse/gatehouse/core/errs"
)

// ErrNotFound is a key under which there is nothing.
var ErrNotFound = errors.New("blob: there is nothing under this key")

// Store keeps files. Its zero value keeps none; Open gives one that does. It is safe for concurrent use. Whatever goes wrong
// with the store, but for ErrNotFound, is errs.ErrUnavailable.
type Store struct {
	place   place
	backend backend
	timeout time.Duration
}

// backend is where files are: a folder or a bucket. Its errors hold no key of an account.
type backend interface {
	put(ctx context.Context, key, mediaType string, content []byte) error
	get(ctx context.Context, key string) (io.ReadCloser, int64, error)
	remove(ctx context.Context, key string) error // nil where there is nothing
	probe(ctx context.Context) error
	close() error
}

// Open gives a Store. It connects to nothing and makes no folder: the first file does.
func Open(ctx context.Context, s Settings, dataDir string) (*Store, error) {
	at, err := parseURL(s.URL, dataDir)
	if err != nil {
		return nil, fmt.Errorf("blob.url %w", err)
	}
	store := &Store{place: at, timeout: s.Timeout}
	switch at.kind {
	case kindFolder:
		store.backend = folder{at.folder}
	case kindAzure:
		store.backend, err = openAzure(ctx, at)
	case kindS3:
		store.backend, err = openS3(ctx, at)
	}
	if err != nil {
		return nil, fmt.Errorf("blob.url: %w", err)
	}
	return store, nil
}

// errClosed is what the zero Store says.
var errClosed = errors.New("blob: the store is not open")

// Put writes a file whole. Where it returns nil, the store has taken responsibility for it, or it is on the disk.
func (s *Store) Put(ctx context.Context, key, mediaType string, content []byte) error {
	return s.do(ctx, func(ctx context.Context) error { return s.backend.put(ctx, key, mediaType, content) })
}

// Remove removes a file, and whatever an interrupted Put has left of it. It returns nil where there is nothing.
func (s *Store) Remove(ctx context.Context, key string) error {
	return s.do(ctx, func(ctx context.Context) error { return s.backend.remove(ctx, key) })
}

// Probe asks the store whether it would take a file, and writes none.
func (s *Store) Probe(ctx context.Context) error {
	return s.do(ctx, func(ctx context.Context) error { return s.backend.probe(ctx) })
}

func (s *Store) do(ctx context.Context, f func(context.Context) error) error {
	if s.backend == nil {
		return errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := f(ctx); err != nil {
		return errs.ErrUnavailable.WithCause(fmt.Errorf("blob: %w", err))
	}
	return nil
}

// Get opens a file, or gives ErrNotFound. Whoever has read it closes it; the time-out holds until then.
func (s *Store) Get(ctx context.Context, key string) (content io.ReadCloser, size int64, err error) {
	if s.backend == nil {
		return nil, 0, errClosed
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	content, size, err = s.backend.get(ctx, key)
	if err != nil {
		cancel()
		if errors.Is(err, ErrNotFound) {
			return nil, 0, ErrNotFound
		}
		return nil, 0, errs.ErrUnavailable.WithCause(fmt.Errorf("blob: %w", err))
	}
	return &opened{content, cancel}, size, nil
}

// opened ends its time-out when it is closed.
type opened struct {
	io.ReadCloser

	cancel context.CancelFunc
}

// Close implements io.Closer.
func (o *opened) Close() error {
	defer o.cancel()
	return o.ReadCloser.Close()
}

// Remote says whether files are kept by another service, whose absence is news.
func (s *Store) Remote() bool { return s.place.kind != kindFolder }

// Close ends what Open has opened.
func (s *Store) Close() error {
	if s.backend == nil {
		return nil
	}
	return s.backend.close()
}
