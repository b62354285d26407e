package database

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestMigrationsRunInOrderOnceAndAreRecorded(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		now := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
		db := s.open(t, func(_ *Settings, o *Options) { o.Clock = clock.NewFake(now) })
		sets := []Migrations{
			{Module: "core", FS: files("0001_a.sql", "CREATE TABLE a (x INTEGER)", "0002_b.sql", "INSERT INTO a VALUES (1); INSERT INTO a VALUES (2);")},
			{Module: "none"},
			{Module: "users", FS: files("migrations/0001_c.sql", "-- nothing but a comment\nCREATE TABLE c AS SELECT x FROM a;\r\n")},
		}
		before, err := db.MigrationStatus(t.Context(), sets)
		require.NoError(t, err)
		require.Len(t, before, 3)
		require.Equal(t, MigrationStatus{Module: "core", Number: 1, Name: "a", State: StatePending}, before[0])

		done, err := db.Migrate(t.Context(), sets)
		require.NoError(t, err)
		require.Len(t, done, 3)
		require.Equal(t, "users", done[2].Module)
		again, err := db.Migrate(t.Context(), sets)
		require.NoError(t, err)
		require.Empty(t, again)
		var n int
		require.NoError(t, db.QueryRow(t.Context(), "SELECT count(*) FROM c").Scan(&n))
		require.Equal(t, 2, n)

		after, err := db.MigrationStatus(t.Context(), sets[:2])
		require.NoError(t, err)
		require.Equal(t, StateApplied, after[0].State)
		require.Equal(t, now, *after[0].AppliedAt)
		require.Equal(t, MigrationStatus{Module: "users", Number: 1, Name: "c", State: StateUnknown, AppliedAt: &now}, after[2])
	})
}

func TestChangedMigrationIsRefusedAndANewerDatabaseIsNot(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.open(t)
		ctx := t.Context()
		first, second := "CREATE TABLE a (x INTEGER)", "CREATE TABLE b (x INTEGER)"
		set := func(pairs ...string) []Migrations { return []Migrations{{Module: "m", FS: files(pairs...)}} }
		_, err := db.Migrate(ctx, set("0001_a.sql", first, "0002_b.sql", second))
		require.NoError(t, err)

		older := set("0001_a.sql", first)
		_, err = db.Migrate(ctx, older)
		require.NoError(t, err)

		changed := set("0001_a.sql", first+" ", "0002_b.sql", second)
		_, err = db.Migrate(ctx, changed)
		require.ErrorIs(t, err, ErrMigrationChanged)
		require.ErrorContains(t, err, "0001_a.sql of module m")
		list, err := db.MigrationStatus(ctx, changed)
		require.NoError(t, err)
		require.Equal(t, StateChanged, list[0].State)

		require.NoError(t, exec(ctx, db, "DELETE FROM gatehouse_migrations WHERE number = 1"))
		_, err = db.Migrate(ctx, set("0001_a.sql", first, "0002_b.sql", second))
		require.ErrorContains(t, err, "was never applied")
	})
}

func TestFailedMigrationLeavesNothingAndTheNextStartGoesOn(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.open(t)
		ctx := t.Context()
		good := "CREATE TABLE a (x INTEGER)"
		done, err := db.Migrate(ctx, []Migrations{{Module: "m", FS: files("0001_a.sql", good, "0002_b.sql", "CREATE TABLE b (x INTEGER); INSERT INTO nowhere VALUES (1)")}})
		require.ErrorContains(t, err, "0002_b.sql of module m")
		require.ErrorContains(t, err, "nowhere")
		require.Len(t, done, 1)
		require.Error(t, exec(ctx, db, "INSERT INTO b VALUES (1)"))
		done, err = db.Migrate(ctx, []Migrations{{Module: "m", FS: files("0001_a.sql", good, "0002_b.sql", "CREATE TABLE b (x INTEGER)")}})
		require.NoError(t, err)
		require.Len(t, done, 1)
		require.NoError(t, exec(ctx, db, "INSERT INTO b VALUES (1)"))

		_, err = s.open(t).Migrate(ctx, []Migrations{{Module: "own", FS: files("0001_a.sql", "CREATE TABLE own (x INTEGER); COMMIT")}})
		require.ErrorIs(t, err, errOwnTransaction)
		require.NoError(t, db.Ping(ctx))
	})
}

func TestFourMigratorsAtOnceApplyEachFileOnce(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		counts := make([]int, 4)
		var group errgroup.Group
		for i := range counts {
			db := s.open(t)
			group.Go(func() error {
				done, err := db.Migrate(t.Context(), append(things(), Migrations{Module: "m", FS: files("0001_a.sql", "CREATE TABLE a (x INTEGER)", "0002_b.sql", "INSERT INTO a VALUES (1)")}))
				counts[i] = len(done)
				return err
			})
		}
		require.NoError(t, group.Wait())
		require.ElementsMatch(t, []int{3, 0, 0, 0}, counts)
	})
}

func TestWaitingForAMigratorEndsWithTheContextOrWithTheMigrator(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db, holder := s.open(t), s.open(t)
		m, err := holder.engine.migrator(t.Context(), holder.options)
		require.NoError(t, err)
		require.NoError(t, m.lock(t.Context(), func() {}))

		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err = db.Migrate(short, things())
		require.ErrorIs(t, err, errs.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		waits := make(chan struct{})
		result := make(chan error, 1)
		other, err := db.engine.migrator(t.Context(), db.options)
		require.NoError(t, err)
		defer other.close()
		go func() { result <- other.lock(t.Context(), func() { close(waits) }) }()
		<-waits
		m.close() // as the system does for a process that was killed
		require.NoError(t, <-result)
	})
}

// The last one's sync takes the log with it up to there.
func TestTheLastSQLiteMigrationSyncsForAll(t *testing.T) {
	t.Parallel()
	for query, want := range map[string][]int{ // pragma synchronous: off 0, normal 1, full 2
		"?synchronous=off":    {0, 0, 0},
		"?synchronous=normal": {1, 1, 1},
		"":                    {1, 1, 2},
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			s := DefaultSettings()
			s.URL = secret.New("sqlite:" + filepath.Join(t.TempDir(), "test.db") + query)
			db, err := Open(t.Context(), s, Options{})
			require.NoError(t, err)
			defer db.Close()
			const look = "INSERT INTO seen (synchronous) SELECT synchronous FROM pragma_synchronous"
			_, err = db.Migrate(t.Context(), []Migrations{
				{Module: "core", FS: files("0001_a.sql", "CREATE TABLE seen (n INTEGER PRIMARY KEY, synchronous INTEGER);"+look, "0002_b.sql", look)},
				{Module: "users", FS: files("0001_c.sql", look)},
			})
			require.NoError(t, err)
			rows, err := db.Query(t.Context(), "SELECT synchronous FROM seen ORDER BY n")
			require.NoError(t, err)
			var got []int
			for rows.Next() {
				var n int
				require.NoError(t, rows.Scan(&n))
				got = append(got, n)
			}
			require.NoError(t, rows.Err())
			require.Equal(t, want, got)
		})
	}
}

func TestMigrationFileNames(t *testing.T) {
	t.Parallel()
	cases := map[string][]string{
		"is not named":    {"1_a.sql", ""},
		"number 0001 is":  {"0002_a.sql", ""},
		"one engine only": {"0001_a.sqlite.sql", ""},
		"have the same":   {"0001_a.sql", "", "0001_b.sql", ""},
		"same number":     {"0001_a.sql", "", "0001_a.sqlite.sql", ""},
		"is missing":      {"0001_a.sql", "", "0003_a.sql", ""},
		"0001_A.sql":      {"0001_A.sql", ""},
	}
	for want, pairs := range cases {
		for _, engine := range []Engine{SQLite, PostgreSQL} {
			_, err := readMigrations(engine, []Migrations{{Module: "m", FS: files(pairs...)}})
			require.ErrorContains(t, err, want)
		}
	}
	_, err := readMigrations(SQLite, []Migrations{{Module: "m", FS: files()}, {Module: "m", FS: files()}})
	require.ErrorContains(t, err, "twice")
}
