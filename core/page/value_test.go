package page

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A payload is authenticated before it is read; should a later version write another one, reading it must still not panic.
func TestReadValueRefusesACutPayload(t *testing.T) {
	t.Parallel()
	var (
		s    string
		n    int64
		i    int
		b    bool
		at   time.Time
		ps   *string
		text textual
	)
	for _, plain := range [][]byte{nil, {}, {kindText}, {kindText, 5, 'a'}, {kindText, 0x80}, {kindInt}, {kindInt, 0x80}, {kindBool}, {kindTime}, {99},
		{kindText, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}} {
		for _, target := range []any{&s, &n, &i, &b, &at, &ps, &text, nil} {
			_, ok := readValue(plain, target)
			require.False(t, ok)
		}
	}
}

type textual struct{}

func (*textual) UnmarshalText([]byte) error { return nil }
