package job

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quietFor is how long a warning of River's is not repeated: while the database is away every loop of River's would warn
// at each turn.
const quietFor = time.Minute

// quiet passes on what River warns of, each message once in quietFor. What it tells beside that is about itself, or is told
// by attempts. The messages are River's own texts, of which there are some dozens.
type quiet struct {
	slog.Handler
	said *said
}

// said is when each message was passed on last.
type said struct {
	mu   sync.Mutex
	last map[string]time.Time
}

func newQuiet(h slog.Handler) quiet { return quiet{h, &said{last: map[string]time.Time{}}} }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	if q.said.lately(r.Message, r.Time) {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

func (s *said) lately(message string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[message]; ok && now.Sub(last) < quietFor {
		return true
	}
	s.last[message] = now
	return false
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quiet{q.Handler.WithAttrs(attrs), q.said}
}

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name), q.said} }
