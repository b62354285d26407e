package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The bounds of a burst.
const (
	burstSize    = 1000
	burstSlowest = 5 * time.Second
	burstGoodput = 0.6
	burstMemory  = 1.2
	burstRelease = 30 * time.Second
)

// burst is a thousand requests at once on one endpoint, and what came of them.
type burst struct {
	Target   string      `json:"target"`
	Endpoint string      `json:"endpoint"`
	Limits   bool        `json:"limits"`
	Statuses map[int]int `json:"statuses"` // 0: no answer
	Slowest  float64     `json:"slowest_ms"`
	P50      float64     `json:"p50_ms"`
	Elapsed  float64     `json:"elapsed_ms"`
	Capacity float64     `json:"capacity_per_s"` // in the closed model, just before
	Goodput  float64     `json:"goodput"`        // successes over what the endpoint could have done in the time
	Before   float64     `json:"rss_before_mib"`
	Peak     float64     `json:"rss_peak_mib"`
	After    float64     `json:"rss_after_mib"`
	Settled  float64     `json:"settled_s"`        // until the memory was back
	Faults   []string    `json:"faults,omitempty"` // of the last try
	noRetry  int
}

// endpoint is what a burst falls on. A request's number is below burstSize and used once in a burst.
type endpoint struct {
	name    string
	success int
	next    func(d *data, n int) call
}

var endpoints = []endpoint{
	{"GET /users/me", http.StatusOK, func(d *data, n int) call {
		return call{method: "GET", path: "/users/me", token: d.tokens[n%len(d.tokens)]}
	}},
	{"POST /auth/login", http.StatusOK, func(d *data, n int) call { return loginOf(d.owners[n%len(d.owners)]) }},
	{"POST /auth/register", http.StatusCreated, func(*data, int) call { return registrationOf(fresh()) }},
	{"GET /.well-known/jwks.json", http.StatusOK, func(*data, int) call { return call{method: "GET", path: "/.well-known/jwks.json"} }},
	{"GET /users", http.StatusOK, func(d *data, _ int) call { return call{method: "GET", path: "/users?limit=50", token: d.admin} }},
}

var errBound = errors.New("a bound is broken")

// benchBurst fails where a bound is broken.
func benchBurst(ctx context.Context, s *stage) error {
	var all []burst
	for _, st := range s.stores {
		if err := st.fill(ctx, s.users); err != nil {
			return err
		}
		for _, limits := range []bool{false, true} {
			for _, e := range endpoints {
				if !s.options.rows.MatchString(e.name) {
					continue
				}
				b, err := s.burstOn(ctx, st, e, limits)
				if err != nil {
					return fmt.Errorf("%s on %s: %w", e.name, st.name, err)
				}
				progress("%s, %s, limits %t: %v, slowest %.0f ms %s", b.Target, b.Endpoint, b.Limits, b.Statuses, b.Slowest, strings.Join(b.Faults, "; "))
				all = append(all, b)
			}
		}
	}
	if err := s.report("burst", all, burstTable(all)); err != nil {
		return err
	}
	if slices.ContainsFunc(all, func(b burst) bool { return len(b.Faults) > 0 }) {
		return errBound
	}
	return nil
}

// burstOn finds what the endpoint can do, on a server of its own, and then sends the burst to a fresh one.
func (s *stage) burstOn(ctx context.Context, st *store, e endpoint, limits bool) (b burst, err error) {
	b = burst{Target: st.name, Endpoint: e.name, Limits: limits}
	if b.Capacity, err = s.capacity(ctx, st, e); err != nil {
		return b, err
	}
	settings := limitsOff
	if limits {
		settings = nil // those of the defaults
	}
	srv, err := s.serve(ctx, st, settings)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	sleep(ctx, 2*time.Second)
	b.Before, _ = residentMiB(srv.pid())
	b.send(ctx, srv.addr, func(n int) call { return e.next(st.data, n) })
	_, b.Peak = residentMiB(srv.pid())
	b.settle(ctx, srv)
	b.judge(e)
	return b, ctx.Err()
}

// capacity is what the endpoint does for 16 who ask again and again. Where it refuses some of them, it does the rest.
func (s *stage) capacity(ctx context.Context, st *store, e endpoint) (_ float64, err error) {
	srv, err := s.serve(ctx, st, limitsOff)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, srv.stop()) }()
	next := func(int, int) call { return e.next(st.data, fresh()) }
	m, err := s.measure(ctx, row{connections: 16}, srv, st, next)
	if err == nil && m.Errors > 0 {
		err = fmt.Errorf("%w: %s", errVoid, m.fault)
	}
	return m.Rate, err
}

// outcome is what one request of a burst got.
type outcome struct {
	status int
	retry  bool
	took   time.Duration
}

// send has everybody connect and ask at the same moment.
func (b *burst) send(ctx context.Context, addr string, next func(n int) call) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	outcomes := make([]outcome, burstSize)
	start := make(chan struct{})
	var callers sync.WaitGroup
	for n := range burstSize {
		c := next(n)
		callers.Go(func() {
			<-start
			begun := time.Now()
			outcomes[n] = askOnce(ctx, addr, c)
			outcomes[n].took = time.Since(begun)
		})
	}
	begun := time.Now()
	close(start)
	callers.Wait()
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.Elapsed = ms(time.Since(begun))
	b.Statuses = map[int]int{}
	for _, o := range outcomes {
		b.Statuses[o.status]++
		if (o.status == http.StatusServiceUnavailable || o.status == http.StatusTooManyRequests) && !o.retry {
			b.noRetry++
		}
	}
	slices.SortFunc(outcomes, func(a, b outcome) int { return cmp.Compare(a.took, b.took) })
	b.P50, b.Slowest = ms(outcomes[burstSize/2].took), ms(outcomes[burstSize-1].took)
}

func askOnce(ctx context.Context, addr string, c call) outcome {
	w, err := dial(ctx, addr)
	if err != nil {
		return outcome{}
	}
	defer w.close()
	stop := context.AfterFunc(ctx, w.close)
	defer stop()
	status, err := w.ask(c)
	if err != nil {
		return outcome{}
	}
	return outcome{status: status, retry: w.retryAfter}
}

// settle waits until the memory is back, as long as it may take.
func (b *burst) settle(ctx context.Context, srv *server) {
	begun := time.Now()
	for {
		b.After, _ = residentMiB(srv.pid())
		b.Settled = time.Since(begun).Seconds()
		if b.After <= burstMemory*b.Before || time.Since(begun) >= burstRelease || ctx.Err() != nil {
			return
		}
		sleep(ctx, 200*time.Millisecond)
	}
}

// judge notes every bound that is broken.
func (b *burst) judge(e endpoint) {
	fault := func(format string, args ...any) { b.Faults = append(b.Faults, fmt.Sprintf(format, args...)) }
	for status, n := range b.Statuses {
		refused := status == http.StatusServiceUnavailable || b.Limits && status == http.StatusTooManyRequests
		if status != e.success && !refused {
			fault("%d answers of status %d", n, status)
		}
	}
	if b.noRetry > 0 {
		fault("%d refusals without Retry-After", b.noRetry)
	}
	if b.Slowest > burstSlowest.Seconds()*1000 {
		fault("the slowest answer took %.0f ms", b.Slowest)
	}
	b.Goodput = float64(b.Statuses[e.success]) / min(burstSize, b.Capacity*b.Elapsed/1000)
	if b.Goodput < burstGoodput && b.Statuses[http.StatusTooManyRequests] == 0 { // what a limit refuses is no loss
		fault("goodput %.2f", b.Goodput)
	}
	if b.After > burstMemory*b.Before {
		fault("memory %.0f MiB after, %.0f before", b.After, b.Before)
	}
}

func burstTable(all []burst) [][]string {
	table := [][]string{{
		"store", "endpoint", "limits", "2xx", "429", "503", "P50 ms", "slowest ms", "capacity/s", "goodput", "RSS before", "peak", "after", "settled s", "faults",
	}}
	for _, b := range all {
		limits := "off"
		if b.Limits {
			limits = "on"
		}
		table = append(table, []string{
			b.Target, b.Endpoint, limits, strconv.Itoa(b.Statuses[200] + b.Statuses[201]), strconv.Itoa(b.Statuses[429]), strconv.Itoa(b.Statuses[503]),
			number(b.P50, 0), number(b.Slowest, 0), number(b.Capacity, 0), number(b.Goodput, 2), number(b.Before, 0), number(b.Peak, 0),
			number(b.After, 0), number(b.Settled, 1), strings.Join(b.Faults, "; "),
		})
	}
	return table
}
