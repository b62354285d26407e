// Command generate keeps the files of third_party/argon2 that come from golang.org/x/crypto: those of the version that
// go.mod names, with four edits. -check compares them and changes nothing. Run it from the root of the repository.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

const (
	module = "golang.org/x/crypto"
	target = "third_party/argon2"
)

// file is a copied one: its name in the target, and what is edited there.
type file struct {
	as    string
	edits []edit
}

// edit is a place that occurs once in a file of the module, and what stands in its place in the target.
type edit struct{ of, with string }

// copied are the files, by their names in the module.
var copied = map[string]file{
	"LICENSE":                  {as: "LICENSE"},
	"argon2/argon2.go":         {"argon2.go", inPlace},
	"argon2/argon2_test.go":    {as: "argon2_test.go"},
	"argon2/blake2b.go":        {as: "blake2b.go"},
	"argon2/blamka_amd64.go":   {"blamka_amd64.go", compressed},
	"argon2/blamka_amd64.s":    {as: "blamka_amd64.s"},
	"argon2/blamka_generic.go": {as: "blamka_generic.go"},
	"argon2/blamka_loong64.go": {as: "blamka_loong64.go"},
	"argon2/blamka_loong64.s":  {as: "blamka_loong64.s"},
	"argon2/blamka_ref.go":     {as: "blamka_ref.go"},
}

// A single lane is filled where the hash is asked for, and not by a goroutine for each of its segments; and the first pass
// writes over whatever is there, which is what XOR with zeros comes to.
var inPlace = []edit{
	{
		"				go processSegment(n, slice, lane, &wg)\n",
		"				if threads == 1 { // Gatehouse's edit: no goroutine for a lane that is alone\n" +
			"					processSegment(n, slice, lane, &wg)\n" +
			"					continue\n" +
			"				}\n" +
			"				go processSegment(n, slice, lane, &wg)\n",
	},
	{
		"			processBlockXOR(&B[offset], &B[prev], &B[newOffset])\n",
		"			if n == 0 { // Gatehouse's edit: before the first pass there is nothing to XOR with, nor need be zeros\n" +
			"				processBlock(&B[offset], &B[prev], &B[newOffset])\n" +
			"			} else {\n" +
			"				processBlockXOR(&B[offset], &B[prev], &B[newOffset])\n" +
			"			}\n",
	},
}

// Blocks are compressed with AVX2 where the processor has it.
var compressed = []edit{
	{"	processBlockSSE(out, in1, in2, false)\n", "	compress(out, in1, in2, false) // Gatehouse's edit\n"},
	{"	processBlockSSE(out, in1, in2, true)\n", "	compress(out, in1, in2, true) // Gatehouse's edit\n"},
}

func main() {
	check := flag.Bool("check", false, "compare the committed files, and change none")
	flag.Parse()
	if err := run(".", *check); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(root string, check bool) error {
	from, err := source(root)
	if err != nil {
		return err
	}
	var faults []error
	for name, f := range copied {
		content, err := os.ReadFile(filepath.Join(from, filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("%s of another version has other files: %w", module, err)
		}
		for _, e := range f.edits {
			if bytes.Count(content, []byte(e.of)) != 1 {
				return fmt.Errorf("%s of another version has another %s: see whether it still needs its edits", module, f.as)
			}
			content = bytes.Replace(content, []byte(e.of), []byte(e.with), 1)
		}
		to := filepath.Join(root, target, f.as)
		if !check {
			if err := os.WriteFile(to, content, 0o644); err != nil { //nolint:gosec // a file of the repository, for everyone to read
				return err
			}
			continue
		}
		if have, err := os.ReadFile(to); err != nil || !bytes.Equal(have, content) {
			faults = append(faults, fmt.Errorf("%s/%s is not what %s has; run the command without -check", target, f.as, module))
		}
	}
	return errors.Join(faults...)
}

// source is where the go command keeps the module, whose checksum is in go.sum.
func source(root string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	list.Dir, list.Stderr = root, os.Stderr
	out, err := list.Output()
	if err != nil {
		return "", fmt.Errorf("go list: %w", err)
	}
	return string(bytes.TrimSpace(out)), nil
}
