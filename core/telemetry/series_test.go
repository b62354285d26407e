package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/sdk/resource"
)

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	m, err := newMetrics(resource.Empty(), slog.New(slog.DiscardHandler), 50)
	require.NoError(t, err)
	tel := &Telemetry{metrics: m}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 200 {
				tel.RecordRequest(context.Background(), "GET", fmt.Sprintf("/%d/%d", i%2, j), 200, 0)
			}
		})
	}
	wg.Wait()
	require.Len(t, *m.series.Load(), 48)
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	got := w.Body.String()
	require.Equal(t, 49, strings.Count(got, "http_server_request_duration_seconds_count{"))
	require.Contains(t, got, `{http_request_method="_other",http_response_status_code="0",http_route="_other"}`)
	require.NotContains(t, got, "otel_metric_overflow")
}
