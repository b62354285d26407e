package page_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/page"
)

func TestPageNeverMarshalsItemsAsNull(t *testing.T) {
	t.Parallel()
	p, err := page.Cut[int](nil, 5, nil)
	require.NoError(t, err)
	b, err := json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, `{"items":[],"next_cursor":null}`, string(b))
}

func TestCutMakesACursorOnlyWhereMoreWasRead(t *testing.T) {
	t.Parallel()
	cursor := func(last int) (string, error) { return "after" + string(rune('0'+last)), nil }
	p, err := page.Cut([]int{1, 2, 3}, 3, cursor)
	require.NoError(t, err)
	require.Nil(t, p.NextCursor)
	p, err = page.Cut([]int{1, 2, 3, 4}, 3, cursor)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2, 3}, p.Items)
	require.Equal(t, "after3", *p.NextCursor)
	want := errors.New("no")
	_, err = page.Cut([]int{1, 2}, 1, func(int) (string, error) { return "", want })
	require.ErrorIs(t, err, want)
}

func TestLimitHasBoundsAndADefault(t *testing.T) {
	t.Parallel()
	n, err := page.Limit(nil)
	require.NoError(t, err)
	require.Equal(t, page.DefaultLimit, n)
	for asked, ok := range map[int]bool{-1: false, 0: false, 1: true, 100: true, 101: false} {
		n, err := page.Limit(&asked)
		require.Equal(t, ok, err == nil, asked)
		if ok {
			require.Equal(t, asked, n)
		}
	}
}

func TestErrorsNameTheirParameter(t *testing.T) {
	t.Parallel()
	for parameter, e := range map[string]*errs.Error{"cursor": page.ErrCursor, "limit": page.ErrLimit, "sort": page.ErrSort} {
		require.Equal(t, 400, e.Status())
		require.ErrorIs(t, e, errs.ErrValidation)
		require.Len(t, e.Fields(), 1)
		require.Equal(t, parameter, e.Fields()[0].Parameter)
	}
	require.Equal(t, errs.InvalidFormat, page.ErrCursor.Fields()[0].Code)
}

func TestMapKeepsTheCursor(t *testing.T) {
	t.Parallel()
	next := "next"
	p := page.Map(page.New([]int{1, 2}, &next), func(n int) string { return string(rune('0' + n)) })
	require.Equal(t, []string{"1", "2"}, p.Items)
	require.Equal(t, "next", p.Next())
	require.Empty(t, page.Map(page.New[int](nil, nil), func(n int) int { return n }).Next())
}
