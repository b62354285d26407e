package database

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuestionMarksAreNumberedOutsideOfLiterals(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"SELECT 1":                 "SELECT 1",
		"a = ? AND b = ?":          "a = $1 AND b = $2",
		"a = '?' AND b = ?":        "a = '?' AND b = $1",
		"a = 'it''s ?' AND b = ?":  "a = 'it''s ?' AND b = $1",
		`a = 'b\' AND b = ?`:       `a = 'b\' AND b = $1`,
		`a = E'b\'?' AND b = ?`:    `a = E'b\'?' AND b = $1`,
		`E'?' = ?`:                 `E'?' = $1`,
		`type'\' = ?`:              `type'\' = $1`,
		`"a?" = ?`:                 `"a?" = $1`,
		"a = ? -- why?\nAND b = ?": "a = $1 -- why?\nAND b = $2",
		"a = ? -- why?":            "a = $1 -- why?",
		"/* ? /* ? */ ? */ ?":      "/* ? /* ? */ ? */ $1",
		"$$ ? $$ ?":                "$$ ? $$ $1",
		"$a$ ? $$ ? $a$ ?":         "$a$ ? $$ ? $a$ $1",
		"a$b = ? AND c$b = ?":      "a$b = $1 AND c$b = $2",
		"$1a$ ?":                   "$1a$ $1",
		"'unfinished ?":            "'unfinished ?",
		"/* unfinished ?":          "/* unfinished ?",
		"$$ unfinished ?":          "$$ unfinished ?",
		"(?, ?, ?)":                "($1, $2, $3)",
	} {
		require.Equal(t, want, rebind(in), in)
	}
}

func TestReboundTextsAreKeptUpToABound(t *testing.T) {
	t.Parallel()
	r := rebinder{spell: rebind}
	for i := range maxRebound + 10 {
		require.Equal(t, fmt.Sprintf("%d = $1", i), r.rebind(fmt.Sprintf("%d = ?", i)))
	}
	require.EqualValues(t, maxRebound, r.size.Load())
	require.Equal(t, "1 = $1", r.rebind("1 = ?"))
}

func FuzzRebind(f *testing.F) {
	for _, seed := range []string{"a = ?", "'?' ?", "E'\\'? ?", "--?\n?", "/*?*/?", "$a$?$a$?", "\"?\"?", "$", "e'", "/*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sql string) {
		out := rebind(sql)
		if !strings.ContainsAny(sql, "?") && out != sql {
			t.Fatalf("%q became %q", sql, out)
		}
		if strings.ContainsAny(sql, "$") {
			return
		}
		// Taking the numbers away gives the text back.
		back := out
		for n := strings.Count(sql, "?"); n > 0; n-- {
			back = strings.Replace(back, fmt.Sprintf("$%d", n), "?", 1)
		}
		if back != sql {
			t.Fatalf("%q became %q", sql, out)
		}
	})
}
