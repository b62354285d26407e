package telemetry_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/gatehouse/gatehouse/core/telemetry"
	"github.com/gatehouse/gatehouse/core/telemetry/logtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open starts telemetry that ends with the test. env is what Getenv finds.
func open(t testing.TB, format string, env map[string]string) (*telemetry.Telemetry, *logtest.Logs) {
	t.Helper()
	out := &logtest.Logs{}
	tel, err := telemetry.Open(t.Context(), telemetry.Settings{Level: "debug", Format: format}, telemetry.Options{
		Service: "gatehouse", Version: "v1.2.3", Writer: out, Getenv: func(name string) string { return env[name] },
	})
	require.NoError(t, err)
	return tel, out
}
