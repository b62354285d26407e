// Package logtest keeps what is logged, so that a test can read it.
package logtest

import (
	"bytes"
	"strings"
	"sync"
)

// Logs keeps what is written to it. It is safe for concurrent use.
type Logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String gives everything logged so far.
func (l *Logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Count says how often a text was logged so far.
func (l *Logs) Count(text string) int { return strings.Count(l.String(), text) }
