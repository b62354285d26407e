package token

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestASealedValueOpensWhereItBelongsAlone(t *testing.T) {
	t.Parallel()
	root, other := newRoot(), newRoot()
	plain := []byte("a secret of somebody's")
	sealed, err := root.Seal("notes.key", plain, "row 1")
	require.NoError(t, err)
	require.False(t, bytes.Contains(sealed, plain[:8]))
	opened, err := root.Open("notes.key", sealed, "row 1")
	require.NoError(t, err)
	require.Equal(t, plain, opened)
	again, err := root.Seal("notes.key", plain, "row 1")
	require.NoError(t, err)
	require.NotEqual(t, sealed, again)

	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"another purpose":      func() ([]byte, error) { return root.Open("notes.other", sealed, "row 1") },
		"another row":          func() ([]byte, error) { return root.Open("notes.key", sealed, "row 2") },
		"another installation": func() ([]byte, error) { return other.Open("notes.key", sealed, "row 1") },
		"changed":              func() ([]byte, error) { return root.Open("notes.key", changed, "row 1") },
		"cut":                  func() ([]byte, error) { return root.Open("notes.key", sealed[:5], "row 1") },
		"nothing":              func() ([]byte, error) { return root.Open("notes.key", nil, "row 1") },
	} {
		_, err := open()
		require.ErrorIs(t, err, ErrSealed, name)
	}
}
