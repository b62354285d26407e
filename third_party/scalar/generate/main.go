// Command generate keeps third_party/scalar/standalone.js.gz. Without a flag it does nothing when the file is already the
// one that package scalar names, and fetches it through npm otherwise; -check never fetches and fails instead; -fetch
// always fetches. Run it from the root of the repository.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gatehouse/gatehouse/third_party/scalar"
)

const (
	target       = "third_party/scalar/standalone.js.gz"
	fetchTimeout = 5 * time.Minute
	largest      = 64 << 20 // bytes that an archive or a script may have
)

func main() {
	check := flag.Bool("check", false, "verify the committed file, offline")
	fetch := flag.Bool("fetch", false, "fetch even if the committed file is right")
	flag.Parse()
	if err := run(*check, *fetch); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(check, fetch bool) error {
	compressed, err := os.ReadFile(target)
	if err == nil {
		err = verify(compressed)
	}
	if check || (err == nil && !fetch) {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	tarball, err := download(ctx)
	if err != nil {
		return err
	}
	if err := sum("tarball", tarball, scalar.TarballSHA256); err != nil {
		return err
	}
	script, err := extract(tarball, scalar.ScriptPath)
	if err != nil {
		return err
	}
	if err := sum(scalar.ScriptPath, script, scalar.ScriptSHA256); err != nil {
		return err
	}
	compressed, err = compress(script)
	if err != nil {
		return err
	}
	return os.WriteFile(target, compressed, 0o644) //nolint:gosec // a file of the repository, for everyone to read
}

// verify compares what the file unpacks to, so that another release of the compressor changes nothing.
func verify(compressed []byte) error {
	r, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	script, err := io.ReadAll(io.LimitReader(r, largest))
	if err != nil {
		return fmt.Errorf("%s: %w", target, err)
	}
	if len(script) != scalar.ScriptSize {
		return fmt.Errorf("%s unpacks to %d bytes, not to %d", target, len(script), scalar.ScriptSize)
	}
	return sum(target, script, scalar.ScriptSHA256)
}

func download(ctx context.Context) ([]byte, error) {
	dir, err := os.MkdirTemp("", "scalar-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	npm := exec.CommandContext(ctx, "npm", "pack", "--silent", "--pack-destination", dir, scalar.Package+"@"+scalar.Version)
	npm.Stderr = os.Stderr
	if err := npm.Run(); err != nil {
		return nil, fmt.Errorf("npm pack: %w", err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, errors.Join(errors.New("npm pack did not leave exactly one tarball"), err)
	}
	return os.ReadFile(found[0])
}

// extract finds one file in a gzipped tar archive.
func extract(tarball []byte, name string) ([]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(tarball))
	if err != nil {
		return nil, fmt.Errorf("tarball: %w", err)
	}
	archive := tar.NewReader(unzipped)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("the tarball has no %s", name)
		}
		if err != nil {
			return nil, fmt.Errorf("tarball: %w", err)
		}
		if header.Name == name {
			return io.ReadAll(io.LimitReader(archive, largest))
		}
	}
}

// compress writes no name and no time, so the same script and compressor give the same bytes.
func compress(script []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(script); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func sum(what string, content []byte, want string) error {
	digest := sha256.Sum256(content)
	if got := hex.EncodeToString(digest[:]); got != want {
		return fmt.Errorf("%s has SHA-256 %s, not %s", what, got, want)
	}
	return nil
}
