package database_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/database"
)

func TestPackagesThatShareANameJoinTheirMigrations(t *testing.T) {
	t.Parallel()
	first := fstest.MapFS{"migrations/0001_a.sql": {Data: []byte("CREATE TABLE a (n INTEGER)")}}
	second := fstest.MapFS{"migrations/0002_b.sql": {Data: []byte("CREATE TABLE b (n INTEGER)")}, "migrations/0001_a.sql": {Data: []byte("hidden")}}
	both := database.JoinFS(first, second)
	require.NoError(t, fstest.TestFS(database.JoinFS(first), "migrations/0001_a.sql"))
	names, err := fs.Glob(both, "migrations/*.sql")
	require.NoError(t, err)
	require.Equal(t, []string{"migrations/0001_a.sql", "migrations/0002_b.sql"}, names)
	text, err := fs.ReadFile(both, names[0])
	require.NoError(t, err)
	require.Equal(t, "CREATE TABLE a (n INTEGER)", string(text), "the first's")
	_, err = fs.ReadFile(both, "migrations/0003_c.sql")
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = fs.ReadDir(both, "nothing")
	require.ErrorIs(t, err, fs.ErrNotExist)
}
