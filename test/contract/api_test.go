package contract_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/testkit"
)

// The contract is docs/reference/api.md. Each of its sections has a file here, and each of its statements a proof there that
// repeats its words, so that whoever changes one has the other before their eyes.
const contractPage = root + "/docs/reference/api.md"

// proof is what holds a statement of the contract true.
type proof struct {
	says  string         // the statement, without marks of Markdown
	prove func(s *stage) // runs on every store
	// elsewhere names tests, each as "package Test", of what takes more than a served app: other processes, faults, weeks.
	elsewhere []string
}

// chapter is a section of the contract with its proofs, in the order of the page.
type chapter struct {
	title  string
	proofs []proof
}

// chapters are all sections, in the order of the page.
func chapters() []chapter {
	return []chapter{
		{"Conventions", conventions()}, {"Every endpoint", everyEndpoint()}, {"Errors", errorAnswers()},
		{"Auth", authentication()}, {"Tokens", tokenFormats()}, {"Pages", linkedPages()},
		{"Users", ofUsers()},
		{"Administration", administration()}, {"Webhooks", ofWebhooks()}, {"Audit", ofAudit()}, {"Domain modules", nil}, {"Operations", operations()},
	}
}

// proveChapter runs the proofs of a section, one after the other, on every store.
func proveChapter(t *testing.T, proofs []proof) {
	t.Helper()
	testkit.EachDB(t, func(t *testing.T, db testkit.Database) {
		shared := newTheatre(t, db)
		for _, p := range proofs {
			if p.prove != nil {
				t.Run(shortened(p.says), func(t *testing.T) { p.prove(shared.begin(t)) })
			}
		}
	})
}

// shortened is how a statement names its test: as it begins, on one level.
func shortened(says string) string {
	name := []rune(strings.ReplaceAll(says, "/", "∕"))
	return string(name[:min(len(name), 72)])
}

// statement is a sentence, a row of a table, an item of a list, or an example.
type statement struct {
	chapter, text string
	later         bool // decided, and not built: nothing proves it
}

var (
	sentenceEnd  = regexp.MustCompile("([.!?])\\s+([A-Z`*(0-9])")
	markdownLink = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

const laterMark = "*Not yet:*"

// read takes a page apart. Headings of the second level begin sections; quotes are about the page itself.
func read(page string) (all []statement) {
	var title string
	var open []string // lines of a paragraph or item, or of an example
	add := func(text string) {
		later := strings.HasPrefix(text, laterMark)
		text = markdownLink.ReplaceAllString(strings.TrimPrefix(text, laterMark), "$1")
		text = strings.Join(strings.Fields(strings.NewReplacer("`", "", "**", "").Replace(text)), " ")
		all = append(all, statement{title, text, later})
	}
	closeParagraph := func() {
		if len(open) > 0 {
			for sentence := range strings.SplitSeq(sentenceEnd.ReplaceAllString(strings.Join(open, " "), "$1\n$2"), "\n") {
				add(sentence)
			}
		}
		open = nil
	}
	rows, example := 0, false
	for line := range strings.Lines(page) {
		line = strings.TrimSpace(line)
		fence := strings.HasPrefix(line, "```")
		if fence || !strings.HasPrefix(line, "|") {
			rows = 0
		}
		switch {
		case fence && example:
			add(strings.Join(open, " "))
			open, example = nil, false
		case example:
			open = append(open, line)
		case fence:
			closeParagraph()
			example = true
		case line == "", strings.HasPrefix(line, ">"):
			closeParagraph()
		case strings.HasPrefix(line, "#"):
			closeParagraph()
			if heading, ok := strings.CutPrefix(line, "## "); ok {
				title = heading
			}
		case strings.HasPrefix(line, "|"):
			closeParagraph()
			if rows++; rows > 2 { // behind the names of the columns
				add(row(line))
			}
		case strings.HasPrefix(line, "- "):
			closeParagraph()
			open = []string{line[2:]}
		default:
			open = append(open, line)
		}
	}
	closeParagraph()
	return all
}

// row joins the cells of a table's row that hold something.
func row(line string) string {
	var cells []string
	for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
		if cell = strings.TrimSpace(cell); cell != "" {
			cells = append(cells, cell)
		}
	}
	return strings.Join(cells, " | ")
}

// gaps lists the statements without a proof, and the proofs without a statement.
func gaps(page []statement, chapters []chapter) (all []string) {
	proven := map[statement]int{}
	for _, c := range chapters {
		for _, p := range c.proofs {
			proven[statement{chapter: c.title, text: p.says}]++
			if p.prove == nil && len(p.elsewhere) == 0 {
				all = append(all, fmt.Sprintf("%s: nothing proves: %s", c.title, p.says))
			}
		}
	}
	for _, s := range page {
		later := s.later
		s.later = false
		switch {
		case later && proven[s] > 0:
			all = append(all, fmt.Sprintf("%s: proven, and said to be built later: %s", s.chapter, s.text))
		case !later && proven[s] != 1:
			all = append(all, fmt.Sprintf("%s: %d proofs of: %s", s.chapter, proven[s], s.text))
		}
		delete(proven, s)
	}
	for s := range proven {
		all = append(all, fmt.Sprintf("%s: the page does not say: %s", s.chapter, s.text))
	}
	slices.Sort(all)
	return all
}

func TestEverySentenceOfTheContractIsProven(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(contractPage)
	require.NoError(t, err)
	found := read(string(page))
	require.Greater(t, len(found), 100)
	require.Empty(t, gaps(found, chapters()), "each statement of %s has one proof with its words, and each proof a statement", contractPage)

	var titles []string
	for _, s := range found {
		if !slices.Contains(titles, s.chapter) {
			titles = append(titles, s.chapter)
		}
	}
	ours := testsOf(t, "test/contract")
	for i, c := range chapters() {
		require.Equal(t, titles[i], c.title)
		if c.proofs != nil {
			require.Contains(t, ours, "TestContract"+camel(c.title), "the section's test")
		}
		for _, p := range c.proofs {
			for _, named := range p.elsewhere {
				pkg, name, _ := strings.Cut(named, " ")
				require.Contains(t, testsOf(t, pkg), name, "%s, which is to prove: %s", pkg, p.says)
			}
		}
	}
	require.Len(t, titles, len(chapters()))
}

// camel writes "Every endpoint" as EveryEndpoint.
func camel(title string) string {
	var b strings.Builder
	for word := range strings.FieldsSeq(title) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// testsOf lists the tests of a package.
func testsOf(t *testing.T, pkg string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	require.NoError(t, err)
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

// TestAPageIsTakenApart shows what is a statement.
func TestAPageIsTakenApart(t *testing.T) {
	t.Parallel()
	const page = "# A page\n\n> About itself.\n\n## One\n\nA [first](x.md) `sentence`. The second\ngoes on (RFC 1).\n\n" +
		"| a | b |\n| --- | --- |\n| `GET` | 200. Always |\n| DELETE | |\n\n### Part\n\n**An item**:\n\n- `?limit=` 1 to 100.\n- two\n  lines\n\n" +
		"```json\n{\"a\": 1,\n \"b\": 2}\n```\n\n## Two\n\n*Not yet:* a `thing`. It is."
	require.Equal(t, []statement{
		{"One", "A first sentence.", false}, {"One", "The second goes on (RFC 1).", false},
		{"One", "GET | 200. Always", false}, {"One", "DELETE", false},
		{"One", "An item:", false}, {"One", "?limit= 1 to 100.", false}, {"One", "two lines", false},
		{"One", `{"a": 1, "b": 2}`, false},
		{"Two", "a thing.", true}, {"Two", "It is.", false},
	}, read(page))
}

// TestAGapIsFound shows what the guard finds.
func TestAGapIsFound(t *testing.T) {
	t.Parallel()
	holds := func(*stage) {}
	page := []statement{{"One", "It is.", false}, {"One", "It will be.", true}}
	is := proof{says: "It is.", prove: holds}
	for name, c := range map[string]struct {
		proofs []proof
		want   []string
	}{
		"none":                        {[]proof{is}, nil},
		"proven elsewhere":            {[]proof{{says: "It is.", elsewhere: []string{"app TestIt"}}}, nil},
		"a sentence without a proof":  {nil, []string{"One: 0 proofs of: It is."}},
		"two proofs":                  {[]proof{is, is}, []string{"One: 2 proofs of: It is."}},
		"a proof that proves nothing": {[]proof{{says: "It is."}}, []string{"One: nothing proves: It is."}},
		"a sentence that changed":     {[]proof{{says: "It was.", prove: holds}}, []string{"One: 0 proofs of: It is.", "One: the page does not say: It was."}},
		"what was built meanwhile":    {[]proof{is, {says: "It will be.", prove: holds}}, []string{"One: proven, and said to be built later: It will be."}},
	} {
		require.Equal(t, c.want, gaps(page, []chapter{{"One", c.proofs}}), name)
	}
}
