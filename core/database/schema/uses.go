package schema

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/core/database"
)

// Use is a statement that the program runs, the operations and jobs that run it, and the indexes that an engine finds its
// rows by. KeyOf names the index of a primary key.
type Use struct {
	SQL     string // on one line
	By      []string
	Indexes []string
}

// KeyOf names a table's primary key among the indexes of a Use.
func KeyOf(table string) string { return table + ".key" }

// The lines of a file of uses: a statement, and indented under it who runs it and the indexes.
const (
	byLine      = "  by "
	indexesLine = "  uses "
)

// WriteUses writes a file that ReadUses reads.
func WriteUses(w io.Writer, all []Use) error {
	var b strings.Builder
	for _, u := range all {
		fmt.Fprintf(&b, "%s\n%s%s\n", u.SQL, byLine, strings.Join(u.By, ", "))
		if len(u.Indexes) > 0 {
			fmt.Fprintf(&b, "%s%s\n", indexesLine, strings.Join(u.Indexes, ", "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ReadUses reads what WriteUses has written.
func ReadUses(r io.Reader) ([]Use, error) {
	var all []Use
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		by, isBy := strings.CutPrefix(line, byLine)
		indexes, isIndexes := strings.CutPrefix(line, indexesLine)
		switch {
		case !isBy && !isIndexes:
			all = append(all, Use{SQL: line})
		case len(all) == 0:
			return nil, fmt.Errorf("the file of uses begins without a statement: %.80q", line)
		case isBy:
			all[len(all)-1].By = strings.Split(by, ", ")
		default:
			all[len(all)-1].Indexes = strings.Split(indexes, ", ")
		}
	}
	return all, lines.Err()
}

// Unused names the indexes that no statement finds its rows by. Primary keys are there for themselves.
func Unused(tables []Table, uses []Use) []string {
	var all []string
	for _, t := range tables {
		for _, x := range t.Indexes {
			if !slices.ContainsFunc(uses, func(u Use) bool { return slices.Contains(u.Indexes, x.Name) }) {
				all = append(all, x.Name)
			}
		}
	}
	return all
}

// Engines are both engines' answers to one question.
type Engines[T any] struct{ SQLite, PostgreSQL T }

// Of gives an engine's.
func (e *Engines[T]) Of(kind database.Engine) *T {
	if kind == database.SQLite {
		return &e.SQLite
	}
	return &e.PostgreSQL
}

var (
	ofTable  = regexp.MustCompile(`(?:FROM|INTO|UPDATE) ([a-z_0-9]+)`)
	selected = regexp.MustCompile(`^SELECT .*? FROM `)
	inserted = regexp.MustCompile(`(INSERT INTO [a-z_0-9]+) \([^)]*\) VALUES \([^)]*\)`)
	set      = regexp.MustCompile(`SET .*? WHERE `)
	setLast  = regexp.MustCompile(`(DO UPDATE SET) .*?( WHERE .*)?$`)
	giving   = regexp.MustCompile(` RETURNING .*$`)
)

// shorten leaves of a statement what its plan depends on: where it looks, for what and in which order.
func shorten(sql string) string {
	sql = selected.ReplaceAllString(sql, "SELECT … FROM ")
	sql = inserted.ReplaceAllString(sql, "$1 …")
	if strings.HasPrefix(sql, "UPDATE") {
		sql = set.ReplaceAllString(sql, "SET … WHERE ")
	}
	sql = setLast.ReplaceAllString(sql, "$1 …$2")
	return giving.ReplaceAllString(sql, "")
}
