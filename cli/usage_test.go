package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/app"
)

func TestWhatWasProbablyMeantIsSuggested(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"a flag":           {[]string{"serve", "--adr", "x"}, "did you mean --addr?"},
		"a setting":        {[]string{"serve", "--http.addr=x"}, "--set http.addr="},
		"nothing near":     {[]string{"serve", "--zzzzzzzz"}, "unknown flag: --zzzzzzzz"},
		"a subcommand":     {[]string{"migrate", "stats"}, "did you mean status?"},
		"of help":          {[]string{"help", "serv"}, "serve"},
		"of help, further": {[]string{"help", "user", "creat"}, "did you mean create?"},
		"of completion":    {[]string{"completion", "tcsh"}, `unknown command "tcsh"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, t.TempDir(), "", c.args...)
			require.Equal(t, 2, r.code, r.err)
			require.Contains(t, r.err, c.says)
			require.Empty(t, r.out)
		})
	}
	for _, args := range [][]string{{"help", "serve"}, {"completion"}} {
		require.Zero(t, run(t, t.TempDir(), "", args...).code)
	}
}

func TestAFlagCanTakeInsecureBack(t *testing.T) {
	t.Parallel()
	environ := []string{"GATEHOUSE_INSECURE=true"}
	require.Regexp(t, `(?m)^insecure +false +flag`, runWith(t, environ, "", "config", "--insecure=false").out)
	require.Regexp(t, `(?m)^insecure +true +flag`, runWith(t, nil, "", "config", "--insecure").out)
	require.Equal(t, 2, runWith(t, nil, "", "config", "--insecure=perhaps").code)
}

func TestDoctorTellsWrongSettingsAsFindings(t *testing.T) {
	t.Parallel()
	r := run(t, t.TempDir(), "", "doctor", "--json", "--set", "database.pool_max=0", "--set", "http.adr=x")
	require.Equal(t, 1, r.code, r.err)
	var found []app.Finding
	require.NoError(t, json.Unmarshal([]byte(r.out), &found))
	require.Equal(t, app.LevelFail, found[0].Level)
	require.Equal(t, "correct the settings first", found[len(found)-1].Advice)
}

func TestMigrateUpTellsProgramsToo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unsafe := run(t, dir, "", "migrate", "status", "--set", "http.addr=0.0.0.0:1")
	require.Equal(t, 3, unsafe.code, "looking needs no safe settings: %s", unsafe.err)
	for _, least := range []int{1, 0} {
		r := run(t, dir, "", "migrate", "up", "--json")
		require.Zero(t, r.code, r.err)
		var lines []map[string]any
		require.NoError(t, json.Unmarshal([]byte(r.out), &lines))
		require.GreaterOrEqual(t, len(lines), least)
	}
}

func TestStandardInputMustHoldOneLine(t *testing.T) {
	t.Parallel()
	create := []string{"user", "create", "--email", "a@example.com", "--full-name", "A", "--password-stdin"}
	for name, stdin := range map[string]string{"nothing": "", "an empty line": "\n", "two lines": "Difference-Engine-1842\nmarker\n", "a long one": string(make([]byte, 5000))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := run(t, t.TempDir(), stdin, create...)
			require.Equal(t, 2, r.code)
			require.Contains(t, r.err, "on one line")
			require.NotContains(t, r.err, "marker")
		})
	}
}

func TestAReferenceOfWhatIsNotThereIsNone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := run(t, dir, "", "reference", "schema", "--uses", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "uses.sqlite.txt")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "uses.sqlite.txt"), []byte("  by nobody\n"), 0o600))
	r = run(t, dir, "", "reference", "schema", "--uses", dir)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.err, "begins without a statement")
	require.Empty(t, r.out)
}
