package commonpasswords

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestTheListIsSortedUniqueAndLongEnough(t *testing.T) {
	t.Parallel()
	require.True(t, strings.HasSuffix(List, "\n"))
	entries := strings.Split(strings.TrimSuffix(List, "\n"), "\n")
	require.Greater(t, len(entries), 10_000)
	require.True(t, slices.IsSorted(entries))
	require.Len(t, slices.Compact(slices.Clone(entries)), len(entries))
	for _, entry := range entries {
		require.GreaterOrEqual(t, utf8.RuneCountInString(entry), 8, "entry %q", entry)
		require.Equal(t, strings.TrimSpace(entry), entry)
	}
}

func TestTheReadmeStatesTheChecksumOfTheList(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(List))
	require.Contains(t, string(readme), hex.EncodeToString(sum[:]))
}
