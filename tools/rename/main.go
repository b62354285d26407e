// Command rename gives a module another path: in go.mod files, in imports, and wherever Go files and configuration name a
// package. Web addresses and prose stay: they speak of where the project came from.
//
//	rename -dir . -to example.com/shop
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// names are files whose name says what they are; suffixes those whose ending does.
var (
	names    = []string{"go.mod", "go.work", "Makefile", "Dockerfile"}
	suffixes = []string{".go", ".mod", ".mk", ".yml", ".yaml", ".tmpl"}
)

func main() {
	dir := flag.String("dir", ".", "top folder of the module")
	to := flag.String("to", "", "new module path")
	flag.Parse()
	if err := rename(*dir, *to); err != nil {
		fmt.Fprintln(os.Stderr, "rename:", err)
		os.Exit(1)
	}
}

func rename(dir, to string) error {
	from, err := modulePath(filepath.Join(dir, "go.mod"))
	if err != nil {
		return err
	}
	if err := check(to); err != nil {
		return err
	}
	if from == to {
		return nil
	}
	files, err := tracked(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := rewrite(filepath.Join(dir, file), from, to); err != nil {
			return err
		}
	}
	return nil
}

var moduleLine = regexp.MustCompile(`(?m)^module[ \t]+"?([^\s"]+)"?`)

func modulePath(gomod string) (string, error) {
	text, err := os.ReadFile(gomod)
	if err != nil {
		return "", err
	}
	found := moduleLine.FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s names no module", gomod)
	}
	return string(found[1]), nil
}

// check lets the go command say whether the path may name a module.
func check(to string) error {
	if to == "" {
		return errors.New("say the new module path: make rename MODULE=example.com/shop")
	}
	dir, err := os.MkdirTemp("", "rename-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the temporary folder
	cmd := exec.Command("go", "mod", "init", to)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%q cannot name a module: %s", to, bytes.TrimSpace(out))
	}
	return nil
}

// tracked lists the files that git knows or would add; without git, all but hidden folders and what is built.
func tracked(dir string) ([]string, error) {
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = dir
	if out, err := cmd.Output(); err == nil {
		return strings.Split(strings.Trim(string(out), "\x00"), "\x00"), nil
	}
	var files []string
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != dir && (slices.Contains([]string{".git", "bin", "data"}, entry.Name())) {
			return filepath.SkipDir
		}
		if entry.Type().IsRegular() {
			name, err := filepath.Rel(dir, path)
			if err != nil {
				return err
			}
			files = append(files, name)
		}
		return nil
	})
	return files, err
}

func rewrite(file, from, to string) error {
	base := filepath.Base(file)
	if !slices.Contains(names, base) && !slices.Contains(suffixes, filepath.Ext(base)) {
		return nil
	}
	info, err := os.Lstat(file)
	if errors.Is(err, os.ErrNotExist) { // deleted, and git not told yet
		return nil
	}
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	changed := replace(text, from, to)
	if bytes.Equal(changed, text) {
		return nil
	}
	if filepath.Ext(base) == ".go" {
		if sorted, err := format.Source(changed); err == nil { // imports have another order now; what does not parse stays as it is
			changed = sorted
		}
	}
	return os.WriteFile(file, changed, info.Mode())
}

// replace changes from to to where it stands as a whole path, alone or before a slash, and not inside a web address or a
// longer path.
func replace(text []byte, from, to string) []byte {
	var out []byte
	for {
		i := bytes.Index(text, []byte(from))
		if i < 0 {
			return append(out, text...)
		}
		end := i + len(from)
		word := []byte(to)
		if i > 0 && partOfPath(text[i-1]) || end < len(text) && partOfWord(text[end]) {
			word = text[i:end]
		}
		out = append(append(out, text[:i]...), word...)
		text = text[end:]
		if len(text) > 0 && bytes.Equal(word, []byte(from)) {
			out, text = append(out, text[0]), text[1:]
		}
	}
}

func partOfPath(c byte) bool { return partOfWord(c) || c == '/' || c == '.' }

func partOfWord(c byte) bool {
	return c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
