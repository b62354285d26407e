package telemetry

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
)

const (
	// mostSeries bounds the series of one instrument. Routes are patterns from code, so it is never met.
	mostSeries    = 2000
	scrapeTimeout = 5 * time.Second

	other     = "_other"    // a method that HTTP does not define, or a series too many
	unmatched = "unmatched" // a request that no route took
)

// durations are the bounds of the request histogram in seconds: cached reads lie around the first, password hashes around
// the middle, overload at the end.
var durations = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

type metrics struct {
	shutdown func(context.Context) error // of the provider, whose type would take its generic code along to every package that knows ours
	meter    metric.Meter
	handler  http.Handler
	requests metric.Float64Histogram

	// series holds the attributes of each kind of request, made once. Readers take the map as it is; the rare writer copies.
	most    int
	series  atomic.Pointer[map[seriesKey][]metric.RecordOption]
	writing sync.Mutex
	spill   []metric.RecordOption
}

type seriesKey struct {
	method, route string
	status        int
}

func newMetrics(res *resource.Resource, log *slog.Logger, most int) (*metrics, error) {
	registry := prometheus.NewRegistry()
	for _, c := range []prometheus.Collector{collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	reader, err := otelprom.New(otelprom.WithRegisterer(registry), otelprom.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(res),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter), sdkmetric.WithCardinalityLimit(most))
	m := &metrics{shutdown: provider.Shutdown, meter: provider.Meter("gatehouse"), most: most}
	m.requests, err = m.meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("How long requests took, by route pattern, method and status."), metric.WithExplicitBucketBoundaries(durations...))
	if err != nil {
		return nil, err
	}
	m.series.Store(&map[seriesKey][]metric.RecordOption{})
	m.spill = attributes(other, other, 0)
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn), ErrorHandling: promhttp.ContinueOnError, Timeout: scrapeTimeout,
	})
	return m, nil
}

// RecordRequest counts one finished request. route is the pattern that matched, never the path; empty says that none did.
// A method that HTTP does not define counts as _other, since it would be a label from input.
func (t *Telemetry) RecordRequest(ctx context.Context, method, route string, status int, elapsed time.Duration) {
	m := t.metrics
	key := seriesKey{knownMethod(method), route, status}
	options, ok := (*m.series.Load())[key]
	if !ok {
		options = m.learn(key)
	}
	m.requests.Record(ctx, elapsed.Seconds(), options...)
}

// learn makes the attributes of a kind of request that is met for the first time.
func (m *metrics) learn(key seriesKey) []metric.RecordOption {
	m.writing.Lock()
	defer m.writing.Unlock()
	old := *m.series.Load()
	if options, ok := old[key]; ok {
		return options
	}
	if len(old) >= m.most-2 { // beside the spill and OpenTelemetry's own overflow
		return m.spill
	}
	route := key.route
	if route == "" {
		route = unmatched
	}
	options := attributes(key.method, route, key.status)
	series := maps.Clone(old)
	series[key] = options
	m.series.Store(&series)
	return options
}

func attributes(method, route string, status int) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
		attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.Int("http.response.status_code", status)))}
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return method
	}
	return other
}

// Gauge shows what read gives at each scrape. name has dots, "database.pool.in_use"; unit is a UCUM unit or a word in
// braces, "s", "By", "{connection}", or "1". read must be quick and safe for concurrent use.
func (t *Telemetry) Gauge(name, unit, doc string, read func() float64) error {
	_, err := t.metrics.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc),
		metric.WithFloat64Callback(observe(read)))
	return err
}

// GaugeBy shows several numbers under one name, told apart by the label, whose values come from code and never from input.
// Otherwise as Gauge.
func (t *Telemetry) GaugeBy(name, unit, doc, label string, read map[string]func() float64) error {
	_, err := t.metrics.meter.Float64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(doc),
		metric.WithFloat64Callback(func(_ context.Context, o metric.Float64Observer) error {
			for value, number := range read {
				o.Observe(number(), metric.WithAttributes(attribute.String(label, value)))
			}
			return nil
		}))
	return err
}

// CounterFunc shows a total that only grows, kept elsewhere and given by read at each scrape; otherwise as Gauge.
func (t *Telemetry) CounterFunc(name, unit, doc string, read func() float64) error {
	_, err := t.metrics.meter.Float64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(doc),
		metric.WithFloat64Callback(observe(read)))
	return err
}

// Counter makes a total that only grows, and gives what adds to it.
func (t *Telemetry) Counter(name, unit, doc string) (add func(ctx context.Context, n int64), err error) {
	c, err := t.metrics.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, n int64) { c.Add(ctx, n) }, nil
}

// CounterBy is Counter with labels, whose values must come from the program and never from input.
func (t *Telemetry) CounterBy(name, unit, doc string, labels ...string) (add func(ctx context.Context, n int64, values ...string), err error) {
	c, err := t.metrics.meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(doc))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, n int64, values ...string) {
		attrs := make([]attribute.KeyValue, len(labels))
		for i, label := range labels {
			attrs[i] = attribute.String(label, values[i])
		}
		c.Add(ctx, n, metric.WithAttributes(attrs...))
	}, nil
}

func observe(read func() float64) metric.Float64Callback {
	return func(_ context.Context, o metric.Float64Observer) error {
		o.Observe(read())
		return nil
	}
}
