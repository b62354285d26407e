// Package schema reads the tables, columns and indexes that migrations make, and why each is there, out of the migrations'
// text. It is for references and guards, which must say the same on every machine: it connects to no database and serves
// no request.
//
// A comment of its own lines (--) is the reason for the statements under it, up to the next comment or blank line. A file
// why.txt beside the migrations gives the reasons that files which were applied long ago do not, since those never change:
// a line for each, "name: reason".
package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/gatehouse/gatehouse/core/database"
)

// Table is a table as all migrations together make it.
type Table struct {
	Module  string // whose migrations made it; empty for the table of migrations
	Name    string
	Why     string // empty where nobody says
	Columns []Column
	Key     []string // columns of the primary key
	Indexes []Index  // those that were made by name
}

// Column is a column of a Table.
type Column struct {
	Name, Type string
	Null       bool   // it may be
	More       string // what else its definition says, such as DEFAULT or REFERENCES
	Why        string // of those that a later migration added
}

// Index is an index of a Table.
type Index struct {
	Name    string
	Columns []string // or expressions
	Unique  bool
	Where   string // of an index over some of the rows
	Why     string // empty where nobody says
}

// whyFile gives reasons for what is told nowhere else.
const whyFile = "why.txt"

// Read gives the tables that an engine has once all migrations have run, in the order in which they were made. It fails
// for a statement about tables, columns or indexes that it does not understand.
func Read(kind database.Engine, sets []database.Migrations) ([]Table, error) {
	scripts, err := database.Scripts(kind, sets)
	if err != nil {
		return nil, err
	}
	var r reader
	for _, s := range scripts {
		for _, st := range scan(s.SQL) {
			if err := r.apply(s.Module, st); err != nil {
				return nil, fmt.Errorf("%s of module %s: %w", s.File, s.Module, err)
			}
		}
	}
	for _, set := range sets {
		if err := r.explain(set); err != nil {
			return nil, fmt.Errorf("%s of module %s: %w", whyFile, set.Module, err)
		}
	}
	return r.tables, nil
}

// explain adds the reasons of a set's why.txt.
func (r *reader) explain(set database.Migrations) error {
	if set.FS == nil {
		return nil
	}
	raw, err := fs.ReadFile(set.FS, "migrations/"+whyFile)
	if errors.Is(err, fs.ErrNotExist) {
		raw, err = fs.ReadFile(set.FS, whyFile)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(raw)) {
		if strings.TrimSpace(line) == "" {
			continue
		}
		name, why, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			return fmt.Errorf("%q is not a name, a colon and a reason", strings.TrimSpace(line))
		}
		place := r.reason(set.Module, name)
		if place == nil {
			return fmt.Errorf("%s is neither a table nor an index of the module", name)
		}
		if *place != "" {
			return fmt.Errorf("%s has a reason already, above the statement that makes it", name)
		}
		*place = why
	}
	return nil
}

// reason finds where the reason of a module's table or index stands.
func (r *reader) reason(module, name string) *string {
	for i := range r.tables {
		t := &r.tables[i]
		if t.Module == module && t.Name == name {
			return &t.Why
		}
		if n := slices.IndexFunc(t.Indexes, func(x Index) bool { return x.Name == name }); n >= 0 && t.Module == module {
			return &t.Indexes[n].Why
		}
	}
	return nil
}

// Unexplained names the tables and indexes that nobody gives a reason for.
func Unexplained(tables []Table) []string {
	var all []string
	for _, t := range tables {
		if t.Why == "" {
			all = append(all, t.Name)
		}
		for _, x := range t.Indexes {
			if x.Why == "" {
				all = append(all, x.Name)
			}
		}
	}
	return all
}
