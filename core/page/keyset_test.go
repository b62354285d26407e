package page_test

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/page"
)

var sorts = page.NewSorts("r.id", page.Column{Name: "size"}, page.Column{Name: "seen", SQL: "r.seen_at", Nullable: true})

func TestSegmentsAreTheSameTextForAnyInput(t *testing.T) {
	t.Parallel()
	var none *string
	at := &page.Position{Value: "'; DROP TABLE r --", ID: 2}
	never := &page.Position{Value: none, ID: 2}
	for _, c := range []struct {
		sort  string
		after *page.Position
		want  []page.Segment
	}{
		{"size", nil, []page.Segment{{"TRUE", nil, "size ASC, r.id ASC"}}},
		{"-size", at, []page.Segment{{"(size, r.id) < (?, ?)", []any{at.Value, 2}, "size DESC, r.id DESC"}}},
		{"size", at, []page.Segment{{"(size, r.id) > (?, ?)", []any{at.Value, 2}, "size ASC, r.id ASC"}}},
		{"seen", nil, []page.Segment{{"r.seen_at IS NULL", nil, "r.seen_at ASC NULLS FIRST, r.id ASC"}, {"r.seen_at IS NOT NULL", nil, "r.seen_at ASC NULLS FIRST, r.id ASC"}}},
		{"-seen", nil, []page.Segment{{"r.seen_at IS NOT NULL", nil, "r.seen_at DESC NULLS LAST, r.id DESC"}, {"r.seen_at IS NULL", nil, "r.seen_at DESC NULLS LAST, r.id DESC"}}},
		{"seen", at, []page.Segment{{"(r.seen_at, r.id) > (?, ?)", []any{at.Value, 2}, "r.seen_at ASC NULLS FIRST, r.id ASC"}}},
		{"-seen", at, []page.Segment{{"(r.seen_at, r.id) < (?, ?)", []any{at.Value, 2}, "r.seen_at DESC NULLS LAST, r.id DESC"}, {"r.seen_at IS NULL", nil, "r.seen_at DESC NULLS LAST, r.id DESC"}}},
		{"seen", never, []page.Segment{{"r.seen_at IS NULL AND r.id > ?", []any{2}, "r.seen_at ASC NULLS FIRST, r.id ASC"}, {"r.seen_at IS NOT NULL", nil, "r.seen_at ASC NULLS FIRST, r.id ASC"}}},
		{"-seen", &page.Position{ID: 2}, []page.Segment{{"r.seen_at IS NULL AND r.id < ?", []any{2}, "r.seen_at DESC NULLS LAST, r.id DESC"}}},
	} {
		k, err := sorts.Parse(c.sort)
		require.NoError(t, err)
		require.Equal(t, c.sort, k.Sort())
		require.Equal(t, strings.TrimPrefix(c.sort, "-"), k.Name())
		require.Equal(t, c.want, k.Segments(c.after), c.sort)
	}
}

func TestParseRefusesSortsThatAreNotListed(t *testing.T) {
	t.Parallel()
	for _, sort := range []string{"", "-", "--size", "Size", "size ", "+size", "id", "r.seen_at", "size desc", "size;"} {
		_, err := sorts.Parse(sort)
		require.Same(t, page.ErrSort, err, sort)
	}
}

func TestNewSortsPanicsOnWhatIsNoIdentifier(t *testing.T) {
	t.Parallel()
	for _, c := range []page.Column{{Name: "a b"}, {Name: "a", SQL: "lower(a)"}, {Name: ""}, {Name: "a", SQL: "a.b.c"}} {
		require.Panics(t, func() { page.NewSorts("id", c) })
	}
	require.Panics(t, func() { page.NewSorts("id; --", page.Column{Name: "a"}) })
}

func TestCollectStopsAtAFault(t *testing.T) {
	t.Parallel()
	want := errors.New("away")
	_, err := page.Collect(make([]page.Segment, 2), 5, func(page.Segment, int) ([]int, error) { return nil, want })
	require.ErrorIs(t, err, want)
}

type row struct {
	id   int64
	size string
	seen *int64
}

// TestWalkingMeetsEveryRowOnce walks random rows, with equal values and nulls, in pages of random and changing sizes, and
// compares with a sort in memory.
func TestWalkingMeetsEveryRowOnce(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE r (id INTEGER PRIMARY KEY, size TEXT NOT NULL, seen_at INTEGER) STRICT; CREATE INDEX r_size ON r (size, id); CREATE INDEX r_seen ON r (seen_at, id)`)
	require.NoError(t, err)
	c := codec(3)
	rapid.Check(t, func(t *rapid.T) {
		_, err := db.Exec("DELETE FROM r")
		require.NoError(t, err)
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) row {
			return row{size: rapid.StringOfN(rapid.RuneFrom([]rune("ab%_'é")), 0, 2, -1).Draw(t, "size"), seen: rapid.Ptr(rapid.Int64Range(0, 3), true).Draw(t, "seen")}
		}), 0, 30).Draw(t, "rows")
		for i := range rows {
			rows[i].id = int64(i + 1)
			_, err := db.Exec("INSERT INTO r VALUES (?, ?, ?)", rows[i].id, rows[i].size, rows[i].seen)
			require.NoError(t, err)
		}
		sort := rapid.SampledFrom([]string{"size", "-size", "seen", "-seen"}).Draw(t, "sort")
		require.Equal(t, expected(rows, sort), walk(t, db, c, sort, len(rows)))
	})
}

func expected(rows []row, sort string) []int64 {
	ordered := slices.Clone(rows)
	slices.SortFunc(ordered, func(a, b row) int {
		if strings.HasSuffix(sort, "size") {
			return cmp.Or(cmp.Compare(a.size, b.size), cmp.Compare(a.id, b.id))
		}
		return cmp.Or(cmp.Compare(order(a.seen), order(b.seen)), cmp.Compare(a.id, b.id))
	})
	if sort[0] == '-' {
		slices.Reverse(ordered)
	}
	return ids(ordered)
}

func order(seen *int64) int64 {
	if seen == nil {
		return -1
	}
	return *seen
}

func ids(rows []row) []int64 {
	out := []int64{}
	for _, r := range rows {
		out = append(out, r.id)
	}
	return out
}

func walk(t *rapid.T, db *sql.DB, c *page.Codec, sort string, rows int) []int64 {
	k, err := sorts.Parse(sort)
	require.NoError(t, err)
	scope := page.Scope("rows.list", k.Sort())
	met := []int64{}
	var cursor *string
	for range rows + 2 {
		limit := rapid.IntRange(1, 7).Draw(t, "limit")
		items, err := page.Collect(k.Segments(position(t, c, k, scope, cursor)), limit+1, func(s page.Segment, n int) ([]row, error) {
			return read(db, s, n)
		})
		require.NoError(t, err)
		p, err := page.Cut(items, limit, func(last row) (string, error) {
			if k.Name() == "size" {
				return c.Encode(scope, last.size, last.id)
			}
			return c.Encode(scope, last.seen, last.id)
		})
		require.NoError(t, err)
		require.LessOrEqual(t, len(p.Items), limit)
		met = append(met, ids(p.Items)...)
		if p.NextCursor == nil {
			return met
		}
		cursor = p.NextCursor
	}
	t.Fatal("the walk does not end")
	return nil
}

func position(t *rapid.T, c *page.Codec, k page.Keyset, scope string, cursor *string) *page.Position {
	if cursor == nil {
		return nil
	}
	var id int64
	if k.Name() == "size" {
		var size string
		require.NoError(t, c.Decode(scope, *cursor, &size, &id))
		return &page.Position{Value: size, ID: id}
	}
	var seen *int64
	require.NoError(t, c.Decode(scope, *cursor, &seen, &id))
	return &page.Position{Value: seen, ID: id}
}

func read(db *sql.DB, s page.Segment, n int) (out []row, err error) {
	rows, err := db.Query(fmt.Sprintf("SELECT r.id, r.size, r.seen_at FROM r WHERE %s ORDER BY %s LIMIT ?", s.Where, s.OrderBy), append(s.Args, n)...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.id, &r.size, &r.seen); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

func TestSegmentsAreServedByTheIndexWithoutASort(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("sqlite", ":memory:")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	_, err = db.Exec(`CREATE TABLE r (id TEXT PRIMARY KEY, size TEXT NOT NULL, seen_at INTEGER) STRICT; CREATE INDEX r_size ON r (size, id); CREATE INDEX r_seen ON r (seen_at, id)`)
	require.NoError(t, err)
	for _, sort := range []string{"size", "-size", "seen", "-seen"} {
		k, err := sorts.Parse(sort)
		require.NoError(t, err)
		for _, after := range []*page.Position{nil, {Value: 1, ID: "a"}, {ID: "a"}} {
			for _, s := range k.Segments(after) {
				var id, parent, unused int
				var detail string
				require.NoError(t, db.QueryRow("EXPLAIN QUERY PLAN SELECT * FROM r WHERE "+s.Where+" ORDER BY "+s.OrderBy+" LIMIT 5", s.Args...).Scan(&id, &parent, &unused, &detail))
				require.Contains(t, detail, "USING INDEX r_s", s.Where)
				if after != nil || k.Name() == "seen" {
					require.Contains(t, detail, "SEARCH", s.Where)
				}
			}
		}
	}
}

func TestARangeHasOneConditionAtEachEnd(t *testing.T) {
	t.Parallel()
	at, end := &page.Position{Value: 5, ID: 2}, &page.Position{Value: 7, ID: 3}
	for _, c := range []struct {
		sort   string
		bounds page.Bounds
		after  *page.Position
		where  string
		args   []any
	}{
		{"size", page.Bounds{From: 1, Before: 9}, nil, "size >= ? AND size < ?", []any{1, 9}},
		{"size", page.Bounds{After: 1}, nil, "size > ?", []any{1}},
		{"-size", page.Bounds{Before: 9}, nil, "size < ?", []any{9}},
		{"size", page.Bounds{From: 1, Before: 9}, at, "(size, r.id) > (?, ?) AND size < ?", []any{5, 2, 9}},
		{"-size", page.Bounds{After: 1, Before: 9}, at, "size > ? AND (size, r.id) < (?, ?)", []any{1, 5, 2}},
		{"size", page.Bounds{From: 1, Before: 9, Through: end}, nil, "size >= ? AND (size, r.id) <= (?, ?)", []any{1, 7, 3}},
		{"size", page.Bounds{From: 1, Before: 9, Through: end}, at, "(size, r.id) > (?, ?) AND (size, r.id) <= (?, ?)", []any{5, 2, 7, 3}},
		{"-size", page.Bounds{From: 1, Before: 9, Through: at}, end, "(size, r.id) >= (?, ?) AND (size, r.id) < (?, ?)", []any{5, 2, 7, 3}},
	} {
		k, err := sorts.Parse(c.sort)
		require.NoError(t, err)
		segments := k.Between(c.bounds).Segments(c.after)
		require.Len(t, segments, 1)
		require.Equal(t, c.where, segments[0].Where)
		require.Equal(t, c.args, segments[0].Args)
	}
	seen, err := sorts.Parse("seen")
	require.NoError(t, err)
	require.Equal(t, "r.seen_at", seen.Column())
	require.Panics(t, func() { seen.Between(page.Bounds{From: 1}) })
}
