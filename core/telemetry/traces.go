package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	exportTimeout = 5 * time.Second
	// complaints is how often at most a collector that fails is logged.
	complaints = time.Minute
)

type traces struct {
	end    func(context.Context) error // of the provider
	tracer trace.Tracer
	sender *sender
}

// newTraces gives nil where no collector is named.
func newTraces(ctx context.Context, res *resource.Resource, getenv func(string) string, log *slog.Logger) (*traces, error) {
	endpoint, err := collector(getenv)
	if endpoint == "" || err != nil {
		return nil, err
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: true, InitialInterval: time.Second, MaxInterval: exportTimeout, MaxElapsedTime: exportTimeout}))
	if err != nil {
		return nil, err
	}
	s := newSender(exporter, log)
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(res), sdktrace.WithBatcher(s, sdktrace.WithExportTimeout(exportTimeout)))
	return &traces{end: provider.Shutdown, tracer: provider.Tracer("gatehouse"), sender: s}, nil
}

// collector is the URL that traces go to, by OpenTelemetry's rules: the variable for traces as it is, the general one with
// the path of traces behind it.
func collector(getenv func(string) string) (string, error) {
	name, raw := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	general := raw == ""
	if general {
		name, raw = "OTEL_EXPORTER_OTLP_ENDPOINT", getenv("OTEL_EXPORTER_OTLP_ENDPOINT")
	}
	if raw == "" {
		return "", nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%s: expected an http or https URL", name) // the URL may hold a password
	}
	if general {
		u = u.JoinPath("v1", "traces")
	}
	return u.String(), nil
}

func (t *traces) shutdown(ctx context.Context) error {
	stop := context.AfterFunc(ctx, t.sender.abandon) // or what is in flight would outlive us
	defer stop()
	return t.end(ctx)
}

// Span is the part of a trace that one request is. The zero Span records nothing.
type Span struct{ span trace.Span }

// StartRequest starts the span of a request, below the one that its traceparent header names (W3C Trace Context), and puts
// it into the context. route is the pattern that matched. Without a collector it does nothing and costs nothing. Of the
// request only method and route are kept: never path, query, body or other headers.
func (t *Telemetry) StartRequest(ctx context.Context, header http.Header, method, route string) (context.Context, Span) {
	if t.traces == nil {
		return ctx, Span{}
	}
	method = knownMethod(method)
	if route == "" {
		route = unmatched
	}
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	ctx, span := t.traces.tracer.Start(ctx, method+" "+route, //nolint:spancheck // the caller ends it
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route)))
	return ctx, Span{span} //nolint:spancheck // as above
}

// TraceParent is the traceparent header (W3C Trace Context) of the span that ctx is in, or empty where nothing traces.
func TraceParent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier.Get("traceparent")
}

// End ends the span with the answer's status; from 500 on it is a failed one.
func (s Span) End(status int) {
	if s.span == nil {
		return
	}
	s.span.SetAttributes(attribute.Int("http.response.status_code", status))
	if status >= http.StatusInternalServerError {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

// sender passes spans to the collector. It logs failures itself, and seldom: OpenTelemetry would write each to a handler
// that is global. What cannot be sent is dropped.
type sender struct {
	next sdktrace.SpanExporter
	log  *slog.Logger
	gone context.Context //nolint:containedctx // ends with the sender, not with a call
	quit context.CancelFunc

	mu     sync.Mutex
	silent time.Time // no complaint before
}

func newSender(next sdktrace.SpanExporter, log *slog.Logger) *sender {
	gone, quit := context.WithCancel(context.Background())
	return &sender{next: next, log: log, gone: gone, quit: quit}
}

// ExportSpans implements sdktrace.SpanExporter.
func (s *sender) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.gone, cancel) //nolint:contextcheck // the sender's end is the other reason to stop
	defer stop()
	if err := s.next.ExportSpans(ctx, spans); err != nil {
		s.complain(ctx, len(spans), err)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (s *sender) Shutdown(ctx context.Context) error {
	defer s.quit()
	return s.next.Shutdown(ctx)
}

func (s *sender) abandon() { s.quit() }

func (s *sender) complain(ctx context.Context, dropped int, err error) {
	s.mu.Lock()
	now := time.Now() //nolint:forbidigo // monotonic; only spaces the lines
	quiet := now.Before(s.silent)
	if !quiet {
		s.silent = now.Add(complaints)
	}
	s.mu.Unlock()
	if !quiet {
		s.log.WarnContext(ctx, "traces are not sent", "dropped", dropped, "error", reason(err))
	}
}

// reason leaves the URL out of an error, which may hold a password.
func reason(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error()
	}
	return err.Error()
}
