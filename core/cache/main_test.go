package cache

import (
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var start = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

func newClock() *clock.Fake { return clock.NewFake(start) }

var silent = slog.New(slog.NewTextHandler(io.Discard, nil))

var namespaces atomic.Int64

// uniqueNamespace keeps the keys of one test apart from every other's, those of earlier runs included.
func uniqueNamespace() func() string {
	id := fmt.Sprintf("%d-%d", time.Now().UnixNano(), namespaces.Add(1))
	return func() string { return id }
}

func connect(t *testing.T, url secret.String, namespace func() string, logger *slog.Logger) *Redis {
	t.Helper()
	return connectWithin(t, 5*time.Second, url, namespace, logger)
}

// connectWithin is connect where no call may take longer, for tests of servers that say nothing.
func connectWithin(t *testing.T, timeout time.Duration, url secret.String, namespace func() string, logger *slog.Logger) *Redis {
	t.Helper()
	r, err := OpenRedis(RedisSettings{URL: url, Prefix: "gatehouse-test", Timeout: timeout}, namespace, logger)
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r
}
