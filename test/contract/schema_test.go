package contract_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/testkit"
)

// foreignTables are made by libraries, which have a shape of their own for each engine.
var foreignTables = regexp.MustCompile(`^river_`)

// TestBothEnginesHaveTheSameSchema asks both databases, once they are up to date, for every table, column and index.
func TestBothEnginesHaveTheSameSchema(t *testing.T) {
	t.Parallel()
	if os.Getenv(testkit.PostgresVariable) == "" {
		return // one engine has nothing to be compared with
	}
	sqlite := schemaOf(t, testkit.Serve(t, testkit.SQLite(t)).App.Stores.DB)
	postgres := schemaOf(t, testkit.Serve(t, testkit.Postgres(t)).App.Stores.DB)
	require.Greater(t, len(sqlite), 50)
	require.Equal(t, strings.Join(sqlite, "\n"), strings.Join(postgres, "\n"))
}

// schemaOf lists "table column type null" and "table index (columns) unique".
func schemaOf(t *testing.T, db *database.DB) []string {
	t.Helper()
	columns, indexes := sqliteColumns, sqliteIndexes
	if db.Engine() == database.PostgreSQL {
		columns, indexes = postgresColumns, postgresIndexes
	}
	all := append(describe(t, db, columns), describe(t, db, indexes)...)
	slices.Sort(all)
	return all
}

// describe gives a line for each row of what a query tells about our tables.
func describe(t *testing.T, db *database.DB, query string) []string {
	t.Helper()
	rows, err := db.Query(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	var all []string
	for rows.Next() {
		var table, name, what string
		var flag bool
		require.NoError(t, rows.Scan(&table, &name, &what, &flag))
		if !foreignTables.MatchString(table) {
			all = append(all, line(table, name, what, flag))
		}
	}
	require.NoError(t, rows.Err())
	return all
}

func line(table, name, what string, flag bool) string {
	return fmt.Sprint(table, " ", name, " ", sqliteType(what), " ", flag)
}

// sqliteType is what core/database converts each of PostgreSQL's types to.
func sqliteType(postgres string) string {
	switch postgres {
	case "uuid", "text", "jsonb":
		return "TEXT"
	case "timestamp with time zone", "timestamptz", "boolean", "bigint", "integer", "smallint":
		return "INTEGER"
	case "bytea":
		return "BLOB"
	case "double precision":
		return "REAL"
	}
	return postgres
}

// The last column says whether a value may be null; a primary key's never is, whether or not SQLite was told so.
const (
	sqliteColumns = `SELECT m.name, c.name, c.type, c."notnull" = 0 AND c.pk = 0 FROM sqlite_master m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'`
	postgresColumns = `SELECT table_name::text, column_name::text, data_type::text, is_nullable = 'YES' FROM information_schema.columns WHERE table_schema = current_schema()`
)

// The last column says whether the index is unique. Primary keys are told by their columns alone, since SQLite has no index
// for some of them; an index over part of the rows is told so.
const (
	sqliteIndexes = `SELECT m.name, 'index', (SELECT group_concat(name) FROM (SELECT coalesce(x.name, 'expression') AS name FROM pragma_index_xinfo(i.name) x WHERE x.key = 1 ORDER BY x.seqno)) || CASE i.partial WHEN 1 THEN ' in part' ELSE '' END, i."unique" = 1
		FROM sqlite_master m JOIN pragma_index_list(m.name) i WHERE m.type = 'table' AND i.origin <> 'pk' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\'
		UNION ALL
		SELECT m.name, 'key', (SELECT group_concat(name) FROM (SELECT c.name FROM pragma_table_info(m.name) c WHERE c.pk > 0 ORDER BY c.pk)), 1 = 1
		FROM sqlite_master m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' AND EXISTS (SELECT 1 FROM pragma_table_info(m.name) c WHERE c.pk > 0)`
	postgresIndexes = `SELECT c.relname::text, CASE WHEN i.indisprimary THEN 'key' ELSE 'index' END,
			(SELECT string_agg(coalesce(a.attname::text, 'expression'), ',' ORDER BY k.position) FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (number, position) LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number)
			|| CASE WHEN i.indpred IS NULL THEN '' ELSE ' in part' END, i.indisunique
		FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema()`
)
