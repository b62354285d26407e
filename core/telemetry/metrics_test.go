package telemetry_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/telemetry"
)

func scrape(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func TestRequestsAreCountedByPatternMethodAndStatus(t *testing.T) {
	t.Parallel()
	tel, _ := open(t, "json", nil)
	for range 3 {
		tel.RecordRequest(t.Context(), "GET", "/users/{id}", 200, 3*time.Millisecond)
	}
	tel.RecordRequest(t.Context(), "POST", "/users/{id}", 405, time.Millisecond)
	tel.RecordRequest(t.Context(), "SECRET-"+marker, "", 404, time.Millisecond)
	got := scrape(t, tel)
	for _, want := range []string{
		`http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/users/{id}"} 3`,
		`http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/users/{id}",le="0.0025"} 0`,
		`http_server_request_duration_seconds_bucket{http_request_method="GET",http_response_status_code="200",http_route="/users/{id}",le="0.005"} 3`,
		`http_server_request_duration_seconds_count{http_request_method="POST",http_response_status_code="405",http_route="/users/{id}"} 1`,
		`http_server_request_duration_seconds_count{http_request_method="_other",http_response_status_code="404",http_route="unmatched"} 1`,
		`target_info{service_name="gatehouse",service_version="v1.2.3"} 1`,
		"go_goroutines ", "process_resident_memory_bytes ",
	} {
		require.Contains(t, got, want)
	}
	require.NotContains(t, got, marker)
	require.NotContains(t, got, "otel_scope")
}

func TestGaugesAndCountersAreReadAtEachScrape(t *testing.T) {
	t.Parallel()
	tel, _ := open(t, "json", nil)
	value := 1.0
	require.NoError(t, tel.Gauge("database.pool.in_use", "{connection}", "connections in use", func() float64 { return value }))
	require.NoError(t, tel.CounterFunc("hash.refused", "{hash}", "hashes refused", func() float64 { return 7 }))
	add, err := tel.Counter("mail.sent", "{mail}", "mails sent")
	require.NoError(t, err)
	add(t.Context(), 2)
	add(t.Context(), 3)
	got := scrape(t, tel)
	require.Contains(t, got, "# HELP database_pool_in_use connections in use\n# TYPE database_pool_in_use gauge\ndatabase_pool_in_use 1\n")
	require.Contains(t, got, "hash_refused_total 7\n")
	require.Contains(t, got, "mail_sent_total 5\n")
	value = 2
	require.Contains(t, scrape(t, tel), "database_pool_in_use 2\n")
	for _, err := range []error{
		tel.Gauge("1 bad name", "1", "d", func() float64 { return 0 }),
		tel.CounterFunc("1 bad name", "1", "d", func() float64 { return 0 }),
	} {
		require.Error(t, err)
	}
	_, err = tel.Counter("1 bad name", "1", "d")
	require.Error(t, err)
}

func TestMetricsStayOutOfTheGlobalRegistry(t *testing.T) {
	t.Parallel()
	tel, _ := open(t, "json", nil)
	tel.RecordRequest(t.Context(), "GET", "/", 200, 0)
	families, err := prometheus.DefaultGatherer.Gather()
	require.NoError(t, err)
	for _, f := range families {
		require.NotContains(t, f.GetName(), "http_server")
	}
}

func BenchmarkRecordRequest(b *testing.B) {
	tel, _ := open(b, "json", nil)
	ctx := b.Context()
	tel.RecordRequest(ctx, "GET", "/users/me", 200, time.Millisecond)
	b.ReportAllocs()
	for b.Loop() {
		tel.RecordRequest(ctx, "GET", "/users/me", 200, time.Millisecond)
	}
}

func BenchmarkRecordRequestParallel(b *testing.B) {
	tel, _ := open(b, "json", nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			tel.RecordRequest(context.Background(), "GET", "/users/me", 200, time.Millisecond)
		}
	})
}

func TestLabelsTellGaugesOfOneNameApart(t *testing.T) {
	t.Parallel()
	tel, _ := open(t, "json", nil)
	require.NoError(t, tel.GaugeBy("push.alive", "1", "alive", "channel", map[string]func() float64{
		"postgres": func() float64 { return 1 }, "redis": func() float64 { return 0 },
	}))
	got := scrape(t, tel)
	require.Contains(t, got, `push_alive_ratio{channel="postgres"} 1`)
	require.Contains(t, got, `push_alive_ratio{channel="redis"} 0`)
}
