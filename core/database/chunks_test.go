package database

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRowsAreWrittenInFewSizesAndInOrder(t *testing.T) {
	t.Parallel()
	rows := make([]int, 64+64+8+8+8+3)
	for i := range rows {
		rows[i] = i
	}
	var sizes, all []int
	require.NoError(t, InChunks(rows, func(chunk []int) error {
		sizes, all = append(sizes, len(chunk)), append(all, chunk...)
		return nil
	}))
	require.Equal(t, []int{64, 64, 8, 8, 8, 1, 1, 1}, sizes)
	require.Equal(t, rows, all)
	require.NoError(t, InChunks(nil, func([]int) error { return errors.New("there is nothing to write") }))
	full, calls := errors.New("the disk is full"), 0
	require.ErrorIs(t, InChunks(rows, func([]int) error { calls++; return full }), full)
	require.Equal(t, 1, calls)
}
