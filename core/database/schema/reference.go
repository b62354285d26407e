package schema

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteReference writes a Markdown reference of every table: its columns on both engines, its indexes, why each is there,
// and which statements find their rows by which. The tables of both engines must be the same but for types; uses may be
// empty, where nobody has explained any statement.
func WriteReference(w io.Writer, tables Engines[[]Table], uses Engines[[]Use]) error {
	if len(tables.SQLite) != len(tables.PostgreSQL) {
		return fmt.Errorf("SQLite has %d tables and PostgreSQL %d", len(tables.SQLite), len(tables.PostgreSQL))
	}
	all := merge(uses)
	var b strings.Builder
	for i, on := range tables.PostgreSQL {
		if err := same(on, tables.SQLite[i]); err != nil {
			return err
		}
		writeTable(&b, on, tables.SQLite[i], all)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// same says what differs between the engines beyond types.
func same(on, off Table) error {
	if on.Name != off.Name || on.Why != off.Why || !slices.Equal(on.Key, off.Key) {
		return fmt.Errorf("table %s of PostgreSQL is %s of SQLite, or has another key or reason there", on.Name, off.Name)
	}
	if !slices.EqualFunc(on.Columns, off.Columns, func(a, b Column) bool { return a.Name == b.Name && a.Null == b.Null }) {
		return fmt.Errorf("table %s has other columns on SQLite", on.Name)
	}
	if !slices.EqualFunc(on.Indexes, off.Indexes, func(a, b Index) bool { return a.Name == b.Name && a.Unique == b.Unique && a.Why == b.Why }) {
		return fmt.Errorf("table %s has other indexes on SQLite", on.Name)
	}
	return nil
}

func writeTable(b *strings.Builder, on, off Table, uses []use) {
	fmt.Fprintf(b, "\n## %s\n\n", on.Name)
	if on.Module != "" {
		fmt.Fprintf(b, "Of `%s`. ", on.Module)
	}
	fmt.Fprintf(b, "%s\n\n| column | PostgreSQL | SQLite | null | more |\n| --- | --- | --- | --- | --- |\n", said(on.Why))
	for i, c := range on.Columns {
		null, more := "", off.Columns[i].More
		if c.Null {
			null = "may be"
		}
		if c.More != more {
			more = c.More // PostgreSQL's, which says more: the order of a text
		}
		if more != "" {
			more = "`" + cell(more) + "`"
		}
		if c.Why != "" {
			more = strings.TrimSpace(more + " " + cell(c.Why))
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", c.Name, c.Type, off.Columns[i].Type, null, more)
	}
	b.WriteString("\n| index | over | why | used by |\n| --- | --- | --- | --- |\n")
	fmt.Fprintf(b, "| primary key | `%s` | a row is found by it | %s |\n", strings.Join(on.Key, ", "), usedBy(KeyOf(on.Name), uses))
	for i, x := range on.Indexes {
		over := "`" + cell(strings.Join(x.Columns, ", ")) + "`"
		if other := strings.Join(off.Indexes[i].Columns, ", "); other != strings.Join(x.Columns, ", ") {
			over += ", on SQLite `" + cell(other) + "`"
		}
		if x.Unique {
			over = "unique: " + over
		}
		if x.Where != "" {
			over += " where `" + cell(x.Where) + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", x.Name, over, cell(said(x.Why)), usedBy(x.Name, uses))
	}
	writeUses(b, on.Name, uses)
}

func said(why string) string {
	if why == "" {
		return "(nobody says why)"
	}
	return why
}

// use is what both engines do with a statement.
type use struct {
	sql, table          string
	by                  []string
	onSQLite, onPostgre []string
}

// merge puts together what both engines do with each statement, and statements that differ in nothing a plan depends on.
func merge(uses Engines[[]Use]) []use {
	var all []use
	of := func(u Use) *use {
		sql := shorten(u.SQL)
		i := slices.IndexFunc(all, func(known use) bool { return known.sql == sql })
		if i < 0 {
			i = len(all)
			table := ""
			if m := ofTable.FindStringSubmatch(sql); m != nil {
				table = m[1]
			}
			all = append(all, use{sql: sql, table: table})
		}
		all[i].by = add(all[i].by, u.By)
		return &all[i]
	}
	for _, u := range uses.SQLite {
		merged := of(u)
		merged.onSQLite = add(merged.onSQLite, u.Indexes)
	}
	for _, u := range uses.PostgreSQL {
		merged := of(u)
		merged.onPostgre = add(merged.onPostgre, u.Indexes)
	}
	slices.SortFunc(all, func(a, b use) int { return strings.Compare(a.sql, b.sql) })
	return all
}

func add(to, more []string) []string {
	to = append(to, more...)
	slices.Sort(to)
	return slices.Compact(to)
}

// usedBy lists the operations and jobs that find rows by an index, on either engine.
func usedBy(index string, uses []use) string {
	var by []string
	for _, u := range uses {
		if slices.Contains(u.onSQLite, index) || slices.Contains(u.onPostgre, index) {
			by = add(by, u.by)
		}
	}
	return codes(by)
}

func writeUses(b *strings.Builder, table string, uses []use) {
	head := "\n| statement | of | finds rows by |\n| --- | --- | --- |\n"
	for _, u := range uses {
		if u.table != table {
			continue
		}
		found := codes(u.onSQLite)
		if !slices.Equal(u.onSQLite, u.onPostgre) {
			found = "SQLite: " + codes(u.onSQLite) + "; PostgreSQL: " + codes(u.onPostgre)
		}
		fmt.Fprintf(b, "%s| `%s` | %s | %s |\n", head, cell(u.sql), codes(u.by), found)
		head = ""
	}
}

// codes writes names as code; what ends in ".key" is the primary key of what comes before.
func codes(names []string) string {
	if len(names) == 0 {
		return "–"
	}
	var all []string
	for _, n := range names {
		if table, ok := strings.CutSuffix(n, ".key"); ok {
			all = append(all, "the key of `"+table+"`")
		} else {
			all = append(all, "`"+n+"`")
		}
	}
	return strings.Join(all, ", ")
}

// cell keeps a text inside its cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
