// Command licences lists the modules that the program, its tests and its benchmark are compiled from, and the data shipped
// with it, each with the licence that its own files state. It fails for a licence that is not on the list below, and for
// none.
//
//	licences -dir . -bench bench > docs/reference/dependencies.md
package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
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

	"github.com/google/licensecheck"
)

// allowed are the licences that code of others may have here, by SPDX name. publicDomain comes from reviewed alone.
var allowed = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0", "Zlib"}

// enough is the share of a licence file, in percent, that must be the text of known licences.
const enough = 75

// publicDomain is what SQLite is under instead of a licence. It is no entry of allowed: a second such work is to be looked at.
const publicDomain = "public domain"

// reviewed are files that are mostly not licence text, or that no list of licences knows. A person read each; its digest
// (SHA-256) stands here, so that a changed text is read again.
var reviewed = map[string][]string{
	// modernc.org/sqlite, LICENSE-SQLITE: the dedication of SQLite itself, which that module translates.
	"8438c9c89b849131ead81d5435cb97fcf052df5b0b286dda8a2d4c29e6cb3fd0": {publicDomain},
	// modernc.org/sqlite, LICENSE-3RD-PARTY.md: what is linked is MIT, BSD-3-Clause and SQLite; the rest is tests and tools.
	"4194f8e7119be72babd499db4f6f1f7547e36e8a7bffcb2b9c8df241b8f1576a": {"BSD-3-Clause", "MIT", publicDomain},
	// modernc.org/libc, LICENSE-3RD-PARTY.md: Go, musl with its lists of authors, go-netdb, a table of nixpkgs.
	"f597097efe3d97021f89170746bd3a0fb9a8b6fb26b82043ed68a4e0283bee6c": {"BSD-2-Clause", "BSD-3-Clause", "MIT"},
	// modernc.org/memory, LICENSE-LOGO: the address of a picture that its read-me shows; nothing of it is compiled.
	"5ae5bee3072a841376451b48d8cfcec7188e10543926d5870828d36c8a750dc5": {},
}

// entry is one line of the list.
type entry struct {
	name, version string
	licences      []string
	part          string // what is compiled from it
}

// The parts, in the order in which they are listed. A module stands under the first that it is in.
const (
	program = "In the program"
	tests   = "In tests alone"
	bench   = "In the benchmark alone"
	assets  = "Data and assets"
)

func main() {
	dir := flag.String("dir", ".", "top folder of the module")
	benchDir := flag.String("bench", "", "folder of the benchmark, a module of its own; none if empty")
	flag.Parse()
	if err := run(*dir, *benchDir, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(dir, benchDir string, out io.Writer) error {
	modules, err := compiled(dir, benchDir)
	if err != nil {
		return err
	}
	data, err := shipped(dir)
	if err != nil {
		return err
	}
	if err := errors.Join(faults(modules), faults(data)); err != nil {
		return err
	}
	return write(out, append(modules, data...))
}

// goPackage is what we read of `go list -json`.
type goPackage struct {
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
		Replace            *struct{ Path, Version, Dir string }
	}
}

// compiled lists the modules that packages come from: the program's, those of all tests, and the benchmark's.
func compiled(dir, benchDir string) ([]entry, error) {
	entries := map[string]entry{}
	for _, part := range []struct {
		name, dir string
		args      []string
	}{{program, dir, []string{"./cmd/..."}}, {tests, dir, []string{"-test", "./..."}}, {bench, benchDir, []string{"-test", "./..."}}} {
		if part.dir == "" {
			continue
		}
		packages, err := list(part.dir, part.args)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			m := p.Module
			if p.Standard || m == nil || m.Main || m.Replace != nil && m.Replace.Version == "" {
				continue // ours: the benchmark finds the program in the folder above it
			}
			if _, ok := entries[m.Path]; ok {
				continue
			}
			folder := m.Dir
			if m.Replace != nil {
				folder = m.Replace.Dir
			}
			found, err := licencesOf(folder)
			if err != nil {
				return nil, err
			}
			entries[m.Path] = entry{m.Path, m.Version, found, part.name}
		}
	}
	return sorted(entries), nil
}

// list asks for one platform, so that the answer is the same on every machine.
func list(dir string, args []string) ([]goPackage, error) {
	cmd := exec.Command("go", append([]string{"list", "-deps", "-json=Standard,Module"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, errs.Bytes())
	}
	var packages []goPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages, nil
		}
		if err != nil {
			return nil, err
		}
		packages = append(packages, p)
	}
}

// shipped lists the folders of third_party, each of which states its licence.
func shipped(dir string) ([]entry, error) {
	folders, err := filepath.Glob(filepath.Join(dir, "third_party", "*"))
	if err != nil {
		return nil, err
	}
	entries := map[string]entry{}
	for _, folder := range folders {
		info, err := os.Stat(folder)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			continue
		}
		found, err := licencesOf(folder)
		if err != nil {
			return nil, err
		}
		name := "third_party/" + filepath.Base(folder)
		entries[name] = entry{name: name, licences: found, part: assets}
	}
	return sorted(entries), nil
}

func sorted(entries map[string]entry) []entry {
	out := make([]entry, 0, len(entries))
	for _, e := range entries {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	return out
}

// licencesOf reads the licence files in the top of a folder. A file that is not recognised gives "unknown".
func licencesOf(folder string) ([]string, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, f := range files {
		name := strings.ToUpper(f.Name())
		if !f.Type().IsRegular() || !strings.HasPrefix(name, "LICENSE") && !strings.HasPrefix(name, "LICENCE") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err != nil {
			return nil, err
		}
		found = append(found, classify(text)...)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

func classify(text []byte) []string {
	if known, ok := reviewed[fmt.Sprintf("%x", sha256.Sum256(text))]; ok {
		return known
	}
	cover := licensecheck.Scan(text)
	var found []string
	for _, match := range cover.Match {
		if !match.IsURL {
			found = append(found, match.ID)
		}
	}
	if len(found) == 0 || cover.Percent < enough {
		return append(found, "unknown")
	}
	return found
}

func faults(entries []entry) error {
	var all error
	for _, e := range entries {
		if len(e.licences) == 0 {
			all = errors.Join(all, fmt.Errorf("%s states no licence", e.name))
		}
		for _, licence := range e.licences {
			if !slices.Contains(allowed, licence) && licence != publicDomain {
				all = errors.Join(all, fmt.Errorf("%s: licence %s is not on the list", e.name, licence))
			}
		}
	}
	return all
}

func write(out io.Writer, entries []entry) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Dependencies and their licences\n\nWritten by `make generate`. Allowed are %s, and SQLite's dedication to the public domain.\n", strings.Join(allowed, ", "))
	for _, part := range []string{program, tests, bench, assets} {
		section(&b, part, entries)
	}
	_, err := out.Write(b.Bytes())
	return err
}

func section(b *bytes.Buffer, part string, entries []entry) {
	fmt.Fprintf(b, "\n## %s\n\n| name | version | licence |\n|---|---|---|\n", part)
	for _, e := range entries {
		if e.part == part {
			fmt.Fprintf(b, "| %s | %s | %s |\n", e.name, e.version, strings.Join(e.licences, ", "))
		}
	}
}
