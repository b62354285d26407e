package main

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// places maps the blueprint's names to ours.
const places = `
| the blueprint's | ours |
| --- | --- |
| ` + "`core/config.py`, `core/database.py`" + ` | ` + "`core/config`, `core/database`" + ` |
| ` + "`core/security.py`" + ` | ` + "`core/password`, `core/token`" + ` |
| ` + "`core/dependencies.py`, `modules/*/dependencies.py`" + ` | ` + "`app`" + `, which passes each service in |
| ` + "`core/exceptions.py`, `modules/*/exceptions.py`" + ` | ` + "`core/errs`, `modules/*/errors.go`" + ` |
| ` + "`shared/middleware`" + ` | ` + "`core/httpapi`" + ` |
| ` + "`shared/utils`" + ` | ` + "`core/page`, `core/clock`" + `, and checks in ` + "`modules/*/schemas.go`" + ` |
| ` + "`shared/clients/redis.py`" + ` | ` + "`core/cache`, `core/ratelimit`" + ` |
| ` + "`shared/clients/service_bus.py`" + ` | to come, with events |
| ` + "`main.py`, `worker.py`" + ` | ` + "`cmd/gatehouse`" + ` and ` + "`app`; `gatehouse worker`" + ` |
| ` + "`tests/unit`, `tests/integration`, `tests/e2e`" + ` | tests beside the code, modules on every store; ` + "`test/contract`, `test/e2e`, `test/faults`" + ` |
| ` + "`tests/conftest.py`, `tests/factories.py`" + ` | ` + "`testkit`" + ` |
`

// treeSection writes every package with what it is for, and the modules with their files.
func treeSection(b *strings.Builder, src *source) {
	b.WriteString("\n## File structure\n\n```\n")
	var folders []string
	width := 0
	for folder := range src.packages {
		if !strings.HasPrefix(folder, "tools/") {
			folders = append(folders, folder)
			width = max(width, len(folder)+1)
		}
	}
	slices.Sort(folders)
	for _, folder := range folders {
		fmt.Fprintf(b, "%-*s  %s\n", width, folder+"/", purpose(src.packages[folder]))
		if path.Dir(folder) == "modules" {
			writeFiles(b, src, folder)
		}
	}
	b.WriteString("```\n" + places)
}

// purpose is what a doc's first sentence says before it goes into detail, without the words that all begin with.
func purpose(text string) string {
	words := strings.SplitN(text, " ", 3)
	if len(words) == 3 && (words[0] == "Package" || words[0] == "Command") {
		text = words[2]
	}
	text, _, _ = strings.Cut(text, ": ")
	return strings.TrimSuffix(text, ".")
}

// writeFiles lists a module's files but tests, and how many operations the router mounts.
func writeFiles(b *strings.Builder, src *source, folder string) {
	for _, p := range src.paths(folder, false) {
		if strings.HasSuffix(p, "_test.go") {
			continue
		}
		line := "    " + path.Base(p)
		if n := operationsIn(src.files[p]); n > 0 {
			line += fmt.Sprintf(" (%d endpoints)", n)
		}
		b.WriteString(line + "\n")
	}
}

// operationsIn counts the operations that a file mounts.
func operationsIn(f *file) int {
	n := 0
	ast.Inspect(f.ast, func(node ast.Node) bool {
		if call, ok := node.(*ast.CallExpr); ok {
			if fn, ok := call.Fun.(*ast.SelectorExpr); ok && fn.Sel.Name == "Handle" {
				if x, ok := fn.X.(*ast.Ident); ok && x.Name == "httpapi" {
					n++
				}
			}
		}
		return true
	})
	return n
}

// fixtureSection writes what tests are made with: the exported functions and methods of testkit.
func fixtureSection(b *strings.Builder, src *source) {
	b.WriteString("\n### Key fixtures\n\nThose of [`testkit`](../../testkit), for programs built on Gatehouse as well:\n\n| fixture | what it does |\n| --- | --- |\n")
	for _, p := range src.paths("testkit", false) {
		for _, d := range src.files[p].ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !fn.Name.IsExported() || fn.Doc == nil || strings.HasSuffix(p, "_test.go") {
				continue
			}
			name := fn.Name.Name
			if fn.Recv != nil {
				name = receiver(fn) + "." + name
			}
			says := strings.TrimPrefix(synopsis(fn.Doc.Text()), fn.Name.Name+" ")
			fmt.Fprintf(b, "| `%s` | %s |\n", name, strings.ReplaceAll(says, "|", `\|`))
		}
	}
}

func receiver(fn *ast.FuncDecl) string {
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	return typeName(t)
}
