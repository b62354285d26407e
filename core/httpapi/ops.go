package httpapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

// Store is something that readiness asks about.
type Store struct {
	Name     string
	Required bool                        // without it the service is not ready; otherwise degraded
	Ping     func(context.Context) error // bounded by the context
}

// Ops are the endpoints of the operations listener.
type Ops struct {
	Stores   []Store
	Metrics  http.Handler
	Draining func() bool
}

// pingDeadline bounds each store's part of readiness.
const pingDeadline = time.Second

// Handler serves /healthz, /readyz, /metrics and /debug/pprof/. Of the latter it leaves out the command line, which may
// hold settings that are secret.
func (o Ops) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { writeHealth(w) })
	mux.HandleFunc("GET /readyz", o.ready)
	mux.Handle("GET /metrics", o.Metrics)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// Readiness is the body of /readyz.
type Readiness struct {
	Status string                    `json:"status"` // ready, degraded, unavailable or draining
	Stores map[string]StoreReadiness `json:"stores"`
}

// StoreReadiness says how one store answered.
type StoreReadiness struct {
	Status    string  `json:"status"` // up or down
	LatencyMS float64 `json:"latency_ms"`
}

// ready answers 503 only when a required store is away or the server drains.
func (o Ops) ready(w http.ResponseWriter, r *http.Request) {
	body := Readiness{Status: "ready", Stores: o.ping(r.Context())}
	for _, s := range o.Stores {
		if body.Stores[s.Name].Status == "up" {
			continue
		}
		if s.Required {
			body.Status = "unavailable"
		} else if body.Status == "ready" {
			body.Status = "degraded"
		}
	}
	if o.Draining != nil && o.Draining() {
		body.Status = "draining"
	}
	status := http.StatusOK
	if body.Status == "unavailable" || body.Status == "draining" {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) //nolint:errchkjson // a latency is a finite number; the prober may have gone away
}

func (o Ops) ping(ctx context.Context) map[string]StoreReadiness {
	ctx, cancel := context.WithTimeout(ctx, pingDeadline)
	defer cancel()
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		found = map[string]StoreReadiness{}
	)
	for _, s := range o.Stores {
		wg.Go(func() {
			started := time.Now()
			state := StoreReadiness{Status: "up"}
			if s.Ping(ctx) != nil {
				state.Status = "down"
			}
			state.LatencyMS = float64(time.Since(started).Microseconds()) / 1000
			mu.Lock()
			defer mu.Unlock()
			found[s.Name] = state
		})
	}
	wg.Wait()
	return found
}

func writeHealth(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"status":"ok"}`)) // the prober went away
}
