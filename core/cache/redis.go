package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"github.com/sony/gobreaker/v2"

	"github.com/gatehouse/gatehouse/core/errs"
)

// State is what is known of Redis.
type State string

// The states. Redis is down until its first connection stands.
const (
	StateNone State = "none" // no URL is set
	StateUp   State = "up"
	StateDown State = "down"
)

const (
	failuresToOpen = 3               // failed calls in a row until the breaker opens
	openFor        = time.Second     // until an open breaker lets one probe through
	connectTimeout = 2 * time.Second // for connecting and probing, which no request waits for

	// maxInFlight bounds the commands under way. The client's ring holds 1,024, those given up on included, and a full ring
	// blocks beyond any deadline. So calls wait for a permit instead, and an open breaker turns away those who waited.
	maxInFlight = 512
)

// Why a call did not reach Redis. They are causes under errs.ErrUnavailable.
var (
	errNone        = errors.New("redis: no URL is set")
	errClosed      = errors.New("redis: closed")
	errNoNamespace = errors.New("redis: the installation id is not known yet")
	errProbing     = errors.New("redis: away, being probed")
	errOpen        = errors.New("redis: away")
)

// Redis is a connection that may be away. It connects at its first use and in the background, bounds every call by the
// redis.timeout setting, and after a few failures in a row answers at once that Redis is unavailable, while a probe in the
// background finds out when it is back. No request waits for a connection beyond its deadline, and none serves as a probe.
type Redis struct {
	option    *rueidis.ClientOption // nil when no URL is set
	timeout   time.Duration
	prefix    string
	namespace func() string
	logger    *slog.Logger
	breaker   *gobreaker.TwoStepCircuitBreaker[struct{}]
	permits   chan struct{}
	keys      atomic.Pointer[string] // "<prefix>:<installation id>:", once known

	client atomic.Pointer[rueidis.Client]
	life   context.Context // ends with Close
	end    context.CancelFunc
	mu     sync.Mutex // guards closed, dialing and the start of background work
	closed bool
	dialed *dial // the connection attempt under way, or nil
	work   sync.WaitGroup
}

// dial is one connection attempt that any number of calls wait for.
type dial struct {
	done   chan struct{}
	client rueidis.Client
	err    error
}

// OpenRedis prepares the connection and does no I/O. namespace gives the installation id; while it gives "", Redis counts as
// unavailable. Without a URL the result is of StateNone. The error says what is wrong with the URL, without quoting it.
func OpenRedis(s RedisSettings, namespace func() string, logger *slog.Logger) (*Redis, error) {
	r := &Redis{timeout: s.Timeout, prefix: s.Prefix, namespace: namespace, logger: logger, permits: make(chan struct{}, maxInFlight)}
	r.life, r.end = context.WithCancel(context.Background())
	if s.URL.IsZero() {
		return r, nil
	}
	opt, err := parseURL(s.URL)
	if err != nil {
		return nil, fmt.Errorf("redis.url %w", err)
	}
	tune(&opt)
	r.option = &opt
	r.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:        "redis",
		MaxRequests: 1,
		Timeout:     openFor,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= failuresToOpen || r.client.Load() == nil
		},
		OnStateChange: r.stateChanged,
	})
	return r, nil
}

// tune sets what the URL does not say. One pipelined connection carries well over 100,000 commands a second; it keeps the
// client-side cache in one place and the order of commands that Store relies on.
func tune(opt *rueidis.ClientOption) {
	opt.ClientName = "gatehouse"
	opt.ForceSingleClient = true // a cluster client refreshes its topology without regard to deadlines
	opt.PipelineMultiplex = -1
	opt.AlwaysPipelining = true // otherwise a deadline that passes closes the connection
	opt.DisableRetry = true
	opt.CacheSizeEachConn = 16 << 20
	opt.ReadBufferEachConn = 64 << 10
	opt.WriteBufferEachConn = 64 << 10
	opt.Dialer.Timeout = connectTimeout
	opt.Dialer.KeepAlive = time.Second // a silent connection is pinged after this, and dropped
	opt.ConnWriteTimeout = time.Second // when no answer came within this
}

// Do runs call with a client and the text that every key must begin with, for redis.timeout at most. call must hand on its
// ctx, which has the values and not the end of the caller's: who leaves must not abandon a command unseen. What call returns
// counts as a failure of Redis, so it turns answers such as rueidis.Nil into values. Every error wraps errs.ErrUnavailable.
func (r *Redis) Do(ctx context.Context, call func(ctx context.Context, c rueidis.Client, keys string) error) error {
	if err := r.do(ctx, call); err != nil {
		return errs.ErrUnavailable.WithCause(err)
	}
	return nil
}

func (r *Redis) do(ctx context.Context, call func(ctx context.Context, c rueidis.Client, keys string) error) error {
	if r.option == nil {
		return errNone
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	keys := r.keyPrefix()
	if keys == "" {
		return errNoNamespace
	}
	done, err := r.breaker.Allow()
	if err != nil {
		return errOpen
	}
	if r.breaker.State() == gobreaker.StateHalfOpen {
		if !r.background(func() { done(r.probe(keys)) }) { //nolint:contextcheck // the probe outlives the request that found it due
			return errClosed
		}
		return errProbing
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.timeout)
	defer cancel()
	return r.attempt(ctx, call, keys, done)
}

// attempt tells the breaker how it went before it gives the permit back, so that those who waited for it see an open one.
func (r *Redis) attempt(ctx context.Context, call func(ctx context.Context, c rueidis.Client, keys string) error, keys string, done func(error)) error {
	select {
	case r.permits <- struct{}{}:
	case <-ctx.Done():
		done(ctx.Err())
		return ctx.Err()
	}
	defer func() { <-r.permits }()
	if r.breaker.State() != gobreaker.StateClosed {
		return errOpen
	}
	c, err := r.connection(ctx)
	if err == nil {
		err = call(ctx, c, keys)
	}
	done(err)
	return err
}

// keyPrefix asks for the installation id until it is known.
func (r *Redis) keyPrefix() string {
	if p := r.keys.Load(); p != nil {
		return *p
	}
	id := r.namespace()
	if id == "" {
		return ""
	}
	keys := r.prefix + ":" + id + ":"
	r.keys.Store(&keys)
	return keys
}

// Ping asks Redis for a sign of life within the bounds of Do.
func (r *Redis) Ping(ctx context.Context) error {
	return r.Do(ctx, func(ctx context.Context, c rueidis.Client, _ string) error {
		return c.Do(ctx, c.B().Ping().Build()).Error()
	})
}

// State says what the last calls found out; it does no I/O.
func (r *Redis) State() State {
	switch {
	case r.option == nil:
		return StateNone
	case r.client.Load() != nil && r.breaker.State() == gobreaker.StateClosed:
		return StateUp
	default:
		return StateDown
	}
}

// stateChanged runs under the breaker's lock. Half-open is no news, and a probe that failed neither.
func (r *Redis) stateChanged(_ string, from, to gobreaker.State) {
	switch {
	case from == gobreaker.StateClosed && to == gobreaker.StateOpen:
		r.logger.Warn("redis is unavailable, going on without it")
	case to == gobreaker.StateClosed:
		r.logger.Info("redis is available again")
	}
}
