package telemetry_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/gatehouse/gatehouse/core/telemetry"
)

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

type sent struct {
	path string
	body []byte
}

// collect starts a collector that keeps what it is sent.
func collect(t *testing.T) (url string, got chan sent) {
	t.Helper()
	got = make(chan sent, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- sent{r.URL.Path, body}
	}))
	t.Cleanup(srv.Close)
	return srv.URL, got
}

func spans(t *testing.T, s sent) []*tracepb.Span {
	t.Helper()
	var req collectorpb.ExportTraceServiceRequest
	require.NoError(t, proto.Unmarshal(s.body, &req))
	require.Len(t, req.GetResourceSpans(), 1)
	require.Contains(t, req.GetResourceSpans()[0].GetResource().String(), "v1.2.3")
	return req.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()
}

func TestARequestIsASpanBelowItsTraceparent(t *testing.T) {
	t.Parallel()
	url, got := collect(t)
	tel, out := open(t, "json", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url})
	header := http.Header{"Traceparent": {traceparent}, "Authorization": {"Bearer " + marker}, "Cookie": {marker}, "Baggage": {"a=" + marker}}
	ctx, span := tel.StartRequest(t.Context(), header, "GET", "/users/{id}")
	tel.Logger().InfoContext(ctx, "inside")
	span.End(200)
	_, failed := tel.StartRequest(t.Context(), nil, marker, "")
	failed.End(503)
	require.NoError(t, tel.Shutdown(t.Context()))

	s := <-got
	require.Equal(t, "/v1/traces", s.path)
	require.NotContains(t, string(s.body), marker)
	all := spans(t, s)
	require.Len(t, all, 2)
	require.Equal(t, "GET /users/{id}", all[0].GetName())
	require.Equal(t, strings.Split(traceparent, "-")[1], hexOf(all[0].GetTraceId()))
	require.Equal(t, strings.Split(traceparent, "-")[2], hexOf(all[0].GetParentSpanId()))
	require.Equal(t, tracepb.Status_STATUS_CODE_UNSET, all[0].GetStatus().GetCode())
	require.Equal(t, "_other unmatched", all[1].GetName())
	require.Equal(t, tracepb.Status_STATUS_CODE_ERROR, all[1].GetStatus().GetCode())
	require.Contains(t, out.String(), `"trace_id":"0af7651916cd43dd8448eb211c80319c"`)
}

func hexOf(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b))
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

func TestTheTracesEndpointIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	url, got := collect(t)
	tel, _ := open(t, "json", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://192.0.2.1", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": url + "/mine"})
	_, span := tel.StartRequest(t.Context(), http.Header{"Traceparent": {"nonsense"}}, "GET", "/")
	span.End(200)
	require.NoError(t, tel.Shutdown(t.Context()))
	require.Equal(t, "/mine", (<-got).path)
}

func TestWithoutACollectorSpansCostNothing(t *testing.T) {
	t.Parallel()
	tel, _ := open(t, "json", nil)
	header := http.Header{"Traceparent": {traceparent}}
	ctx, span := tel.StartRequest(t.Context(), header, "GET", "/")
	require.Equal(t, t.Context(), ctx)
	span.End(200)
	require.NoError(t, tel.Shutdown(t.Context()))
}

func TestOpenRefusesAMalformedCollectorWithoutEchoingIt(t *testing.T) {
	t.Parallel()
	for _, endpoint := range []string{"collector:4318", "ftp://" + marker, "http://", "http://" + marker + "\x7f", "https://user:" + marker + "@[::1"} {
		_, err := telemetry.Open(t.Context(), telemetry.Settings{Level: "info", Format: "json"}, telemetry.Options{Getenv: func(name string) string {
			return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}[name]
		}})
		require.ErrorContains(t, err, "OTEL_EXPORTER_OTLP_ENDPOINT")
		require.NotContains(t, err.Error(), marker)
	}
}

func TestAnUnreachableCollectorDelaysNothing(t *testing.T) {
	t.Parallel()
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); silent.Close() })
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	t.Cleanup(refusing.Close)
	for name, url := range map[string]string{"refused": "http://user:" + marker + "@" + closed.Addr().String(), "silent": silent.URL, "refusing": refusing.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tel, out := open(t, "json", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": url})
			start := time.Now()
			for range 10000 {
				_, span := tel.StartRequest(t.Context(), nil, "GET", "/")
				span.End(200)
			}
			require.Less(t, time.Since(start), 4*time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start = time.Now()
			_ = tel.Shutdown(ctx) // may say that spans were dropped
			require.Less(t, time.Since(start), 4*time.Second)
			require.Eventually(t, func() bool { return strings.Contains(out.String(), "traces are not sent") }, 5*time.Second, 5*time.Millisecond)
			require.Equal(t, 1, strings.Count(out.String(), "traces are not sent"), "said once, not for every batch")
			require.NotContains(t, out.String(), marker)
		})
	}
}

func TestShutdownIsBoundedWithoutADeadline(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release); silent.Close() })
	tel, _ := open(t, "json", map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": silent.URL})
	_, span := tel.StartRequest(t.Context(), nil, "GET", "/")
	span.End(200)
	start := time.Now()
	require.Error(t, tel.Shutdown(context.Background()))
	require.Less(t, time.Since(start), 4*time.Second)
}

func BenchmarkStartRequestWithoutCollector(b *testing.B) {
	tel, _ := open(b, "json", nil)
	ctx, header := b.Context(), http.Header{"Traceparent": {traceparent}}
	b.ReportAllocs()
	for b.Loop() {
		_, span := tel.StartRequest(ctx, header, "GET", "/users/me")
		span.End(200)
	}
}
