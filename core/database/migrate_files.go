package database

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"regexp"
	"sort"
	"strconv"
	"time"
)

// migration is one file that this engine runs.
type migration struct {
	module string
	number int
	name   string
	file   string
	digest string
	text   string
}

// recordTable makes the table that says which migrations were applied, before any of them.
var recordTable = map[Engine]string{
	SQLite: `-- The migrations that were applied, each with the digest of its file, so that none runs twice and none changes.
		CREATE TABLE IF NOT EXISTS gatehouse_migrations (
			module TEXT NOT NULL, number INTEGER NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL, applied_at INTEGER NOT NULL,
			PRIMARY KEY (module, number)) STRICT`,
	PostgreSQL: `-- The migrations that were applied, each with the digest of its file, so that none runs twice and none changes.
		CREATE TABLE IF NOT EXISTS gatehouse_migrations (
			module text NOT NULL, number integer NOT NULL, name text NOT NULL, digest text NOT NULL, applied_at timestamptz NOT NULL,
			PRIMARY KEY (module, number))`,
}

// What is asked of that table, but for its making.
const (
	selectApplied = "SELECT module, number, name, digest, applied_at FROM gatehouse_migrations ORDER BY module, number"
	insertApplied = "INSERT INTO gatehouse_migrations (module, number, name, digest, applied_at) VALUES (?, ?, ?, ?, ?)"
)

// MigrationStatements gives what Migrate and MigrationStatus ask of the table of migrations, with values for an example.
// Options.Observe is not told of them, since no operation runs them.
func MigrationStatements() []Statement {
	return []Statement{{SQL: selectApplied}, {SQL: insertApplied, Args: []any{"notes", 1, "notes", "", time.Unix(0, 0).UTC()}, InTx: true}}
}

// Script is one text of SQL that changes the schema.
type Script struct {
	Module string // empty for the table of migrations itself
	File   string
	SQL    string
}

// Scripts gives what an engine runs to bring up a schema from nothing, in order. It needs no database.
func Scripts(kind Engine, sets []Migrations) ([]Script, error) {
	wanted, err := readMigrations(kind, sets)
	if err != nil {
		return nil, err
	}
	all := make([]Script, 0, 1+len(wanted))
	all = append(all, Script{File: "the table of migrations", SQL: recordTable[kind]})
	for _, m := range wanted {
		all = append(all, Script{Module: m.module, File: m.file, SQL: m.text})
	}
	return all, nil
}

var migrationFile = regexp.MustCompile(`^(\d{4})_([a-z0-9_]+)(?:\.(sqlite|postgres))?\.sql$`)

// readMigrations reads every set for the engine and checks the files' names: numbers from 1 without gaps or doubles, and
// both engines served.
func readMigrations(engine Engine, sets []Migrations) ([]migration, error) {
	var all []migration
	seen := map[string]bool{}
	for _, set := range sets {
		if set.FS == nil {
			continue
		}
		if set.Module == "" || seen[set.Module] {
			return nil, fmt.Errorf("migrations of module %q: the name is empty or there twice", set.Module)
		}
		seen[set.Module] = true
		list, err := readSet(engine, set)
		if err != nil {
			return nil, fmt.Errorf("migrations of module %s: %w", set.Module, err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// sqlFiles lists the files in order, and the folder that they are in.
func sqlFiles(root fs.FS) (fs.FS, []string, error) {
	if info, err := fs.Stat(root, "migrations"); err == nil && info.IsDir() {
		if root, err = fs.Sub(root, "migrations"); err != nil {
			return nil, nil, err
		}
	}
	files, err := fs.Glob(root, "*.sql")
	sort.Strings(files)
	return root, files, err
}

func readSet(engine Engine, set Migrations) ([]migration, error) {
	root, files, err := sqlFiles(set.FS)
	if err != nil {
		return nil, err
	}
	mine := map[int]migration{}
	engines := map[int]map[Engine]string{} // number → engine → file
	for _, file := range files {
		part := migrationFile.FindStringSubmatch(file)
		if part == nil {
			return nil, fmt.Errorf("%s is not named 0001_name.sql, 0001_name.sqlite.sql or 0001_name.postgres.sql", file)
		}
		number, _ := strconv.Atoi(part[1]) // four digits
		if engines[number] == nil {
			engines[number] = map[Engine]string{}
		}
		for _, e := range []Engine{SQLite, PostgreSQL} {
			if part[3] != "" && part[3] != string(e) {
				continue
			}
			if other, ok := engines[number][e]; ok {
				return nil, fmt.Errorf("%s and %s have the same number", other, file)
			}
			engines[number][e] = file
			if e == engine {
				mine[number] = migration{module: set.Module, number: number, name: part[2], file: file}
			}
		}
	}
	return load(root, mine, engines)
}

func load(root fs.FS, mine map[int]migration, engines map[int]map[Engine]string) ([]migration, error) {
	list := make([]migration, 0, len(engines))
	for number := 1; number <= len(engines); number++ {
		if len(engines[number]) == 0 {
			return nil, fmt.Errorf("number %04d is missing", number)
		}
		m, ok := mine[number]
		if !ok || len(engines[number]) != 2 {
			return nil, fmt.Errorf("number %04d is there for one engine only", number)
		}
		text, err := fs.ReadFile(root, m.file)
		if err != nil {
			return nil, err
		}
		text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")) // a checkout may have changed the line ends
		sum := sha256.Sum256(text)
		m.text, m.digest = string(text), hex.EncodeToString(sum[:])
		list = append(list, m)
	}
	return list, nil
}
