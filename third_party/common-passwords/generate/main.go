// Command generate rebuilds the list of common passwords from the npm package that it comes from, or checks the list
// without any network.
//
//	go run ./third_party/common-passwords/generate                    fetch with "npm pack", verify, rebuild
//	go run ./third_party/common-passwords/generate -tarball file.tgz  the same from a file at hand
//	go run ./third_party/common-passwords/generate -check             compare the committed list with its checksum
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A new version of the package means: new pins here and new lines in README.md, where the checksums stand as well.
const (
	pkg           = "@zxcvbn-ts/language-common@4.1.3"
	tarballSHA256 = "bf3027c16c069d7877e25dc8751bc819e10e479afcc5ee1a323eb2ab73129ca9"
	listSHA256    = "5775aedafe8cb5b6ae24414c8f8e9157a66c914f58b9bd54f0678acc747bb9e9"
	member        = "package/src/passwords.json"
	license       = "package/LICENSE.txt"

	minLength    = 8       // shorter ones never pass the length rule
	maxExtracted = 8 << 20 // bytes of any one file in the tarball
)

func main() {
	dir := flag.String("dir", "third_party/common-passwords", "directory of the list")
	tarball := flag.String("tarball", "", "use this tarball instead of fetching it")
	check := flag.Bool("check", false, "check the committed list, offline")
	flag.Parse()
	run := func() error { return rebuild(context.Background(), *dir, *tarball) }
	if *check {
		run = func() error { return verify(*dir) }
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "common-passwords:", err)
		os.Exit(1)
	}
}

// verify compares the committed list with its checksum.
func verify(dir string) error {
	list, err := os.ReadFile(listPath(dir))
	if err != nil {
		return err
	}
	return expect("the list", list, listSHA256)
}

// rebuild writes the list and its licence anew. It refuses a tarball or a result with another checksum, and leaves the
// files as they were then.
func rebuild(ctx context.Context, dir, tarball string) error {
	packed, err := load(ctx, tarball)
	if err != nil {
		return err
	}
	if err := expect("the tarball", packed, tarballSHA256); err != nil {
		return err
	}
	files, err := extract(packed, member, license)
	if err != nil {
		return err
	}
	list, err := convert(files[member])
	if err != nil {
		return err
	}
	if err := expect("the new list", list, listSHA256); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "LICENSE"), files[license], 0o600); err != nil {
		return err
	}
	return os.WriteFile(listPath(dir), list, 0o600)
}

func listPath(dir string) string { return filepath.Join(dir, "common-passwords.txt") }

// load reads the tarball, or fetches it with npm, which knows the registry to ask.
func load(ctx context.Context, tarball string) ([]byte, error) {
	if tarball != "" {
		return os.ReadFile(tarball)
	}
	dir, err := os.MkdirTemp("", "common-passwords-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a folder of the system's temporary ones
	cmd := exec.CommandContext(ctx, "npm", "pack", pkg, "--ignore-scripts", "--silent", "--pack-destination", dir)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("npm pack %s: %w", pkg, err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(found) != 1 {
		return nil, errors.Join(errors.New("npm pack left no tarball"), err)
	}
	return os.ReadFile(found[0])
}

// extract returns the named files of a gzipped tarball.
func extract(packed []byte, names ...string) (map[string][]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte, len(names))
	for archive := tar.NewReader(unzipped); len(files) < len(names); {
		header, err := archive.Next()
		if err != nil {
			return nil, fmt.Errorf("look for %v in the tarball: %w", names, err)
		}
		if !slices.Contains(names, header.Name) {
			continue
		}
		if files[header.Name], err = io.ReadAll(io.LimitReader(archive, maxExtracted)); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// convert turns the JSON array of the package into the list: folded as core/password folds, long enough, sorted, unique.
func convert(source []byte) ([]byte, error) {
	var entries []string
	if err := json.Unmarshal(source, &entries); err != nil {
		return nil, fmt.Errorf("read the passwords: %w", err)
	}
	kept := make([]string, 0, len(entries))
	for _, entry := range entries {
		folded := norm.NFC.String(cases.Fold().String(norm.NFC.String(entry)))
		if utf8.RuneCountInString(folded) >= minLength && !strings.ContainsAny(folded, "\r\n") {
			kept = append(kept, folded)
		}
	}
	slices.Sort(kept)
	return []byte(strings.Join(slices.Compact(kept), "\n") + "\n"), nil
}

func expect(what string, content []byte, want string) error {
	sum := sha256.Sum256(content)
	if got := hex.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("%s has the SHA-256 %s, expected %s", what, got, want)
	}
	return nil
}
