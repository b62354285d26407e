package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree is this repository's own source.
func tree(t *testing.T) *source {
	t.Helper()
	src, err := parse(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// TestEveryTestThatTheReviewNamesExists is what keeps the review from naming what was renamed.
func TestEveryTestThatTheReviewNamesExists(t *testing.T) {
	t.Parallel()
	text, err := review(tree(t))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, "- [`test/contract.TestImportsPointOneWay`](../../test/contract/imports_test.go)\n") {
		t.Error("a test is not linked to its file")
	}
	for _, r := range reviewers {
		for _, p := range r.points {
			if len(p.tests) == 0 || p.how == "" {
				t.Errorf("nothing proves %q", p.name)
			}
		}
	}
}

func TestWhatIsNamedAndNotThereFails(t *testing.T) {
	t.Parallel()
	src := tree(t)
	for _, name := range []string{"test/contract.TestNothing", "test/contract.eachFile", "lost.TestImportsPointOneWay", "core/cache.TestMain", "TestImportsPointOneWay"} {
		if at, err := src.test(name); err == nil {
			t.Errorf("%s was found in %s", name, at)
		}
	}
	if _, err := src.excerpt("core/errs/families.go", "Lost"); err == nil {
		t.Error("what a file does not declare was shown")
	}
	if _, err := src.excerpt("core/errs/lost.go", "Family"); err == nil {
		t.Error("what there is no file of was shown")
	}
}

func TestAnExcerptIsTheSourceItself(t *testing.T) {
	t.Parallel()
	text, err := tree(t).excerpt("core/errs/families.go", "InternalError")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "core", "errs", "families.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(strings.TrimSuffix(text, "\n```\n"), "\n\n")
	if !strings.HasPrefix(code, "type (") || !strings.Contains(string(raw), code) {
		t.Errorf("not in the file: %s", code)
	}
}

// asBlueprint is a document that has what the blueprint asks for, and nothing else.
func asBlueprint(t *testing.T) openapi {
	t.Helper()
	doc := openapi{Paths: map[string]map[string]operation{}}
	for module, all := range blueprints {
		for _, a := range all {
			op := operation{Summary: "Do it", Tags: []string{map[string]string{"Auth": "Authentication", "Users": "Users"}[module]}}
			op.Permission = map[string]string{"JWT": "signed in", "JWT + ": "users.read"}[a.auth]
			if a.limit != "" {
				op.Limit.Window, op.Limit.Per = 60, "address"
				if err := json.Unmarshal([]byte(strings.TrimSuffix(a.limit, "/min")), &op.Limit.Limit); err != nil {
					t.Fatal(err)
				}
			}
			if doc.Paths[a.path] == nil {
				doc.Paths[a.path] = map[string]operation{}
			}
			doc.Paths[a.path][strings.ToLower(a.method)] = op
		}
	}
	return doc
}

func TestTheBlueprintsEndpointsAreHeldAgainstTheDocument(t *testing.T) {
	t.Parallel()
	if err := asBlueprint(t).hold(); err != nil {
		t.Fatal(err)
	}
	for says, change := range map[string]func(map[string]map[string]operation){
		"is not in the document": func(p map[string]map[string]operation) { delete(p, "/auth/login") },
		"is for":                 func(p map[string]map[string]operation) { p["/users"]["get"] = operation{} },
		"has the limit": func(p map[string]map[string]operation) {
			op := p["/auth/login"]["post"]
			op.Limit.Limit = 1000
			p["/auth/login"]["post"] = op
		},
	} {
		doc := asBlueprint(t)
		change(doc.Paths)
		if err := doc.hold(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}

func TestTheBlueprintIsWholeAndTwiceTheSame(t *testing.T) {
	t.Parallel()
	src, day := tree(t), time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC)
	text, err := blueprint(src, asBlueprint(t), day)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"---\nstatus: ", "\nversion: ", "\nlast_updated: ", "\nreview_cycle: ", "## File structure", "## API specification", "### Authentication (6 endpoints)",
		"| **`/auth/refresh`** | POST | refresh token (body) |", "#### PATCH /users/{id}", "| **Total** | **14** | **14** | |", "### Router pattern", "### Service pattern",
		"### Repository pattern", "## Performance targets", "## Error handling", "| `NotFoundError` | 404 | `NOT_FOUND` |", "| `modules/users.ErrLastAdmin` | `ConflictError` | 409 |",
		"### Key fixtures", "| `EachDB` |", "## Dependencies", "| github.com/jackc/pgx/v5 |", "## Open questions", "3. **For Tech Lead**",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not there", part)
		}
	}
	again, err := blueprint(src, asBlueprint(t), day)
	if err != nil || again != text {
		t.Error("written twice, it differs")
	}
}

func TestTheDateStaysForAsLongAsTheText(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "blueprint.md")
	write := func(text, day string) string {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		out, err := dated(name, text, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(out), 0o600); err != nil {
			t.Fatal(err)
		}
		return lastUpdated.FindStringSubmatch(out)[1]
	}
	for _, step := range []struct{ text, day, want string }{
		{"one", "2026-01-01", "2026-01-01"}, {"one", "2026-01-02", "2026-01-01"}, {"two", "2026-01-03", "2026-01-03"}, {"two", "2026-01-04", "2026-01-03"},
	} {
		if got := write(step.text, step.day); got != step.want {
			t.Errorf("%q on %s is dated %s, want %s", step.text, step.day, got, step.want)
		}
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ dir, what, document string }{{"../..", "poem", ""}, {"../..", "blueprint", "not JSON"}, {"/nowhere", "review", ""}} {
		if err := run(c.dir, c.what, strings.NewReader(c.document), &strings.Builder{}); err == nil {
			t.Errorf("%v passed", c)
		}
	}
}
