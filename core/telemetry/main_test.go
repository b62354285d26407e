package telemetry_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines collects what is logged; spans are sent from a goroutine.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// open starts telemetry that ends with the test. env is what Getenv finds.
func open(t testing.TB, format string, env map[string]string) (*telemetry.Telemetry, *lines) {
	t.Helper()
	out := &lines{}
	tel, err := telemetry.Open(t.Context(), telemetry.Settings{Level: "debug", Format: format}, telemetry.Options{
		Service: "gatehouse", Version: "v1.2.3", Writer: out, Getenv: func(name string) string { return env[name] },
	})
	require.NoError(t, err)
	return tel, out
}
