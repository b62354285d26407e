package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/core/httpapi"
)

const (
	// stopWithin is from SIGTERM to the end, drain_delay included.
	stopWithin = 10 * time.Second
	// stopMargin is what is left of it to close the stores.
	stopMargin = time.Second
	// opsHeaderTimeout bounds the header of a probe.
	opsHeaderTimeout = 5 * time.Second
)

// Listening says where a running app answers.
type Listening struct {
	Public, Ops net.Addr // nil where there is none
}

// Roles are what a process does.
type Roles struct {
	API    bool // answers on the public listener
	Worker bool // works jobs
}

// Serve does its roles, beside the operations listener, until ctx ends. Then it drains: readiness turns first and no new job
// is begun, the public listener closes after drain_delay, what is in flight finishes. The app must be open. ready, if set, is
// called once requests are answered and jobs are worked.
func (a *App) Serve(ctx context.Context, roles Roles, ready func(Listening)) error {
	var draining atomic.Bool
	var at Listening
	running, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	if a.settings.ops.Addr != "" {
		ops, err := httpapi.Listen(ctx, a.settings.ops.Addr, a.settings.http.MaxConnections)
		if err != nil {
			return listenFault("ops.addr", a.settings.ops.Addr, err)
		}
		at.Ops = ops.Addr()
		endOps := a.serveOps(ctx, ops, &draining)
		defer endOps()
	}
	go func() {
		a.drain(ctx, running, &draining, roles)
		stop(nil)
	}()
	served := make(chan error, 1)
	if roles.API {
		public, err := a.listen(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = public.Close() }() // serving has closed it, unless it never began
		at.Public = public.Addr()
		serve, err := a.api(running, public)
		if err != nil {
			return err
		}
		endAudit := a.Stores.Audit.Start(ctx)
		defer endAudit()
		go func() { served <- serve() }() // no request waits for the worker, which asks the database this and that first
	} else {
		context.AfterFunc(running, func() { served <- nil })
	}
	if roles.Worker {
		stopWorker, err := a.StartWorker(ctx)
		if err != nil {
			stop(nil)
			return errors.Join(err, <-served)
		}
		defer stopWorker()
	}
	endKeys := a.keepKeys(ctx)
	defer endKeys()
	go newMemoryKeeper().run(running)
	if ready != nil {
		ready(at)
	}
	return <-served
}

// drain returns when it is time to stop: after drain_delay from the end of ctx, in which those who send requests notice.
func (a *App) drain(ctx, running context.Context, draining *atomic.Bool, roles Roles) {
	select {
	case <-ctx.Done():
	case <-running.Done():
		return
	}
	draining.Store(true)
	if roles.API {
		wait(running, a.settings.http.DrainDelay)
	}
}

// serveOps serves the operations listener and gives what ends it.
func (a *App) serveOps(ctx context.Context, l net.Listener, draining *atomic.Bool) (end func()) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() { done <- httpapi.ServeUntil(running, a.opsServer(draining), l, "", "", stopMargin) }()
	return func() {
		stop()
		if err := <-done; err != nil {
			a.Stores.Logger.WarnContext(ctx, "the operations listener did not end well", "cause", err)
		}
	}
}

func (a *App) listen(ctx context.Context) (net.Listener, error) {
	l, err := httpapi.Listen(ctx, a.settings.http.Addr, a.settings.http.MaxConnections)
	if err != nil {
		return nil, listenFault("http.addr", a.settings.http.Addr, err)
	}
	return l, nil
}

// api gives what answers on the public listener until running ends.
func (a *App) api(running context.Context, l net.Listener) (func() error, error) {
	handler, err := a.Handler()
	if err != nil {
		return nil, err
	}
	srv := httpapi.NewServer(&a.settings.http, handler, a.Stores.Logger)
	grace := stopWithin - stopMargin - a.settings.http.DrainDelay
	return func() error {
		err := httpapi.ServeUntil(running, srv, l, a.settings.http.TLSCert, a.settings.http.TLSKey, grace)
		if errors.Is(err, http.ErrServerClosed) {
			return nil
		}
		return err
	}, nil
}

// listenFault says in one sentence why an address cannot be listened on.
func listenFault(setting, addr string, err error) error {
	var network *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is in use by another program; stop it or set another address", setting, addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: %s may not be listened on by this user; set a port from 1024 on", setting, addr)
	case errors.As(err, &network):
		return fmt.Errorf("%s: %s cannot be listened on: %w", setting, addr, network.Err)
	default:
		return fmt.Errorf("%s: %s cannot be listened on: %w", setting, addr, err)
	}
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (a *App) opsServer(draining *atomic.Bool) *http.Server {
	ops := httpapi.Ops{Stores: a.health(), Metrics: a.Metrics(), Draining: draining.Load}
	return &http.Server{Handler: ops.Handler(), ReadHeaderTimeout: opsHeaderTimeout}
}

// errSilent is a channel to the other instances that is not proven alive.
var errSilent = errors.New("the channel is not proven alive")

// health lists the stores that readiness asks about.
func (a *App) health() []httpapi.Store {
	stores := []httpapi.Store{{Name: "database", Required: true, Ping: a.Stores.DB.Ping}}
	if a.Stores.failover != nil {
		stores = append(stores, httpapi.Store{Name: "redis", Ping: a.Stores.redis.Ping})
	}
	if a.Stores.Blobs.Remote() {
		stores = append(stores, httpapi.Store{Name: "blob", Ping: a.Stores.Blobs.Probe})
	}
	for _, c := range a.Stores.Push.Channels() {
		stores = append(stores, httpapi.Store{Name: "push." + c.Name, Ping: func(context.Context) error {
			if !c.Alive() {
				return errSilent
			}
			return nil
		}})
	}
	return stores
}
