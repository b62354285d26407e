package schema

import (
	"fmt"
	"slices"
	"strings"
)

// reader keeps what the statements so far have made.
type reader struct{ tables []Table }

// parser goes through the tokens of one statement.
type parser struct {
	tokens []string
	at     int
}

// peek gives the word that comes next, in capitals.
func (p *parser) peek() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	return strings.ToUpper(p.tokens[p.at])
}

// take passes over the words, where all of them come next.
func (p *parser) take(words ...string) bool {
	if p.at+len(words) > len(p.tokens) {
		return false
	}
	for i, w := range words {
		if !strings.EqualFold(p.tokens[p.at+i], w) {
			return false
		}
	}
	p.at += len(words)
	return true
}

// name gives an identifier, without quotes and the name of a schema.
func (p *parser) name() string {
	if p.at >= len(p.tokens) {
		return ""
	}
	n := strings.Trim(p.tokens[p.at], "\"`")
	p.at++
	if p.take(".") {
		return p.name()
	}
	return n
}

// list gives what stands between parentheses, split at the commas outside of further ones.
func (p *parser) list() [][]string {
	if !p.take("(") {
		return nil
	}
	var all [][]string
	var one []string
	for depth := 0; p.at < len(p.tokens); p.at++ {
		t := p.tokens[p.at]
		switch {
		case t == ")" && depth == 0:
			p.at++
			return append(all, one)
		case t == "," && depth == 0:
			all, one = append(all, one), nil
			continue
		case t == "(":
			depth++
		case t == ")":
			depth--
		}
		one = append(one, t)
	}
	return append(all, one)
}

func (p *parser) rest() []string { return p.tokens[min(p.at, len(p.tokens)):] }

// harmless begin statements that leave tables, columns and indexes as they are.
var harmless = []string{"INSERT", "UPDATE", "DELETE", "SELECT", "WITH", "PRAGMA", "ANALYZE", "COMMENT", "SET", "GRANT"}

// apply makes, changes or drops what a statement does.
func (r *reader) apply(module string, st statement) error {
	p := &parser{tokens: st.tokens}
	switch {
	case p.take("CREATE"):
		return r.create(module, p, st)
	case p.take("ALTER", "TABLE"):
		return r.alter(p, st)
	case p.take("DROP", "TABLE"):
		p.take("IF", "EXISTS")
		name := p.name()
		r.tables = slices.DeleteFunc(r.tables, func(t Table) bool { return t.Name == name })
		return nil
	case p.take("DROP", "INDEX"):
		p.take("CONCURRENTLY")
		p.take("IF", "EXISTS")
		name := p.name()
		for i := range r.tables {
			r.tables[i].Indexes = slices.DeleteFunc(r.tables[i].Indexes, func(x Index) bool { return x.Name == name })
		}
		return nil
	case p.take("DROP", "TRIGGER"), p.take("DROP", "FUNCTION"), p.take("DROP", "VIEW"), slices.Contains(harmless, p.peek()):
		return nil
	default:
		return notRead(st)
	}
}

func notRead(st statement) error {
	return fmt.Errorf("no schema can be read out of %.80q", text(st.tokens))
}

func (r *reader) create(module string, p *parser, st statement) error {
	p.take("OR", "REPLACE")
	unique := p.take("UNIQUE")
	switch {
	case p.take("TABLE"):
		p.take("IF", "NOT", "EXISTS")
		t := Table{Module: module, Name: p.name(), Why: st.why}
		for _, def := range p.list() {
			t.define(def)
		}
		if len(t.Columns) == 0 {
			return notRead(st)
		}
		r.tables = append(r.tables, t)
		return nil
	case p.take("INDEX"):
		return r.index(p, st, unique)
	case p.take("TRIGGER"), p.take("FUNCTION"), p.take("VIEW"), p.take("EXTENSION"):
		return nil
	default:
		return notRead(st)
	}
}

func (r *reader) index(p *parser, st statement, unique bool) error {
	p.take("CONCURRENTLY")
	p.take("IF", "NOT", "EXISTS")
	x := Index{Name: p.name(), Unique: unique, Why: st.why}
	p.take("ON")
	t := r.table(p.name())
	if p.take("USING") {
		p.name()
	}
	for _, c := range p.list() {
		x.Columns = append(x.Columns, text(c))
	}
	if t == nil || len(x.Columns) == 0 {
		return notRead(st)
	}
	if p.take("INCLUDE") {
		p.list()
	}
	if p.take("WHERE") {
		x.Where = text(p.rest())
	}
	t.Indexes = append(t.Indexes, x)
	return nil
}

func (r *reader) table(name string) *Table {
	for i := range r.tables {
		if r.tables[i].Name == name {
			return &r.tables[i]
		}
	}
	return nil
}

func (r *reader) alter(p *parser, st statement) error {
	p.take("IF", "EXISTS")
	t := r.table(p.name())
	switch {
	case t == nil:
		return notRead(st)
	case p.take("ADD", "CONSTRAINT"), p.take("DROP", "CONSTRAINT"):
		return nil
	case p.take("ADD"):
		p.take("COLUMN")
		p.take("IF", "NOT", "EXISTS")
		had := len(t.Columns)
		t.define(p.rest())
		for i := had; i < len(t.Columns); i++ {
			t.Columns[i].Why = st.why
		}
		return nil
	case p.take("DROP"):
		p.take("COLUMN")
		p.take("IF", "EXISTS")
		name := p.name()
		t.Columns = slices.DeleteFunc(t.Columns, func(c Column) bool { return c.Name == name })
		return nil
	case p.take("RENAME", "TO"):
		t.Name = p.name()
		return nil
	default:
		return notRead(st)
	}
}

// define adds what stands between two commas of a table's definition: a column, or a constraint over several.
func (t *Table) define(def []string) {
	p := &parser{tokens: def}
	if p.take("CONSTRAINT") {
		p.name()
	}
	switch p.peek() {
	case "PRIMARY":
		p.take("PRIMARY", "KEY")
		for _, c := range p.list() {
			t.Key = append(t.Key, text(c))
		}
		for i := range t.Columns {
			t.Columns[i].Null = t.Columns[i].Null && !slices.Contains(t.Key, t.Columns[i].Name)
		}
	case "UNIQUE", "FOREIGN", "CHECK", "EXCLUDE", "":
	default:
		t.column(p)
	}
}

// begins are the words with which a column's type ends.
var begins = []string{"PRIMARY", "NOT", "NULL", "DEFAULT", "REFERENCES", "CHECK", "UNIQUE", "COLLATE", "GENERATED", "CONSTRAINT"}

func (t *Table) column(p *parser) {
	c := Column{Name: p.name(), Null: true}
	start := p.at
	for p.at < len(p.tokens) && !slices.Contains(begins, p.peek()) {
		p.at++
	}
	c.Type = text(p.tokens[start:p.at])
	var more []string
	for p.at < len(p.tokens) {
		switch {
		case p.take("PRIMARY", "KEY"):
			c.Null, t.Key = false, append(t.Key, c.Name)
		case p.take("NOT", "NULL"):
			c.Null = false
		default:
			more = append(more, p.tokens[p.at])
			p.at++
		}
	}
	c.More = text(more)
	t.Columns = append(t.Columns, c)
}
