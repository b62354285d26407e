package contract_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root, modulePath = "../..", "github.com/gatehouse/gatehouse/"

// eachFile parses every Go file of the program, tests left out.
func eachFile(t *testing.T, visit func(pkg, path string, f *ast.File)) {
	t.Helper()
	set := token.NewFileSet()
	files := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && path != root && (strings.HasPrefix(name, ".") || slices.Contains([]string{"testdata", "third_party", "tools", "data", "bin", "node_modules"}, name)) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, path, nil, parser.ParseComments)
		require.NoError(t, err)
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		require.NoError(t, err)
		files++
		visit(filepath.ToSlash(pkg), path, f)
		return nil
	}))
	require.Greater(t, files, 50)
}

// TestImportsPointOneWay: cmd → cli → app → modules → core, and core knows none of them.
func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	rank := map[string]int{"core": 0, "modules": 1, "app": 2, "cli": 3, "cmd": 4}
	eachFile(t, func(pkg, path string, f *ast.File) {
		own, _, _ := strings.Cut(pkg, "/")
		from, ranked := rank[own]
		for _, imp := range f.Imports {
			target, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			local, ok := strings.CutPrefix(target, modulePath)
			if !ok || !ranked {
				continue
			}
			to, _, _ := strings.Cut(local, "/")
			require.NotContains(t, []string{"testkit", "test", "bench", "examples"}, to, "%s imports %s", path, target)
			if level, known := rank[to]; known {
				require.LessOrEqual(t, level, from, "%s imports %s", path, target)
			}
		}
	})
}

// TestEachLibraryHasOneRoom keeps huma behind httpapi and drivers behind database, so that they can be replaced.
func TestEachLibraryHasOneRoom(t *testing.T) {
	t.Parallel()
	rooms := map[string][]string{
		"github.com/danielgtaylor/huma": {"core/httpapi"},
		"github.com/jackc/pgx":          {"core/database"},
		"modernc.org/sqlite":            {"core/database"},
		"database/sql":                  {"core/database"},
		"github.com/redis/rueidis":      {"core/cache", "core/ratelimit"},
		"github.com/golang-jwt":         {"core/token"},
		"github.com/wneessen/go-mail":   {"core/mail"},
		"github.com/riverqueue/river":   {"core/job"},
		"github.com/spf13":              {"cli"},
		"gocloud.dev":                   {"core/blob"},
		"github.com/aws":                {"core/blob"},
		"github.com/Azure":              {"core/blob", "core/event/servicebus"},

		"go.opentelemetry.io/otel/exporters": {"core/telemetry"},
	}
	eachFile(t, func(pkg, path string, f *ast.File) {
		if strings.HasPrefix(pkg, "internal/") || strings.HasPrefix(pkg, "bench") || strings.HasPrefix(pkg, "core/account") {
			return // account implements database/sql/driver's Valuer, and imports nothing that connects
		}
		for _, imp := range f.Imports {
			target, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			for library, allowed := range rooms {
				if target == library || strings.HasPrefix(target, library+"/") {
					room := slices.ContainsFunc(allowed, func(a string) bool { return pkg == a || strings.HasPrefix(pkg, a+"/") })
					require.True(t, room, "%s imports %s", path, target)
				}
			}
		}
	})
}

// TestStatement23WhoeverConnectsIsTheGuardedClientOrHasAReason finds every client and dialer of the standard library.
// Libraries that connect by themselves have their rooms above.
func TestStatement23WhoeverConnectsIsTheGuardedClientOrHasAReason(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{
		"core/egress/client.go":  "it is the guarded client",
		"core/mail/smtp.go":      "the settings name the mail server",
		"app/examine_machine.go": "doctor asks the server beside it, whose address the settings name",
	}
	connects := map[string][]string{
		"net/http":   {"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"},
		"net":        {"Dial", "DialIP", "DialTCP", "DialTimeout", "DialUDP", "DialUnix", "Dialer"},
		"net/smtp":   {"Dial", "SendMail"},
		"crypto/tls": {"Dial", "DialWithDialer", "Dialer"},
	}
	found := map[string]bool{}
	eachFile(t, func(pkg, path string, f *ast.File) {
		own, _, _ := strings.Cut(pkg, "/")
		if !slices.Contains([]string{"core", "modules", "app", "cli", "cmd"}, own) {
			return
		}
		called := map[string]string{} // packages by what the file calls them
		for _, imp := range f.Imports {
			target, err := strconv.Unquote(imp.Path.Value)
			require.NoError(t, err)
			name := target[strings.LastIndex(target, "/")+1:]
			if imp.Name != nil {
				name = imp.Name.Name
			}
			called[name] = target
		}
		file, err := filepath.Rel(root, path)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok {
				if x, isName := s.X.(*ast.Ident); isName && slices.Contains(connects[called[x.Name]], s.Sel.Name) {
					found[filepath.ToSlash(file)] = true
				}
			}
			return true
		})
	})
	require.Equal(t, slices.Sorted(maps.Keys(reasons)), slices.Sorted(maps.Keys(found)),
		"what goes to an address from input goes through core/egress; whatever else connects has its reason here")
}

// TestNoPackageIsADrawer refuses names that say nothing, init functions and the wall clock inside services.
func TestNoPackageIsADrawer(t *testing.T) {
	t.Parallel()
	eachFile(t, func(pkg, path string, f *ast.File) {
		for _, name := range []string{"utils", "util", "common", "helpers", "helper", "manager", "misc"} {
			require.NotContains(t, strings.Split(pkg, "/"), name, path)
		}
		for _, decl := range f.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok {
				require.False(t, fn.Recv == nil && fn.Name.Name == "init", "%s has an init function", path)
			}
		}
		if strings.HasPrefix(pkg, "modules/") {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					x, isName := s.X.(*ast.Ident)
					require.False(t, isName && x.Name == "time" && s.Sel.Name == "Now", "%s asks the wall clock", path)
				}
				return true
			})
		}
	})
}
