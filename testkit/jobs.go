package testkit

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
)

// WorkJobs works every job that is due, and those that come of it, before it returns. What fails waits for its next attempt
// and stays.
func (a *API) WorkJobs() {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), time.Minute)
	defer cancel()
	require.NoError(a.t, a.App.WorkJobs(ctx))
}
