package database

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/secret"
)

func TestTargetNamesThePlaceAndNothingSecret(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Target{
		"":                             {Engine: SQLite, Place: filepath.Join("data", "gatehouse.db")},
		"sqlite:x/y.db":                {Engine: SQLite, Place: "x/y.db"},
		"sqlite:y.db?synchronous=off":  {Engine: SQLite, Place: "y.db", Lax: true},
		"postgres://u:pw@h:6543/shop":  {Engine: PostgreSQL, Place: "h:6543/shop"},
		"postgres://u:pw@a,b:1/shop":   {Engine: PostgreSQL, Place: "a:5432,b:1/shop"},
		"postgresql://u:pw@[::1]/shop": {Engine: PostgreSQL, Place: "[::1]:5432/shop"},
	} {
		got, err := Settings{URL: secret.New(raw)}.Target("data")
		require.NoError(t, err, raw)
		require.Equal(t, want, got)
	}
	for _, raw := range []string{"mysql://marker", "sqlite:", "postgres://marker:x@h:port/"} {
		_, err := Settings{URL: secret.New(raw)}.Target("data")
		require.ErrorContains(t, err, "database.url")
		require.NotContains(t, err.Error(), "marker")
	}
}

func TestOpenExistingCreatesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	s := DefaultSettings()
	_, err := OpenExisting(t.Context(), s, Options{DataDir: dir})
	require.ErrorIs(t, err, ErrNoDatabase)
	require.NoDirExists(t, dir)

	require.NoError(t, os.MkdirAll(filepath.Join(dir, "gatehouse.db"), 0o700))
	_, err = OpenExisting(t.Context(), s, Options{DataDir: dir})
	require.ErrorContains(t, err, "is not a file")

	other := filepath.Join(dir, "other.db")
	require.NoError(t, os.WriteFile(other, []byte("this is a letter to somebody, not a database of any kind\n"), 0o600))
	s.URL = secret.New("sqlite:" + other)
	_, err = OpenExisting(t.Context(), s, Options{})
	require.ErrorContains(t, err, "open database")

	s.URL = secret.New("mysql:x")
	_, err = OpenExisting(t.Context(), s, Options{})
	require.ErrorIs(t, err, errScheme)
	s.URL = secret.New("sqlite:x?y=z")
	_, err = OpenExisting(t.Context(), s, Options{})
	require.ErrorIs(t, err, errSQLiteURL)
}

func TestOpenExistingReadsBesideAServerAndDoesNotWrite(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		server := s.open(t)
		sets := []Migrations{{Module: "notes", FS: fstest.MapFS{"0001_init.sql": {Data: []byte("CREATE TABLE notes (id INTEGER)")}}}}
		_, err := server.Migrate(t.Context(), sets)
		require.NoError(t, err)
		beside, err := OpenExisting(t.Context(), s.settings, s.options)
		require.NoError(t, err)
		defer beside.Close()
		state, err := beside.MigrationStatus(t.Context(), sets)
		require.NoError(t, err)
		require.Len(t, state, 1)
		require.Equal(t, StateApplied, state[0].State)
		if s.settings.URL.Reveal()[:6] == "sqlite" {
			_, err = beside.Exec(t.Context(), "INSERT INTO notes (id) VALUES (1)")
			require.Error(t, err)
		}
	})
}

func TestFactsNameTheVersion(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		db := s.open(t)
		f, err := db.Facts(t.Context())
		require.NoError(t, err)
		require.Regexp(t, `^\d+\.\d+`, f.Version)
		if db.Engine() == SQLite {
			require.Zero(t, f.Now)
			return
		}
		require.WithinDuration(t, time.Now(), f.Now, time.Minute)
	})
}

func TestUnappliedListsEverythingAsPending(t *testing.T) {
	t.Parallel()
	list, err := Unapplied(SQLite, []Migrations{{Module: "notes", FS: fstest.MapFS{"0001_init.sql": {Data: []byte("SELECT 1")}}}})
	require.NoError(t, err)
	require.Equal(t, []MigrationStatus{{Module: "notes", Number: 1, Name: "init", State: StatePending}}, list)
	_, err = Unapplied(SQLite, []Migrations{{FS: fstest.MapFS{}}})
	require.Error(t, err)
}
