package contract_test

import (
	"fmt"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documentedPath is the module's path in what people read. Renaming the module leaves it as it is.
const documentedPath = "github.com/" + "gatehouse/gatehouse/"

// goBlock is a block of Go on a page.
type goBlock struct{ at, text string }

// TestTheGoOnThePagesIsGo formats every block that is whole, and compiles the files among them: each page's are a package of
// a module that a reader might have.
func TestTheGoOnThePagesIsGo(t *testing.T) {
	t.Parallel()
	module := t.TempDir()
	files := 0
	for _, b := range goBlocks(t) {
		if strings.Contains(b.text, "…") { // says that it leaves something out
			continue
		}
		formatted, err := format.Source([]byte(b.text))
		require.NoError(t, err, b.at)
		require.Equal(t, string(formatted), b.text, b.at)
		if f, err := parser.ParseFile(token.NewFileSet(), b.at, b.text, parser.PackageClauseOnly); err == nil {
			files++
			writeBlock(t, module, f.Name.Name, files, strings.ReplaceAll(b.text, documentedPath, modulePath))
		}
	}
	require.Greater(t, files, 4)
	writeReadersModule(t, module)
	cmd := exec.CommandContext(t.Context(), "go", "vet", "./...")
	cmd.Dir, cmd.Env = module, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// goBlocks reads README.md and the pages of docs, but for what is generated from the code.
func goBlocks(t *testing.T) (all []goBlock) {
	t.Helper()
	pages := []string{filepath.Join(root, "README.md")}
	require.NoError(t, filepath.WalkDir(filepath.Join(root, "docs"), func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") && filepath.Base(path) != "blueprint.md" {
			pages = append(pages, path)
		}
		return err
	}))
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for i, part := range strings.Split(string(text), "\n```go\n")[1:] {
			block, _, closed := strings.Cut(part, "```\n")
			require.True(t, closed, page)
			all = append(all, goBlock{fmt.Sprintf("%s, block %d", page, i+1), block})
		}
	}
	return all
}

// writeBlock puts a file into the folder of its package, with something for it to embed.
func writeBlock(t *testing.T, module, name string, n int, text string) {
	t.Helper()
	folder, isTest := strings.CutSuffix(name, "_test")
	file := fmt.Sprintf("block%d.go", n)
	if isTest {
		file = fmt.Sprintf("block%d_test.go", n)
	}
	if folder == "main" {
		folder = "."
	}
	migrations := filepath.Join(module, folder, "migrations")
	require.NoError(t, os.MkdirAll(migrations, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(migrations, "0001_first.sql"), nil, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(module, folder, file), []byte(text), 0o600))
}

// writeReadersModule makes the folder a module that requires this one, and all that this one does.
func writeReadersModule(t *testing.T, module string) {
	t.Helper()
	here, err := filepath.Abs(root)
	require.NoError(t, err)
	ours, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	path := strings.TrimSuffix(modulePath, "/")
	text := strings.Replace(string(ours), "module "+path+"\n", "module example.com/shop\n", 1) +
		fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %[1]s => %s\n", path, here)
	require.NoError(t, os.WriteFile(filepath.Join(module, "go.mod"), []byte(text), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(module, "go.sum"), sums, 0o600))
}
