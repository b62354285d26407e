package testenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// installPackages gives a folder that holds the packages of a lock file, from npm. It stays in the user's cache, under the
// lock's digest, for the next run. Nothing that a package brings is run meanwhile.
func installPackages(ctx context.Context, name string, manifest, lock []byte, progress io.Writer) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir() // no home, as in some containers
	}
	root := filepath.Join(cache, "gatehouse-testenv")
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", err
	}
	digest := sha256.Sum256(append(append([]byte{}, manifest...), lock...))
	folder := filepath.Join(root, name+"-"+hex.EncodeToString(digest[:8]))
	unlock, err := lockFolder(root)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(folder); err == nil { // it has its name once it is whole
		return folder, nil
	}
	sayf(progress, "fetching %s from npm", name)
	begin := time.Now()
	partial, err := os.MkdirTemp(root, name+"-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(partial) }() // where it was not renamed
	for file, content := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(partial, file), content, 0o600); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--omit=dev", "--loglevel=error")
	cmd.Dir = partial
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("npm ci for %s: %w: %s", name, err, tail(out.Bytes()))
	}
	if err := os.Rename(partial, folder); err != nil {
		return "", err
	}
	sayf(progress, "fetched in %s", time.Since(begin).Round(time.Second))
	return folder, nil
}
