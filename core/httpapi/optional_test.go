package httpapi_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/httpapi"
)

func TestOptionalTellsAbsenceFromEveryValue(t *testing.T) {
	t.Parallel()
	var no httpapi.Optional[bool]
	require.Nil(t, no.Pointer())
	require.NoError(t, no.UnmarshalText([]byte("false")))
	require.False(t, *no.Pointer())
	var at httpapi.Optional[httpapi.Time]
	require.NoError(t, at.UnmarshalText([]byte("0001-01-01T00:00:00Z")))
	require.NotNil(t, at.Pointer(), "the zero time was given")
	require.Error(t, at.UnmarshalText([]byte("now")))
	require.Error(t, (&httpapi.Optional[struct{}]{}).UnmarshalText(nil))
}
