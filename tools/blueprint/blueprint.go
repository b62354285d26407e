package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The front matter that the blueprint asks for. The date is kept for as long as what is below it stays the same.
const (
	status      = "REVIEW"
	version     = "1.0"
	reviewCycle = 0

	output = "docs/reference/blueprint.md"
)

// complexities are of the modules as the document groups them; a group without one fails.
var complexities = map[string]string{"Authentication": "High", "Users": "Medium", "Sessions": "Medium", "Webhooks": "Medium", "Audit": "Medium"}

// blueprint writes what the blueprint asks an implementation to hand over.
func blueprint(src *source, doc openapi, today time.Time) (string, error) {
	if err := doc.hold(); err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("# Backend implementation blueprint\n\nWhat the blueprint asks an implementation to hand over, written by `make generate` from the source, the OpenAPI document,\n" +
		"`go.mod` and the decisions. What an endpoint takes and gives is told whole by [openapi.yaml](openapi.yaml).\n")
	treeSection(&b, src)
	for _, section := range []func(*strings.Builder, *source, openapi) error{apiSection, patternSection} {
		if err := section(&b, src, doc); err != nil {
			return "", err
		}
	}
	if err := targetSection(&b, src); err != nil {
		return "", err
	}
	if err := errorSection(&b, src); err != nil {
		return "", err
	}
	testSection(&b, src)
	if err := dependencySection(&b, src); err != nil {
		return "", err
	}
	if err := questionSection(&b, src); err != nil {
		return "", err
	}
	return dated(filepath.Join(src.dir, output), b.String(), today)
}

var lastUpdated = regexp.MustCompile(`(?m)^last_updated: (.*)$`)

// dated puts the front matter before the text, with the date at which the text became what it is: that of the file there is,
// where it says the same. So whoever writes it twice, or a day later, gets the same bytes.
func dated(name, text string, today time.Time) (string, error) {
	with := func(date string) string {
		return fmt.Sprintf("---\nstatus: %s\nversion: %q\nlast_updated: %s\nreview_cycle: %d\n---\n\n%s", status, version, date, reviewCycle, text)
	}
	there, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if m := lastUpdated.FindSubmatch(there); m != nil && with(string(m[1])) == string(there) {
		return string(there), nil
	}
	return with(today.Format(time.DateOnly)), nil
}

// apiSection writes the endpoints by group, those in full that the blueprint asks for, and the summary.
func apiSection(b *strings.Builder, _ *source, doc openapi) error {
	b.WriteString("\n## API specification\n\nEndpoints in bold are the blueprint's. Limits are the defaults of settings. Who reaches whose objects stands in [access.md](access.md).\n")
	for _, tag := range doc.tags() {
		all := doc.endpoints(tag)
		fmt.Fprintf(b, "\n### %s (%s)\n\n| endpoint | method | auth | success | description | rate limit |\n| --- | --- | --- | --- | --- | --- |\n", tag, count(len(all)))
		for _, e := range all {
			path := "`" + e.path + "`"
			if isAsked(e) {
				path = "**" + path + "**"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s | %s |\n", path, e.method, e.auth(), e.success(), e.Summary, e.limit())
		}
		for _, e := range all {
			if isAsked(e) {
				writeEndpoint(b, e)
			}
		}
	}
	return summarySection(b, doc)
}

func count(n int) string {
	if n == 1 {
		return "1 endpoint"
	}
	return fmt.Sprintf("%d endpoints", n)
}

func writeEndpoint(b *strings.Builder, e endpoint) {
	fmt.Fprintf(b, "\n#### %s %s\n\n", e.method, e.path)
	if text := e.RequestBody.example(); text != "" {
		fmt.Fprintf(b, "Request:\n\n```json\n%s\n```\n\n", text)
	}
	for _, status := range slices.Sorted(maps.Keys(e.Responses)) {
		if text := e.Responses[status].example(); text != "" {
			fmt.Fprintf(b, "Response (%s):\n\n```json\n%s\n```\n\n", status, text)
		}
	}
	fmt.Fprintf(b, "Errors: %s.\n", strings.Join(e.errors(), ", "))
}

func summarySection(b *strings.Builder, doc openapi) error {
	b.WriteString("\n## Total API summary\n\n| module | endpoints | of the blueprint | complexity |\n| --- | --- | --- | --- |\n")
	total, ofBlueprint := 0, 0
	for _, tag := range doc.tags() {
		complexity, ok := complexities[tag]
		if !ok {
			return fmt.Errorf("nobody says how complex %s is", tag)
		}
		all := doc.endpoints(tag)
		asked := 0
		for _, e := range all {
			if isAsked(e) {
				asked++
			}
		}
		fmt.Fprintf(b, "| %s | %d | %d | %s |\n", tag, len(all), asked, complexity)
		total, ofBlueprint = total+len(all), ofBlueprint+asked
	}
	fmt.Fprintf(b, "| **Total** | **%d** | **%d** | |\n\nA domain module repeats the pattern: [write a module](../how-to/write-a-module.md).\n", total, ofBlueprint)
	return nil
}

// patternSection shows the patterns by excerpts of the source.
func patternSection(b *strings.Builder, src *source, _ openapi) error {
	b.WriteString("\n## Code patterns\n\nEach excerpt stands so in the file that its first line names.\n")
	for _, p := range []struct {
		name, says, file string
		what             []string
	}{
		{"Router pattern", "An operation is declared once: how it is reached, by whom, about whose objects, with which errors. A handler takes typed input in, makes one call, and gives typed output out.", "modules/sessions/router.go", []string{"routes", "endMine"}},
		{"Service pattern", "A use case is a method that reads from top to bottom. What must be atomic takes the transaction in its signature.", "modules/sessions/end.go", []string{"End", "EndTx"}},
		{"Repository pattern", "The only SQL, hand-written, one text for both engines, values always bound.", "modules/sessions/repository.go", []string{"repository", "insert", "state", "end"}},
	} {
		text, err := src.excerpt(p.file, p.what...)
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "\n### %s\n\n%s\n\n%s", p.name, p.says, text)
	}
	return nil
}

// targetSection writes the blueprint's targets, and how each of its strategies is followed.
func targetSection(b *strings.Builder, src *source) error {
	least, err := settingDefault(src, "database.pool_min")
	if err != nil {
		return err
	}
	most, err := settingDefault(src, "database.pool_max")
	if err != nil {
		return err
	}
	fmt.Fprintf(b, `
## Performance targets

The blueprint's. What was measured, on which machine, beside what, stands in [performance.md](performance.md); tests hold
what does not depend on the machine: the statements of each operation, and that each of them is served by an index.

| endpoint | P50 | P99 | max RPS |
| --- | --- | --- | --- |
| `+"`POST /auth/login`"+` | 50 ms | 200 ms | 500 |
| `+"`GET /users/me`"+` | 20 ms | 100 ms | 2000 |
| `+"`GET /users`"+` | 50 ms | 200 ms | 500 |
| `+"`POST /[domain]`"+` | 100 ms | 500 ms | 200 |

| strategy | how |
| --- | --- |
| connection pooling | `+"`database.pool_min`"+` %s and `+"`database.pool_max`"+` %s, the blueprint's 10 + 20 |
| Redis caching | sessions and users are remembered in each process, and forgotten by a push over Redis or LISTEN/NOTIFY: [decision 25](../decisions/0025-telling-instances-of-changes.md); rate limits are shared in Redis |
| no N+1 queries | [schema.md](schema.md) lists every statement, and a test fails for one more |
| async I/O | a goroutine per request; hashing waits in a bounded queue, mail and pictures are jobs |
| pagination | cursors over an index: [decision 35](../decisions/0035-lists-of-users.md) |
`, least, most)
	return nil
}

// settingDefault reads a default out of the reference of settings, which is generated before.
func settingDefault(src *source, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(src.dir, "docs", "reference", "settings.md"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if cells := strings.Split(line, " | "); len(cells) > 3 && cells[0] == "| `"+name+"`" {
			return strings.Trim(cells[3], "` "), nil
		}
	}
	return "", fmt.Errorf("settings.md has no %s", name)
}

func testSection(b *strings.Builder, src *source) {
	b.WriteString("\n## Testing strategy\n\nTests stand beside the code and run on every store there is; those of the whole stand in `test/`. How to run them is told in\n" +
		"[CONTRIBUTING.md](../../CONTRIBUTING.md#build-and-test), what they prove in [review.md](review.md).\n\n### Test structure\n\n| folder | what it tests |\n| --- | --- |\n")
	for _, folder := range []string{"test/contract", "test/e2e", "test/faults"} {
		says := ""
		for _, p := range src.paths(folder, false) {
			if doc := src.files[p].ast.Doc; doc != nil {
				says = purpose(synopsis(doc.Text()))
			}
		}
		fmt.Fprintf(b, "| `%s` | %s |\n", folder, says)
	}
	b.WriteString("| `core/*`, `modules/*`, `app`, `cli` | each package, from outside where it can be |\n")
	fixtureSection(b, src)
}

var required = regexp.MustCompile(`(?m)^(?:require )?\t?([a-z0-9.\-]+\.[a-z]+/\S+) (v\S+)$`)

// dependencySection lists what go.mod requires directly.
func dependencySection(b *strings.Builder, src *source) error {
	mod, err := os.ReadFile(filepath.Join(src.dir, "go.mod"))
	if err != nil {
		return err
	}
	b.WriteString("\n## Dependencies\n\nWhat `go.mod` requires directly. [dependencies.md](dependencies.md) lists everything that is compiled in, with licences.\n\n| module | version |\n| --- | --- |\n")
	found := required.FindAllStringSubmatch(string(mod), -1) // a line with a comment is an indirect one
	if len(found) == 0 {
		return errors.New("go.mod requires nothing")
	}
	for _, m := range found {
		fmt.Fprintf(b, "| %s | %s |\n", m[1], m[2])
	}
	return nil
}

var (
	title    = regexp.MustCompile(`(?m)^# \d+\. (.*)$`)
	question = regexp.MustCompile(`(?s)The blueprint asks:\s+"\*\*(For [^*]*)\*\*: (.*?)"`)
	decided  = regexp.MustCompile(`(?s)## Decision\n\n(.*?)\n\n`)
)

// questionSection quotes each open question of the blueprint as a decision does, and links the decision.
func questionSection(b *strings.Builder, src *source) error {
	files, err := filepath.Glob(filepath.Join(src.dir, "docs", "decisions", "0*.md"))
	if err != nil {
		return err
	}
	slices.Sort(files)
	b.WriteString("\n## Open questions\n\nThe blueprint's three, each with the decision that answers it.\n\n")
	asked := 0
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		q := question.FindSubmatch(text)
		if q == nil {
			continue
		}
		asked++
		t := title.FindSubmatch(text)
		if t == nil {
			return fmt.Errorf("%s has no title", name)
		}
		fmt.Fprintf(b, "%d. **%s**: %s\n   [%s](../decisions/%s)%s\n", asked, q[1], strings.Join(strings.Fields(string(q[2])), " "), t[1], filepath.Base(name), answer(text))
	}
	if asked != 3 {
		return fmt.Errorf("%d of the decisions quote an open question of the blueprint, which asks three", asked)
	}
	return nil
}

// answer gives the first paragraph of a decision, where it is one.
func answer(text []byte) string {
	m := decided.FindSubmatch(text)
	if m == nil || strings.ContainsAny(string(m[1][:1]), "|-") {
		return ""
	}
	said := strings.Join(strings.Fields(string(m[1])), " ")
	return ": " + strings.ReplaceAll(said, "](0", "](../decisions/0")
}
