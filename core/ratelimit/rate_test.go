package ratelimit

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRateText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Rate{
		"10/1m": PerMinute(10), "1/1s": {1, time.Second}, "1000000/30d": {MaxCount, MaxPer}, "5/90s": {5, 90 * time.Second},
		"3/60s": PerMinute(3), "7/24h": {7, 24 * time.Hour}, "7/1d": {7, 24 * time.Hour}, "007/01h": {7, time.Hour},
	} {
		var r Rate
		require.NoError(t, r.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, r, text)
	}
	for rate, want := range map[Rate]string{PerMinute(10): "10/1m", {5, 90 * time.Second}: "5/90s", {3, 60 * time.Second}: "3/1m", {1, 24 * time.Hour}: "1/24h"} {
		require.Equal(t, want, rate.String())
		text, err := json.Marshal(rate)
		require.NoError(t, err)
		require.Equal(t, `"`+want+`"`, string(text))
	}
}

func TestFaultyRatesAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]error{
		"": errRateForm, "off": errRateForm, "10": errRateForm, "10/": errRateForm, "/1m": errRateForm, "10/m": errRateForm, "10/1": errRateForm,
		"10/1ms": errRateForm, "10/1M": errRateForm, "10/1.5m": errRateForm, "+10/1m": errRateForm, "-1/1m": errRateForm, " 10/1m": errRateForm,
		"10/1m ": errRateForm, "1e3/1m": errRateForm, "10/1m/1m": errRateForm, "10/1h30m": errRateForm, "१/1m": errRateForm,
		"0/1m": errRateCount, "0": errRateForm, "1000001/1m": errRateCount, "99999999999999999999/1m": errRateCount,
		"1/0s": errRatePer, "1/31d": errRatePer, "1/99999999999999999999d": errRatePer, "1/9223372036854775807s": errRatePer,
	} {
		r := PerMinute(42)
		require.ErrorIs(t, r.UnmarshalText([]byte(text)), want, text)
		require.Equal(t, PerMinute(42), r, "unchanged by a fault")
	}
	require.Error(t, Rate{1, 1500 * time.Millisecond}.check())
}

func FuzzRate(f *testing.F) {
	for _, s := range []string{"10/1m", "1/30d", "0/1s", "1000000/1s", "9/90s", "x", "1/99999999999h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRate(text)
		if err != nil {
			return
		}
		require.NoError(t, r.check())
		again, err := ParseRate(r.String())
		require.NoError(t, err)
		require.Equal(t, r, again)
	})
}
