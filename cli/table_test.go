package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestColumnsStandStraightWhateverPeopleAreCalled(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table := newTable(&out, "NAME", "ROLE")
	for _, name := range []string{"Ada", "山田　太郎", "Zoe\u0308", "क्\u200dष", "한글", "\u1112\u1161\u11ab", "🦊"} {
		table.add(name, "user")
	}
	require.NoError(t, table.flush())
	require.Equal(t, strings.Join([]string{
		"NAME        ROLE",
		"Ada         user",
		"山田　太郎  user",
		"Zoe\u0308         user",
		"क्\u200dष          user",
		"한글        user",
		"\u1112\u1161\u11ab          user",
		"🦊          user",
		"",
	}, "\n"), out.String())
}

func TestATableThatIsWrittenInPartsStaysOne(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	table := newTable(&out, "A", "B")
	table.add("long", "1")
	require.NoError(t, table.flush())
	table.add("x", "2")
	require.NoError(t, table.flush())
	require.Equal(t, "A     B\nlong  1\nx     2\n", out.String())
	require.NoError(t, table.flush())
	require.Equal(t, "A     B\nlong  1\nx     2\n", out.String(), "nothing was added")
}

func TestATableTellsThatItCannotBeWritten(t *testing.T) {
	t.Parallel()
	table := newTable(closed{}, "A")
	require.ErrorIs(t, table.flush(), errClosed)
	require.ErrorIs(t, printJSON(closed{}, 1), errClosed)
	require.Error(t, printJSON(&strings.Builder{}, func() {}))
}

var errClosed = errors.New("closed")

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errClosed }

// hostile is what a terminal would obey: an escape, one of eight bits, a bell, a line feed, a turn of direction.
const hostile = "a\x1b[31m\u009b2J\a\nb\u202ec\U000e0041"

func TestATerminalObeysNoName(t *testing.T) {
	t.Parallel()
	require.Equal(t, `a\u{1b}[31m\u{9b}2J\u{7}\u{a}b\u{202e}c\u{e0041}`, legible(hostile))
	require.Equal(t, "�b", legible("\xffb"))
	for _, plain := range []string{"Ada Lovelace", "山田　太郎", "O’Neill\u00a0Jr.", "می\u200cخواهم", "❤\ufe0f"} {
		require.Equal(t, plain, legible(plain))
	}
}

func TestJSONMeansWhatItHoldsAndATerminalObeysNoneOfIt(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	require.NoError(t, printJSONLine(&out, map[string]string{"name": hostile}))
	require.Equal(t, `a\u001b[31m\u009b2J\u0007\nb\u202ec\udb40\udc41`, strings.TrimSuffix(strings.TrimPrefix(out.String(), `{"name":"`), "\"}\n"))
	var read map[string]string
	require.NoError(t, json.Unmarshal([]byte(out.String()), &read))
	require.Equal(t, hostile, read["name"])
	out.Reset()
	require.NoError(t, printJSON(&out, map[string]string{"name": "山田"}))
	require.Contains(t, out.String(), "\n  \"name\": \"山田\"\n")
}
