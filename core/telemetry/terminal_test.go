package telemetry

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFormatIsTextOnATerminalInDevelopment(t *testing.T) {
	t.Parallel()
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0) // a character device, as a terminal is
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, device.Close()) })
	require.Equal(t, "text", format("auto", Options{Development: true, Writer: device}))
	require.Equal(t, "json", format("auto", Options{Writer: device}))
	require.Equal(t, "json", format("json", Options{Development: true, Writer: device}))
}
