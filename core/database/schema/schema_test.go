package schema_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/schema"
)

// set is one module's migrations, each file's text under its name.
func set(module string, files map[string]string) database.Migrations {
	all := fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return database.Migrations{Module: module, FS: all}
}

// read gives the tables of the sets, without the table of migrations.
func read(t *testing.T, kind database.Engine, sets ...database.Migrations) []schema.Table {
	t.Helper()
	tables, err := schema.Read(kind, sets)
	require.NoError(t, err)
	require.Equal(t, "gatehouse_migrations", tables[0].Name)
	require.Equal(t, []string{"module", "number"}, tables[0].Key)
	require.NotEmpty(t, tables[0].Why)
	return tables[1:]
}

const notes = `-- Notes that people keep,
-- each of one owner.
CREATE TABLE IF NOT EXISTS notes (
    id       uuid        PRIMARY KEY, -- never given twice
    owner_id uuid        NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    kind     text        COLLATE "C" NOT NULL DEFAULT 'it''s; a note', /* ; */
    price    numeric(10, 2) CHECK (price > 0),
    CONSTRAINT notes_kind CHECK (kind <> ''),
    UNIQUE (owner_id, kind)
) STRICT;

-- What owners see.
CREATE INDEX notes_owner_idx ON notes (owner_id, COALESCE(price, 0) DESC) WHERE kind <> 'x';
CREATE UNIQUE INDEX IF NOT EXISTS notes_kind_key ON public.notes USING btree (kind) INCLUDE (price);

INSERT INTO notes VALUES ('a', ';', $$;$$, 1);
CREATE INDEX "notes_bare_idx" ON notes (price);
`

func TestTablesColumnsAndIndexesAreReadWithTheirReasons(t *testing.T) {
	t.Parallel()
	require.Equal(t, []schema.Table{{
		Module: "notes", Name: "notes", Why: "Notes that people keep, each of one owner.",
		Columns: []schema.Column{
			{Name: "id", Type: "uuid"},
			{Name: "owner_id", Type: "uuid", More: "REFERENCES users (id) ON DELETE CASCADE"},
			{Name: "kind", Type: "text", More: `COLLATE "C" DEFAULT 'it''s; a note'`},
			{Name: "price", Type: "numeric(10, 2)", Null: true, More: "CHECK (price > 0)"},
		},
		Key: []string{"id"},
		Indexes: []schema.Index{
			{Name: "notes_owner_idx", Columns: []string{"owner_id", "COALESCE(price, 0) DESC"}, Where: "kind <> 'x'", Why: "What owners see."},
			{Name: "notes_kind_key", Columns: []string{"kind"}, Unique: true, Why: "What owners see."},
			{Name: "notes_bare_idx", Columns: []string{"price"}},
		},
	}}, read(t, database.PostgreSQL, set("notes", map[string]string{"0001_notes.sql": notes})))
}

func TestLaterMigrationsChangeWhatThereIs(t *testing.T) {
	t.Parallel()
	tables := read(t, database.SQLite, set("notes", map[string]string{
		"migrations/0001_notes.sql": notes,
		"migrations/0002_more.sqlite.sql": `-- Whether it is shown.
ALTER TABLE notes ADD COLUMN hidden INTEGER NOT NULL DEFAULT 0;
ALTER TABLE notes ADD loose TEXT;
ALTER TABLE notes DROP COLUMN price;
ALTER TABLE notes ADD CONSTRAINT something CHECK (1 = 1);
DROP INDEX IF EXISTS notes_bare_idx;
CREATE TABLE passing (a TEXT, b TEXT, PRIMARY KEY (a, b));
DROP TABLE passing;
CREATE TRIGGER notes_trigger AFTER INSERT ON notes BEGIN UPDATE notes SET hidden = CASE WHEN 1 THEN 0 END; DELETE FROM notes; END;
PRAGMA user_version = 1;
ALTER TABLE notes RENAME TO memos`,
		"migrations/0002_more.postgres.sql": "SELECT 1",
	}))
	require.Len(t, tables, 1)
	require.Equal(t, "memos", tables[0].Name)
	require.Equal(t, []schema.Column{
		{Name: "hidden", Type: "INTEGER", More: "DEFAULT 0", Why: "Whether it is shown."},
		{Name: "loose", Type: "TEXT", Null: true, Why: "Whether it is shown."},
	}, tables[0].Columns[3:])
	require.Len(t, tables[0].Indexes, 2)
}

func TestColumnsOfAKeyAreNeverNull(t *testing.T) {
	t.Parallel()
	tables := read(t, database.SQLite, set("x", map[string]string{"0001_x.sql": "CREATE TABLE x (a TEXT, b TEXT, c TEXT, PRIMARY KEY (a, b))"}))
	require.Equal(t, []schema.Column{{Name: "a", Type: "TEXT"}, {Name: "b", Type: "TEXT"}, {Name: "c", Type: "TEXT", Null: true}}, tables[0].Columns)
	require.Equal(t, []string{"a", "b"}, tables[0].Key)
}

func TestReasonsThatNoFileGivesStandBesideTheMigrations(t *testing.T) {
	t.Parallel()
	files := func(why string) database.Migrations {
		return set("notes", map[string]string{"migrations/0001_notes.sql": notes, "migrations/why.txt": why})
	}
	sets := []database.Migrations{set("bare", map[string]string{"0001_bare.sql": "CREATE TABLE bare (a TEXT)", "why.txt": "bare: shows that there is one.\n"}), {Module: "none"}}
	tables := read(t, database.SQLite, append(sets, files("\nnotes_bare_idx: Cheap notes: they are looked for.\n"))...)
	require.Equal(t, "shows that there is one.", tables[0].Why)
	require.Equal(t, "Cheap notes: they are looked for.", tables[1].Indexes[2].Why)
	require.Empty(t, schema.Unexplained(tables))
	require.Equal(t, []string{"notes_bare_idx"}, schema.Unexplained(read(t, database.SQLite, files(""))))
	for why, says := range map[string]string{
		"notes":          "is not a name, a colon and a reason",
		"lost: a reason": "lost is neither a table nor an index of the module",
		"notes: again":   "notes has a reason already",
		"gatehouse_migrations: of another module": "is neither a table nor an index of the module",
	} {
		_, err := schema.Read(database.SQLite, []database.Migrations{files(why)})
		require.ErrorContains(t, err, says)
		require.ErrorContains(t, err, "why.txt of module notes")
	}
	broken := database.Migrations{Module: "broken", FS: unreadable{files("").FS}}
	_, err := schema.Read(database.SQLite, []database.Migrations{broken})
	require.ErrorIs(t, err, fs.ErrPermission)
}

// unreadable keeps why.txt to itself.
type unreadable struct{ fs.FS }

func (u unreadable) Open(name string) (fs.File, error) {
	if strings.HasSuffix(name, "why.txt") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return u.FS.Open(name)
}

func TestWhatIsNotUnderstoodIsSaid(t *testing.T) {
	t.Parallel()
	for _, sql := range []string{
		"CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE copy AS SELECT 1", "CREATE INDEX lost_idx ON lost (a)", "ALTER TABLE lost ADD COLUMN a TEXT",
		"CREATE TABLE x (a TEXT); ALTER TABLE x ALTER COLUMN a TYPE text", "DO $body$ BEGIN DROP TABLE users; END $body$", "VACUUM",
		"CREATE TABLE x (a TEXT); CREATE INDEX x_idx ON x",
	} {
		_, err := schema.Read(database.SQLite, []database.Migrations{set("x", map[string]string{"0001_x.sql": sql})})
		require.ErrorContains(t, err, "0001_x.sql of module x: no schema can be read out of", sql)
	}
	_, err := schema.Read(database.SQLite, []database.Migrations{set("x", map[string]string{"x.sql": ""})})
	require.ErrorContains(t, err, "is not named")
	for _, sql := range []string{"CREATE OR REPLACE FUNCTION f() RETURNS trigger AS $f$ BEGIN; END $f$", "CREATE VIEW v AS SELECT 1", "DROP VIEW v", "/* nothing", "'open", "$open$ text"} {
		_, _ = schema.Read(database.SQLite, []database.Migrations{set("x", map[string]string{"0001_x.sql": sql})})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(notes)
	f.Add("CREATE TRIGGER t BEGIN;;END; $a$ ; '")
	f.Fuzz(func(t *testing.T, sql string) {
		sets := []database.Migrations{set("x", map[string]string{"0001_x.sql": sql})}
		tables, err := schema.Read(database.SQLite, sets)
		if err != nil {
			return
		}
		again, err := schema.Read(database.SQLite, sets)
		require.NoError(t, err)
		require.Equal(t, tables, again)
	})
}
