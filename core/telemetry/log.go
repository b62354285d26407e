package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

const (
	requestIDAttr = "request_id"
	traceIDAttr   = "trace_id"
)

func newLogger(s Settings, o Options) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.Level)); err != nil {
		return nil, fmt.Errorf("log.level: %w", err)
	}
	ho := &slog.HandlerOptions{Level: level, ReplaceAttr: guard}
	var h slog.Handler
	switch format(s.Format, o) {
	case "json":
		h = slog.NewJSONHandler(o.Writer, ho)
	case "text":
		h = slog.NewTextHandler(o.Writer, ho)
	default:
		return nil, fmt.Errorf("log.format: unknown format %q", s.Format)
	}
	return slog.New(&contextHandler{root: h, inner: h}), nil
}

func format(set string, o Options) string {
	if set != "auto" {
		return set
	}
	if o.Development && isTerminal(o.Writer) {
		return "text"
	}
	return "json"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// contextHandler adds what the context knows at the root of every line, in whatever group the logger writes.
type contextHandler struct {
	root  slog.Handler                      // with the attributes from before the first group
	inner slog.Handler                      // with everything
	steps []func(slog.Handler) slog.Handler // from root to inner: the first group and what came after it
}

// Enabled implements slog.Handler.
func (h *contextHandler) Enabled(ctx context.Context, l slog.Level) bool {
	return h.root.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (h *contextHandler) Handle(ctx context.Context, r slog.Record) error {
	attrs := contextAttrs(ctx, r)
	switch {
	case len(attrs) == 0:
		return h.inner.Handle(ctx, r)
	case len(h.steps) == 0:
		r = r.Clone()
		r.AddAttrs(attrs...)
		return h.inner.Handle(ctx, r)
	}
	inner := h.root.WithAttrs(attrs)
	for _, step := range h.steps {
		inner = step(inner)
	}
	return inner.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) }, false)
}

// WithGroup implements slog.Handler.
func (h *contextHandler) WithGroup(name string) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) }, name != "")
}

func (h *contextHandler) with(step func(slog.Handler) slog.Handler, group bool) slog.Handler {
	inner := step(h.inner)
	if len(h.steps) == 0 && !group {
		return &contextHandler{root: inner, inner: inner}
	}
	steps := append(slices.Clip(h.steps), step)
	return &contextHandler{root: h.root, inner: inner, steps: steps}
}

// contextAttrs gives what the context knows and the line does not say itself.
func contextAttrs(ctx context.Context, r slog.Record) []slog.Attr {
	var attrs []slog.Attr
	if id := RequestID(ctx); id != "" && !has(r, requestIDAttr) {
		attrs = append(attrs, slog.String(requestIDAttr, id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		attrs = append(attrs, slog.String(traceIDAttr, sc.TraceID().String()))
	}
	return attrs
}

func has(r slog.Record, key string) bool {
	found := false
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}
