package contract_test

import (
	"bytes"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/database/schema"
	"github.com/gatehouse/gatehouse/testkit"
)

// TestNoStatementScansATable explains every statement of every flow over 100,000 rows of each table, and compares what each
// finds its rows by with testdata/uses.*.txt, which docs/reference/schema.md is written from.
func TestNoStatementScansATable(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		noted, clk := &statements{}, clock.NewFake(time.Now())
		opts := append(wideLimits(), testkit.WithObserver(noted.observe), testkit.WithClock(clk), toNobody(),
			testkit.WithSetting("database.statement_timeout", "10m")) // for what fills and analyses the tables
		api, ran := testkit.Serve(t, db, opts...), runs{}
		ran.add("serve, at its first start", append(noted.take(), database.MigrationStatements()...))
		all := flows(t, api, clk, api.User(), func() { testkit.Serve(t, db, opts...) })
		fill(t, api.App.Stores.DB)
		noted.take()
		for _, f := range all {
			f.run()
			ran.add(f.name, noted.take())
		}
		for range 64 { // so that pruning has its turn
			api.Post("/auth/login", map[string]string{"email": "nobody@example.com", "password": "x"}).Status(400)
		}
		ran.add("login, many times", noted.take())
		require.Greater(t, len(ran), 12)
		tables, err := api.App.Tables(db.Engine)
		require.NoError(t, err)
		var uses []schema.Use
		for _, sql := range slices.Sorted(maps.Keys(ran)) {
			plan := explain(t, api.App.Stores.DB, ran[sql].Statement)
			uses = append(uses, schema.Use{SQL: sql, By: ran[sql].by, Indexes: indexesIn(plan, tables)})
			for table, scans := range small {
				if strings.Contains(sql, table) {
					plan = scans.ReplaceAllString(plan, "")
				}
			}
			require.NotContains(t, plan, "Seq Scan", "%s\n%s", sql, plan)
			if isPage(sql) {
				require.NotContains(t, plan, "Sort", "%s\n%s", sql, plan)
				require.NotContains(t, plan, "TEMP B-TREE", "%s\n%s", sql, plan)
				plan = fromOneEnd.ReplaceAllString(plan, "") // of an index on, as far as LIMIT
			}
			require.NotContains(t, plan, "SCAN ", "%s\n%s", sql, plan)
		}
		compareUses(t, db.Engine, tables, uses)
	})
}

var (
	pageOf = regexp.MustCompile(`FROM (users|webhooks|webhooks_deliveries|gatehouse_audit) WHERE`)
	// small are scans and sorts in statements that name such a table: of what the statement has gathered already, and of tables
	// that have one row, or one for each destination of events, migration or key; and of an index over what was set aside alone.
	small = map[string]*regexp.Regexp{
		"gatehouse_installation": regexp.MustCompile(`Seq Scan on gatehouse_installation`),
		"gatehouse_migrations":   regexp.MustCompile(`(Seq Scan on|SCAN) gatehouse_migrations`),
		"gatehouse_signing_keys": regexp.MustCompile(`(Seq Scan on|SCAN) gatehouse_signing_keys`),

		"gatehouse_event": regexp.MustCompile(`Seq Scan on gatehouse_event_(destinations|order)|SCAN x USING INDEX gatehouse_event_deliveries_dead_idx|(?m:^SCAN (o|d LEFT-JOIN|gatehouse_event_destinations|first|n|\(subquery-\d+\))$)`),
		"gatehouse_audit": regexp.MustCompile(`Seq Scan on gatehouse_audit_head|Sort +\(cost=.*\)\n +Sort Key: first\.id|(?m:^SCAN (first(\nUSE TEMP B-TREE FOR ORDER BY)?|n|\(subquery-\d+\))$)`),
	}
	fromOneEnd = regexp.MustCompile(`SCAN (users|webhooks|gatehouse_audit) USING `)
)

// isPage tells the statements that read a page of users, of webhooks, of a webhook's deliveries, or of the audit trail.
func isPage(sql string) bool {
	return pageOf.MatchString(sql) && strings.Contains(sql, "ORDER BY") && strings.Contains(sql, "LIMIT")
}

func explain(t *testing.T, db *database.DB, s database.Statement) string {
	t.Helper()
	prefix, columns := "EXPLAIN ", 1
	if db.Engine() == database.SQLite {
		prefix, columns = "EXPLAIN QUERY PLAN ", 4
	}
	rows, err := db.Query(t.Context(), prefix+s.SQL, s.Args...)
	require.NoError(t, err, s.SQL)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int64
		var detail string
		if columns == 1 {
			require.NoError(t, rows.Scan(&detail))
		} else {
			require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		}
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	return strings.Join(plan, "\n")
}

// run is a statement, and the operations and jobs that ran it.
type run struct {
	database.Statement

	by []string
}

// runs are statements by their text on one line.
type runs map[string]run

func (r runs) add(flow string, ran []database.Statement) {
	who, _, _ := strings.Cut(flow, ",")
	for _, s := range ran {
		sql := oneLine(s.SQL)
		by := append(slices.Clone(r[sql].by), who)
		slices.Sort(by)
		r[sql] = run{s, slices.Compact(by)}
	}
}

var word = regexp.MustCompile(`[a-z_0-9]+`)

// indexesIn names the indexes that a plan speaks of. A primary key has a name of each engine's making, and on SQLite none
// where it is the row's number.
func indexesIn(plan string, tables []schema.Table) []string {
	spoken := word.FindAllString(plan, -1)
	var all []string
	for _, t := range tables {
		if slices.Contains(spoken, t.Name+"_pkey") || slices.Contains(spoken, "sqlite_autoindex_"+t.Name+"_1") {
			all = append(all, schema.KeyOf(t.Name))
		}
		for _, x := range t.Indexes {
			if slices.Contains(spoken, x.Name) {
				all = append(all, x.Name)
			}
		}
	}
	slices.Sort(all)
	return all
}

func usesFile(kind database.Engine) string { return "testdata/uses." + string(kind) + ".txt" }

// compareUses holds what was found against the file, or writes it anew with -update. Which of two indexes that cost the
// same PostgreSQL takes differs between its versions and samples, so there it is enough that each is used.
func compareUses(t *testing.T, kind database.Engine, tables []schema.Table, uses []schema.Use) {
	t.Helper()
	if *update {
		var b bytes.Buffer
		require.NoError(t, schema.WriteUses(&b, uses))
		require.NoError(t, os.WriteFile(usesFile(kind), b.Bytes(), 0o600))
	}
	require.Empty(t, schema.Unused(explained(tables), uses), "of use to no statement on %s", kind)
	want := usesIn(t, kind)
	if kind == database.PostgreSQL {
		for i := range want {
			want[i].Indexes = nil
		}
		for i := range uses {
			uses[i].Indexes = nil
		}
	}
	require.Equal(t, want, uses, "run with -update, then make generate, if that is as it should be")
}

// explained leaves out the tables of core/event: most of what is asked of them is asked by relays, of which there are none
// here. That package's own tests say what uses each of their indexes.
func explained(tables []schema.Table) []schema.Table {
	return slices.DeleteFunc(slices.Clone(tables), func(t schema.Table) bool { return strings.HasPrefix(t.Name, "gatehouse_event") })
}

// usesIn reads the file.
func usesIn(t *testing.T, kind database.Engine) []schema.Use {
	t.Helper()
	raw, err := os.Open(usesFile(kind))
	require.NoError(t, err)
	defer func() { _ = raw.Close() }() // it was only read
	uses, err := schema.ReadUses(raw)
	require.NoError(t, err)
	return uses
}

// TestEveryTableAndIndexHasAReasonAndAUse fails for a table or an index whose reason stands neither above the statement
// that makes it nor in why.txt, and for an index that no statement of any flow finds its rows by.
func TestEveryTableAndIndexHasAReasonAndAUse(t *testing.T) {
	t.Parallel()
	a, err := app.New(app.Standard, app.Options{})
	require.NoError(t, err)
	for _, kind := range []database.Engine{database.SQLite, database.PostgreSQL} {
		tables, err := a.Tables(kind)
		require.NoError(t, err)
		require.Empty(t, schema.Unexplained(tables), "say why above the statement, or in why.txt beside the migrations")
		require.Empty(t, schema.Unused(explained(tables), usesIn(t, kind)), "of use to no statement on %s", kind)
	}
}

// TestTheSchemaThatIsReadIsTheOneThatIsMade holds what is read out of the migrations against what they make of a database.
func TestTheSchemaThatIsReadIsTheOneThatIsMade(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db databasetest.Database) {
		a, err := app.New(app.Standard, app.Options{})
		require.NoError(t, err)
		tables, err := a.Tables(db.Engine)
		require.NoError(t, err)
		var read, names []string
		for _, table := range tables {
			for _, c := range table.Columns {
				read = append(read, line(table.Name, c.Name, c.Type, c.Null))
			}
			read = append(read, line(table.Name, "key", strings.Join(table.Key, ","), true))
			for _, x := range table.Indexes {
				names = append(names, x.Name)
				read = append(read, line(table.Name, "index", columnsOfIndex(table, x), x.Unique))
			}
		}
		slices.Sort(read)
		api := testkit.Serve(t, db)
		require.Equal(t, strings.Join(schemaOf(t, api.App.Stores.DB), "\n"), strings.Join(read, "\n"))
		query := `SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND tbl_name NOT LIKE 'river%'`
		if db.Engine == database.PostgreSQL {
			query = `SELECT indexname::text FROM pg_indexes WHERE schemaname = current_schema() AND indexname NOT LIKE '%\_pkey' AND tablename NOT LIKE 'river%'`
		}
		require.ElementsMatch(t, textsOf(t, api.App.Stores.DB, query), names)
	})
}

// columnsOfIndex writes an index's columns as the databases' own catalogues are asked for them.
func columnsOfIndex(table schema.Table, x schema.Index) string {
	var all []string
	for _, text := range x.Columns {
		name, _, _ := strings.Cut(text, " ")
		if !slices.ContainsFunc(table.Columns, func(c schema.Column) bool { return c.Name == name }) {
			name = "expression"
		}
		all = append(all, name)
	}
	columns := strings.Join(all, ",")
	if x.Where != "" {
		columns += " in part"
	}
	return columns
}
