// Package telemetry is how the app is watched: log lines, metrics and traces. It takes care that none of them holds a
// secret, an e-mail address, a query or a body, that input forges no line and makes no label, and that nobody waits for a
// collector. Nothing here is global: a process can hold several.
package telemetry

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// Settings are the settings under "log". Traces go where OpenTelemetry's own variables say, and nowhere without them.
type Settings struct {
	Level  string `conf:"level" default:"info" enum:"debug,info,warn,error" doc:"the least severe lines that are written to stderr"`
	Format string `conf:"format" default:"auto" enum:"auto,json,text" doc:"how lines are written; auto is text on a terminal in development and json elsewhere"`
}

// Options are what Open needs beside settings.
type Options struct {
	Service     string                   // name and version in traces and metrics
	Version     string                   //
	Development bool                     // allows text on a terminal
	Writer      io.Writer                // of log lines; nil is stderr
	Getenv      func(name string) string // for OTEL_EXPORTER_OTLP_…ENDPOINT; nil is os.Getenv
}

// Telemetry holds the three. It is safe for concurrent use.
type Telemetry struct {
	log     *slog.Logger
	metrics *metrics
	traces  *traces // nil without a collector
}

// flushTimeout bounds Shutdown however long its context lasts: spans are not worth a late exit.
const flushTimeout = 2 * time.Second

// Open makes the logger and the instruments, and starts sending traces where a collector is named. It connects to nothing,
// so a collector that is away is no error. It fails on unknown settings and on a malformed collector URL.
func Open(ctx context.Context, s Settings, o Options) (*Telemetry, error) {
	if o.Writer == nil {
		o.Writer = os.Stderr
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	log, err := newLogger(s, o)
	if err != nil {
		return nil, err
	}
	res, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", o.Service), attribute.String("service.version", o.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(res, log, mostSeries)
	if err != nil {
		return nil, err
	}
	tr, err := newTraces(ctx, res, o.Getenv, log)
	if err != nil {
		return nil, errors.Join(err, m.shutdown(ctx))
	}
	return &Telemetry{log: log, metrics: m, traces: tr}, nil
}

// Logger is the guarded logger. Lines logged with a request's context carry its id.
func (t *Telemetry) Logger() *slog.Logger { return t.log }

// Handler answers /metrics in Prometheus' formats.
func (t *Telemetry) Handler() http.Handler { return t.metrics.handler }

// Shutdown sends the spans that are left, for two seconds at most, and drops those it cannot send.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flushTimeout)
	defer cancel()
	var traces error
	if t.traces != nil {
		traces = t.traces.shutdown(ctx)
	}
	return errors.Join(traces, t.metrics.shutdown(ctx))
}
