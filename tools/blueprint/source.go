package main

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// source is the repository's Go files, parsed.
type source struct {
	dir      string
	files    map[string]*file  // by path from the top, with slashes
	packages map[string]string // the first sentence of each folder's package doc
}

type file struct {
	text []byte
	ast  *ast.File
	set  *token.FileSet
}

// skipped are folders without source of ours.
var skipped = []string{"testdata", "third_party", "data", "bin", "coverage", "results", "node_modules"}

func parse(dir string) (*source, error) {
	s := &source{dir: dir, files: map[string]*file{}, packages: map[string]string{}}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != dir && (strings.HasPrefix(d.Name(), ".") || slices.Contains(skipped, d.Name())) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		return s.add(name)
	})
	return s, err
}

func (s *source) add(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(s.dir, name)
	if err != nil {
		return err
	}
	rel = filepath.ToSlash(rel)
	s.files[rel] = &file{text, parsed, set}
	if parsed.Doc != nil && !strings.HasSuffix(name, "_test.go") {
		s.packages[path.Dir(rel)] = synopsis(parsed.Doc.Text())
	}
	return nil
}

func synopsis(text string) string { return new(doc.Package).Synopsis(text) }

// paths lists the files of a folder, and of those below it where deep is set, in order.
func (s *source) paths(folder string, deep bool) []string {
	var all []string
	for name := range s.files {
		if path.Dir(name) == folder || deep && strings.HasPrefix(name, folder+"/") {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// kindOfTest says whether a function is a test, a fuzz target or a benchmark; empty is none.
func kindOfTest(fn *ast.FuncDecl) string {
	for _, kind := range []string{"Test", "Fuzz", "Benchmark"} {
		if fn.Recv == nil && strings.HasPrefix(fn.Name.Name, kind) && fn.Name.Name != "TestMain" {
			return kind
		}
	}
	return ""
}

// test finds the file of a test that is named as "folder.TestName".
func (s *source) test(name string) (string, error) {
	folder, fn, _ := strings.Cut(name, ".")
	for _, p := range s.paths(folder, false) {
		if !strings.HasSuffix(p, "_test.go") {
			continue
		}
		for _, d := range s.files[p].ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Name.Name == fn && kindOfTest(f) != "" {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("there is no test %s", name)
}

// excerpt gives functions, methods and types of a file as they stand in it, comments included.
func (s *source) excerpt(name string, wanted ...string) (string, error) {
	f, ok := s.files[name]
	if !ok {
		return "", fmt.Errorf("there is no file %s", name)
	}
	var parts []string
	for _, w := range wanted {
		i := slices.IndexFunc(f.ast.Decls, func(d ast.Decl) bool { return declares(d, w) })
		if i < 0 {
			return "", fmt.Errorf("%s declares no %s", name, w)
		}
		parts = append(parts, f.textOf(f.ast.Decls[i]))
	}
	return "```go\n// " + name + "\n\n" + strings.Join(parts, "\n\n") + "\n```\n", nil
}

func (f *file) textOf(d ast.Decl) string {
	from := d.Pos()
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
	case *ast.GenDecl:
		if d.Doc != nil {
			from = d.Doc.Pos()
		}
	}
	return string(f.text[f.set.Position(from).Offset:f.set.Position(d.End()).Offset])
}

func declares(d ast.Decl, name string) bool {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return d.Name.Name == name
	case *ast.GenDecl:
		return slices.ContainsFunc(d.Specs, func(s ast.Spec) bool {
			t, ok := s.(*ast.TypeSpec)
			return ok && t.Name.Name == name
		})
	}
	return false
}
