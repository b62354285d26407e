package config_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse/gatehouse/core/config"
)

func TestSizeReadsPlainBytesAndBinaryUnits(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Size{
		"0": 0, "1": 1, "65536": 65536, "64KiB": 65536, "1MiB": 1 << 20, "3GiB": 3 << 30, "2TiB": 2 << 40, "9223372036854775807": math.MaxInt64,
	} {
		var s config.Size
		require.NoError(t, s.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, s)
	}
	for _, text := range []string{"", "-1", "+1", "1 MiB", "1MB", "1mib", "1.5MiB", "MiB", "B", "9223372036854775808", "8388608TiB", "-1KiB", "1KiBKiB"} {
		var s config.Size
		require.Error(t, s.UnmarshalText([]byte(text)), text)
	}
}

func TestSizeTextIsReadBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := config.Size(rapid.Int64Min(0).Draw(t, "size"))
		text, err := s.MarshalText()
		require.NoError(t, err)
		var back config.Size
		require.NoError(t, back.UnmarshalText(text))
		require.Equal(t, s, back)
	})
}

func TestDurationReadsDays(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"0": 0, "0d": 0, "30d": 720 * time.Hour, "1d12h": 36 * time.Hour, "90m": 90 * time.Minute, "1h30m0.5s": 90*time.Minute + 500*time.Millisecond,
		"106751d": 106751 * 24 * time.Hour, "250ms": 250 * time.Millisecond,
	} {
		d, err := config.ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, d, text)
	}
	for _, text := range []string{"", "d", "10", "-1h", "+1h", "1.5d", "-1d", "1d-1h", "1d+1h", "106752d", "106751d24h", "99999999999d", "1d1d", "1w", "1h1d", "9223372036854775808ns"} {
		_, err := config.ParseDuration(text)
		require.Error(t, err, text)
	}
}

func TestDurationTextIsShortAndReadBack(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{"0s": 0, "1h": time.Hour, "15m": 15 * time.Minute, "10s": 10 * time.Second, "1h0m5s": time.Hour + 5*time.Second, "1d1m": 24*time.Hour + time.Minute, "10m": 10 * time.Minute} {
		require.Equal(t, want, config.FormatDuration(d))
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Min(0).Draw(t, "duration"))
		back, err := config.ParseDuration(config.FormatDuration(d))
		require.NoError(t, err)
		require.Equal(t, d, back)
	})
}
