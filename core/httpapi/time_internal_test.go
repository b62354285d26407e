package httpapi

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTimeIsWrittenAsItsLayoutSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800, 253402300799).Draw(t, "s"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns")).In(time.FixedZone("x", 3600))
		text, err := Time(at).MarshalText()
		require.NoError(t, err)
		require.Equal(t, at.UTC().Format("2006-01-02T15:04:05.000000Z"), string(text))
	})
}
