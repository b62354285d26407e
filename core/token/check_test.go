package token

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestCheckRootTellsWithoutWriting(t *testing.T) {
	t.Parallel()
	eachStore(t, func(t *testing.T, s store) {
		first, second := newMasterKey(), newMasterKey()
		writes := 0
		db := s.open(t, func(_ context.Context, st database.Statement) {
			if st.SQL[:6] != "SELECT" {
				writes++
			}
		})
		check := func(keys string) (RootState, error) { return CheckRoot(t.Context(), db, secret.New(keys)) }

		state, err := check(first)
		require.NoError(t, err)
		require.Equal(t, RootMissing, state)

		_, err = OpenRoot(t.Context(), s.open(t, nil), secret.New(first), clock.System{})
		require.NoError(t, err)
		for keys, want := range map[string]RootState{first: RootOpens, first + "," + second: RootOpens, second + "," + first: RootPending} {
			state, err = check(keys)
			require.NoError(t, err)
			require.Equal(t, want, state)
		}
		for _, keys := range []string{second, "", "short"} {
			_, err = check(keys)
			require.ErrorIs(t, err, ErrMasterKey)
		}
		require.Zero(t, writes)
		state, err = check(first)
		require.NoError(t, err, "the wrapping was not changed")
		require.Equal(t, RootOpens, state)

		_, err = s.open(t, nil).Exec(t.Context(), "UPDATE gatehouse_installation SET wrapped_root = ?", make([]byte, 60))
		require.NoError(t, err)
		_, err = check(first)
		require.ErrorIs(t, err, ErrMasterKey)
		_, err = s.open(t, nil).Exec(t.Context(), "DROP TABLE gatehouse_installation")
		require.NoError(t, err)
		_, err = check(first)
		require.Error(t, err)
	})
}
