package main

import (
	"fmt"
	"go/ast"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// declared is an error as a package declares it.
type declared struct{ in, name, family, status, code, reason, detail string }

// constructors of core/errs, by the family that they stand for.
var constructors = map[string]string{
	"Conflict": "ConflictError", "NotFound": "NotFoundError", "Authentication": "AuthenticationError",
	"Authorization": "AuthorizationError", "Validation": "ValidationError",
}

// errorsOf lists the errors that the packages below the folders declare, in order of the files.
func (s *source) errorsOf(families map[string]family, folders ...string) []declared {
	var all []declared
	for _, folder := range folders {
		for _, p := range s.paths(folder, true) {
			if strings.HasSuffix(p, "_test.go") {
				continue
			}
			for _, d := range s.files[p].ast.Decls {
				gen, ok := d.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, spec := range gen.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok {
						all = append(all, errorsIn(path.Dir(p), v, families)...)
					}
				}
			}
		}
	}
	return all
}

// errorsIn reads what a line of a var declares, where it calls core/errs.
func errorsIn(in string, v *ast.ValueSpec, families map[string]family) []declared {
	var all []declared
	for i, value := range v.Values {
		call, ok := value.(*ast.CallExpr)
		if !ok || i >= len(v.Names) {
			continue
		}
		d := declared{in: in, name: v.Names[i].Name}
		switch fn := calledOf(call, in); {
		case constructors[fn] != "":
			d.family = constructors[fn]
			texts := textsOf(call.Args)
			if len(texts) == 1 { // NotFound has no reason
				texts = append([]string{""}, texts...)
			}
			d.reason, d.detail = texts[0], texts[1]
		case fn == "New" && len(call.Args) == 3:
			d.family = typeName(call.Args[0])
			texts := textsOf(call.Args[1:])
			d.reason, d.detail = texts[0], texts[1]
		case fn == "Define" && len(call.Args) == 5:
			d.family, d.status = typeName(call.Args[0]), statusOf(call.Args[1])
			texts := textsOf(call.Args[2:])
			d.code, d.detail = texts[0], texts[2]
		default:
			continue
		}
		f, ok := families[d.family]
		if !ok {
			continue
		}
		if d.status == "" {
			d.status, d.code = f.status, f.code
		}
		all = append(all, d)
	}
	return all
}

// calledOf names the function of core/errs that is called, or nothing.
func calledOf(call *ast.CallExpr, in string) string {
	switch fn := call.Fun.(type) {
	case *ast.SelectorExpr:
		if x, ok := fn.X.(*ast.Ident); ok && x.Name == "errs" {
			return fn.Sel.Name
		}
	case *ast.Ident:
		if in == "core/errs" {
			return fn.Name
		}
	}
	return ""
}

func textsOf(args []ast.Expr) []string {
	all := make([]string, 0, len(args))
	for _, a := range args {
		text := ""
		if lit, ok := a.(*ast.BasicLit); ok {
			text, _ = strconv.Unquote(lit.Value)
		}
		all = append(all, text)
	}
	return all
}

func typeName(e ast.Expr) string {
	if lit, ok := e.(*ast.CompositeLit); ok {
		e = lit.Type
	}
	if sel, ok := e.(*ast.SelectorExpr); ok {
		return sel.Sel.Name
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// statusOf gives the number of http.StatusX.
func statusOf(e ast.Expr) string {
	sel, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	for status := 100; status < 600; status++ {
		if "Status"+strings.ReplaceAll(http.StatusText(status), " ", "") == sel.Sel.Name {
			return strconv.Itoa(status)
		}
	}
	return ""
}

// family is a root of the hierarchy.
type family struct{ status, code, doc string }

// families reads the roots and what their methods return.
func (s *source) families() (map[string]family, error) {
	const at = "core/errs/families.go"
	f, ok := s.files[at]
	if !ok {
		return nil, fmt.Errorf("there is no file %s", at)
	}
	all := map[string]family{}
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Recv == nil || len(fn.Body.List) != 1 {
			continue
		}
		ret, ok := fn.Body.List[0].(*ast.ReturnStmt)
		if !ok {
			continue
		}
		name := typeName(fn.Recv.List[0].Type)
		one := all[name]
		switch fn.Name.Name {
		case "Status":
			one.status = statusOf(ret.Results[0])
		case "Code":
			one.code = textsOf(ret.Results)[0]
		}
		all[name] = one
	}
	if len(all) < 6 {
		return nil, fmt.Errorf("%s has %d families", at, len(all))
	}
	return all, nil
}

// errorSection writes the hierarchy and every error under it.
func errorSection(b *strings.Builder, src *source) error {
	families, err := src.families()
	if err != nil {
		return err
	}
	text, err := src.excerpt("core/errs/families.go", "Family", "InternalError")
	if err != nil {
		return err
	}
	b.WriteString("\n## Error handling\n\nThe blueprint's six exceptions are six Go types; every other error stands under one of them, and `errors.As` finds it.\n" +
		"An answer is a problem document (RFC 9457); [errors](../explanation/errors.md) says more.\n\n" + text)
	b.WriteString("\nThe families, and what is declared under them; errors that only tell another one's detail anew are left out.\n")
	b.WriteString("\n| family | status | code |\n| --- | --- | --- |\n")
	names := make([]string, 0, len(families))
	for name := range families {
		names = append(names, name)
	}
	slices.SortFunc(names, func(x, y string) int { return strings.Compare(families[x].status+x, families[y].status+y) })
	for _, name := range names {
		fmt.Fprintf(b, "| `%s` | %s | `%s` |\n", name, families[name].status, families[name].code)
	}
	b.WriteString("\n| error | family | status | code | reason | says |\n| --- | --- | --- | --- | --- | --- |\n")
	for _, d := range src.errorsOf(families, "core", "modules") {
		reason := ""
		if d.reason != "" {
			reason = "`" + d.reason + "`"
		}
		fmt.Fprintf(b, "| `%s.%s` | `%s` | %s | `%s` | %s | %s |\n", d.in, d.name, d.family, d.status, d.code, reason, d.detail)
	}
	return nil
}
