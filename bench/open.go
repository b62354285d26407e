package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// latency is what an open load found.
type latency struct {
	Offered float64 `json:"offered_per_s"`
	Rate    float64 `json:"rate_per_s"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
	Errors  int     `json:"errors"`
	fault   string
}

// openLoad sends at a fixed rate whatever the server does (vegeta), so that a stall is seen by all who would have come
// meanwhile.
func openLoad(ctx context.Context, addr string, perSecond float64, d time.Duration, next func(n int) call) (latency, error) {
	var sent atomic.Int64
	targeter := func(t *vegeta.Target) error {
		*t = next(int(sent.Add(1)) - 1).target(addr)
		return nil
	}
	attacker := vegeta.NewAttacker(vegeta.Connections(256), vegeta.Timeout(askLimit), vegeta.Redirects(vegeta.NoFollow))
	pace := vegeta.ConstantPacer{Freq: int(perSecond*1000 + 0.5), Per: 1000 * time.Second}
	if pace.Freq == 0 {
		return latency{}, fmt.Errorf("a rate of %g is none", perSecond)
	}
	stop := context.AfterFunc(ctx, func() { attacker.Stop() })
	defer stop()
	var m vegeta.Metrics
	for res := range attacker.Attack(targeter, pace, d, "bench") {
		m.Add(res)
	}
	m.Close()
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	out := latency{
		Offered: perSecond, Rate: m.Throughput, P50: ms(m.Latencies.P50), P99: ms(m.Latencies.P99), Max: ms(m.Latencies.Max),
		Errors: int(float64(m.Requests)*(1-m.Success) + 0.5),
	}
	if len(m.Errors) > 0 {
		out.fault = m.Errors[0]
	}
	return out, ctx.Err()
}
