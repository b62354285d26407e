package schema_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/schema"
)

func TestUsesComeBackAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	uses := []schema.Use{
		{SQL: "SELECT a FROM notes WHERE id = ?", By: []string{"getNote", "listNotes"}, Indexes: []string{schema.KeyOf("notes")}},
		{SQL: "INSERT INTO notes (a) VALUES (?)", By: []string{"createNote"}},
	}
	var b strings.Builder
	require.NoError(t, schema.WriteUses(&b, uses))
	back, err := schema.ReadUses(strings.NewReader(b.String()))
	require.NoError(t, err)
	require.Equal(t, uses, back)
	_, err = schema.ReadUses(strings.NewReader("  by nobody\n"))
	require.ErrorContains(t, err, "begins without a statement")
}

// both reads the tables of both engines, and gives what finds rows of them by what.
func both(t *testing.T) (schema.Engines[[]schema.Table], schema.Engines[[]schema.Use]) {
	t.Helper()
	files := set("notes", map[string]string{
		"0001_notes.postgres.sql": "-- Notes.\nCREATE TABLE notes (id uuid PRIMARY KEY, text text COLLATE \"C\" NOT NULL, at timestamptz);\n\n" +
			"-- The order.\nCREATE INDEX notes_at_idx ON notes (at NULLS FIRST);\nCREATE UNIQUE INDEX notes_text_key ON notes (text) WHERE at IS NULL || 'x'",
		"0001_notes.sqlite.sql": "-- Notes.\nCREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT NOT NULL, at INTEGER);\n\n" +
			"-- The order.\nCREATE INDEX notes_at_idx ON notes (at);\nCREATE UNIQUE INDEX notes_text_key ON notes (text) WHERE at IS NULL || 'x'",
	})
	var tables schema.Engines[[]schema.Table]
	for _, kind := range []database.Engine{database.SQLite, database.PostgreSQL} {
		*tables.Of(kind) = read(t, kind, files)
	}
	use := func(sql, by string, indexes ...string) schema.Use {
		return schema.Use{SQL: sql, By: []string{by}, Indexes: indexes}
	}
	return tables, schema.Engines[[]schema.Use]{
		SQLite: []schema.Use{
			use("SELECT id, text FROM notes ORDER BY at LIMIT ?", "listNotes", "notes_at_idx"),
			use("SELECT id FROM notes ORDER BY at LIMIT ?", "countNotes", "notes_at_idx"),
			use("UPDATE notes SET text = ?, at = ? WHERE id = ? RETURNING id, at", "patchNote", "notes.key"),
			use("INSERT INTO notes (id, text) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET text = excluded.text WHERE notes.at > ?", "createNote"),
		},
		PostgreSQL: []schema.Use{
			use("SELECT id, text FROM notes ORDER BY at LIMIT ?", "listNotes", "notes_at_idx"),
			use("UPDATE notes SET text = ?, at = ? WHERE id = ? RETURNING id, at", "patchNote", "notes.key"),
			use("INSERT INTO notes (id, text) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET text = excluded.text WHERE notes.at > ?", "createNote", "notes.key"),
		},
	}
}

func TestTheReferenceSaysWhatEachIndexIsFor(t *testing.T) {
	t.Parallel()
	tables, uses := both(t)
	require.Equal(t, []string{"notes_text_key"}, schema.Unused(tables.SQLite, uses.SQLite))
	var b strings.Builder
	require.NoError(t, schema.WriteReference(&b, tables, uses))
	require.Equal(t, `
## notes

Of `+"`notes`"+`. Notes.

| column | PostgreSQL | SQLite | null | more |
| --- | --- | --- | --- | --- |
| `+"`id`"+` | uuid | TEXT |  |  |
| `+"`text`"+` | text | TEXT |  | `+"`COLLATE \"C\"`"+` |
| `+"`at`"+` | timestamptz | INTEGER | may be |  |

| index | over | why | used by |
| --- | --- | --- | --- |
| primary key | `+"`id`"+` | a row is found by it | `+"`createNote`, `patchNote`"+` |
| `+"`notes_at_idx`"+` | `+"`at NULLS FIRST`, on SQLite `at`"+` | The order. | `+"`countNotes`, `listNotes`"+` |
| `+"`notes_text_key`"+` | unique: `+"`text` where `at IS NULL \\|\\| 'x'`"+` | The order. | – |

| statement | of | finds rows by |
| --- | --- | --- |
| `+"`INSERT INTO notes … ON CONFLICT (id) DO UPDATE SET … WHERE notes.at > ?`"+` | `+"`createNote`"+` | SQLite: –; PostgreSQL: the key of `+"`notes`"+` |
| `+"`SELECT … FROM notes ORDER BY at LIMIT ?`"+` | `+"`countNotes`, `listNotes`"+` | `+"`notes_at_idx`"+` |
| `+"`UPDATE notes SET … WHERE id = ?`"+` | `+"`patchNote`"+` | the key of `+"`notes`"+` |
`, b.String())
}

func TestTheReferenceNeedsNoUses(t *testing.T) {
	t.Parallel()
	tables, _ := both(t)
	tables.SQLite[0].Why, tables.PostgreSQL[0].Why = "", ""
	tables.SQLite[0].Columns[1].Why, tables.PostgreSQL[0].Columns[1].Why = "What it says.", "What it says."
	var b strings.Builder
	require.NoError(t, schema.WriteReference(&b, tables, schema.Engines[[]schema.Use]{}))
	require.Contains(t, b.String(), "(nobody says why)")
	require.Contains(t, b.String(), "| text | TEXT |  | `COLLATE \"C\"` What it says. |")
	require.NotContains(t, b.String(), "finds rows by")
}

func TestWhatDiffersBetweenTheEnginesIsSaid(t *testing.T) {
	t.Parallel()
	for says, change := range map[string]func(*schema.Engines[[]schema.Table]){
		"SQLite has 0 tables":                     func(e *schema.Engines[[]schema.Table]) { e.SQLite = nil },
		"has another key or reason there":         func(e *schema.Engines[[]schema.Table]) { e.SQLite[0].Key = []string{"text"} },
		"table notes has other columns on SQLite": func(e *schema.Engines[[]schema.Table]) { e.SQLite[0].Columns[2].Null = false },
		"table notes has other indexes on SQLite": func(e *schema.Engines[[]schema.Table]) { e.SQLite[0].Indexes[0].Unique = true },
	} {
		tables, uses := both(t)
		change(&tables)
		require.ErrorContains(t, schema.WriteReference(&strings.Builder{}, tables, uses), says)
	}
}
