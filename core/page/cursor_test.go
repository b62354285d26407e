package page_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/page"
)

func codec(fill byte) *page.Codec { return page.NewCodec(bytes.Repeat([]byte{fill}, page.KeySize)) }

func TestCursorGivesBackEveryType(t *testing.T) {
	t.Parallel()
	c := codec(1)
	rapid.Check(t, func(t *rapid.T) {
		scope := rapid.String().Draw(t, "scope")
		text, n, yes := string(rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "text")), rapid.Int64().Draw(t, "n"), rapid.Bool().Draw(t, "yes")
		at := time.UnixMicro(rapid.Int64Range(-1<<50, 1<<50).Draw(t, "at")).UTC()
		id := account.NewID()
		cursor, err := c.Encode(scope, text, n, int(n), yes, at, id, &text, &n, &yes, &at, (*string)(nil), (*time.Time)(nil), nil)
		require.NoError(t, err)
		var (
			text2, ptext2, none *string
			n2, pn2             int64
			i2                  int
			yes2, pyes2         *bool
			at2                 time.Time
			pat2, never         *time.Time
			id2                 account.ID
			nothing             *int64
		)
		require.NoError(t, c.Decode(scope, cursor, &text2, &n2, &i2, &yes2, &at2, &id2, &ptext2, &pn2, &pyes2, &pat2, &none, &never, &nothing))
		require.Equal(t, []any{text, n, int(n), yes, at, id, text, n, yes, at}, []any{*text2, n2, i2, *yes2, at2, id2, *ptext2, pn2, *pyes2, *pat2})
		require.Nil(t, none)
		require.Nil(t, never)
		require.Nil(t, nothing)
	})
}

func TestCursorOfAnotherScopeKeyOrShapeIsRefused(t *testing.T) {
	t.Parallel()
	c := codec(1)
	scope := page.Scope("users.list", "-created_at", "role=admin")
	cursor, err := c.Encode(scope, "a", int64(1))
	require.NoError(t, err)
	var (
		s  string
		n  int64
		b  bool
		at time.Time
		id account.ID
		p  *bool
	)
	require.NoError(t, c.Decode(scope, cursor, &s, &n))
	for _, other := range []string{
		"", page.Scope("users.list", "created_at", "role=admin"), page.Scope("users.list", "-created_at"), page.Scope("users.list", "-created_at", "role=admin", ""),
		page.Scope("users.list-created_at", "role=admin"), page.Scope("users.lis", "t-created_at", "role=admin"),
	} {
		require.Same(t, page.ErrCursor, c.Decode(other, cursor, &s, &n))
	}
	require.Same(t, page.ErrCursor, codec(2).Decode(scope, cursor, &s, &n))
	for _, into := range [][]any{{}, {&s}, {&s, &n, &s}, {&n, &s}, {&b, &n}, {&at, &n}, {&id, &n}, {&p, &n}, {&s, &b}, {s, n}, {&s, &n, &p}} {
		require.Same(t, page.ErrCursor, c.Decode(scope, cursor, into...))
	}
}

func TestForgedCursorIsRefused(t *testing.T) {
	t.Parallel()
	c := codec(1)
	cursor, err := c.Encode("s", "some position")
	require.NoError(t, err)
	var s string
	for i := range cursor {
		changed := []byte(cursor)
		changed[i] = 'A'
		if cursor[i] == 'A' {
			changed[i] = 'B'
		}
		require.Same(t, page.ErrCursor, c.Decode("s", string(changed), &s), i)
		require.Same(t, page.ErrCursor, c.Decode("s", cursor[:i], &s))
		require.Same(t, page.ErrCursor, c.Decode("s", cursor[:i]+"\n"+cursor[i:], &s))
	}
	for _, other := range []string{cursor + "A", cursor + "=", cursor + "\n", " " + cursor, strings.Repeat("A", page.MaxCursor+1), strings.Repeat("A", page.MaxCursor), "!"} {
		require.Same(t, page.ErrCursor, c.Decode("s", other, &s))
	}
}

func TestCursorHidesItsValues(t *testing.T) {
	t.Parallel()
	cursor, err := codec(1).Encode("s", "ada@example.org")
	require.NoError(t, err)
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "ada")
	again, err := codec(1).Encode("s", "ada@example.org")
	require.NoError(t, err)
	require.NotEqual(t, cursor, again)
}

func TestCursorLengthIsBounded(t *testing.T) {
	t.Parallel()
	c := codec(1)
	cursor, err := c.Encode("s", strings.Repeat("\U0001F600", 100), account.NewID(), strings.Repeat("a", 254))
	require.NoError(t, err)
	require.LessOrEqual(t, len(cursor), page.MaxCursor)
	_, err = c.Encode("s", strings.Repeat("a", 1600))
	require.ErrorIs(t, err, page.ErrTooLong)
}

type unmarshalable struct{}

var errText = errors.New("no text")

func (unmarshalable) MarshalText() ([]byte, error) { return nil, errText }

func TestEncodeRefusesWhatACursorCannotHold(t *testing.T) {
	t.Parallel()
	_, err := codec(1).Encode("s", 1.5)
	require.ErrorContains(t, err, "float64")
	_, err = codec(1).Encode("s", unmarshalable{})
	require.ErrorIs(t, err, errText)
	require.Panics(t, func() { page.NewCodec([]byte("short")) })
}

// FuzzDecode holds that no text is a cursor but those that Encode made.
func FuzzDecode(f *testing.F) {
	c := codec(1)
	cursor, err := c.Encode("s", "a", nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(cursor, "s")
	f.Add(cursor, "t")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, text, scope string) {
		var a string
		var b *time.Time
		err := c.Decode(scope, text, &a, &b)
		if err == nil && (scope != "s" || a != "a" || b != nil) {
			t.Fatalf("%q is a cursor of %q", text, scope)
		}
		if err != nil && !errors.Is(err, page.ErrCursor) {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

func BenchmarkCursor(b *testing.B) {
	c, id, at := codec(1), account.NewID(), time.Unix(1e9, 0)
	b.ReportAllocs()
	for b.Loop() {
		cursor, _ := c.Encode("scope", at, id)
		var at2 time.Time
		var id2 account.ID
		if c.Decode("scope", cursor, &at2, &id2) != nil {
			b.Fatal("refused")
		}
	}
}
