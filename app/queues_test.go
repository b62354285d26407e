package app

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAQueueThatNoJobGoesThroughFailsTheStartWithOneLine(t *testing.T) {
	t.Parallel()
	set := map[string]string{"data_dir": t.TempDir(), "worker.queues": entry(t, map[string]any{"name": "mial", "concurrency": 2})}
	const says = "worker.queues[0].name: no job goes through mial; there are default, mail"
	a := loaded(t, set)
	err := a.Open(t.Context())
	a.Close(context.Background())
	require.ErrorIs(t, err, ErrUnknownName)
	require.ErrorContains(t, err, says)
	requireFinding(t, loaded(t, set).Examine(t.Context()), LevelFail, "worker.queues", says)
}

func TestQueuesThatJobsGoThroughMayHaveLimits(t *testing.T) {
	t.Parallel()
	a := loaded(t, map[string]string{"data_dir": t.TempDir(), "worker.queues": `[{"name":"default","concurrency":2},{"name":"mail","concurrency":3}]`})
	err := a.Open(t.Context())
	a.Close(context.Background())
	require.NoError(t, err)
}
