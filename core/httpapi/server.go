package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// The time-outs of the public listener: slow senders are cut by the first two, kept-alive connections by the third. Both of
// the first count from the start of a request, so that header and body together have bodyTimeout. The last counts from the
// end of the header and is far beyond the slowest honest answer.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 90 * time.Second
	writeTimeout  = 60 * time.Second
)

// headerSlop is what net/http reads beyond its MaxHeaderBytes before it answers 431.
const headerSlop = 4 << 10

// NewServer makes the public listener's server. logger gets what net/http has to say, at debug level.
func NewServer(s *Settings, handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    max(1, int(s.MaxHeader)-headerSlop),
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),

		DisableGeneralOptionsHandler: true, // "OPTIONS *" gets the answer of every other path that is not there
	}
}

// Listen opens a TCP listener that refuses connections beyond most, instead of letting them wait.
func Listen(ctx context.Context, addr string, most int) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &boundedListener{Listener: l, most: int64(most)}, nil
}

type boundedListener struct {
	net.Listener
	most int64
	open atomic.Int64
}

// Accept implements net.Listener.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &boundedConn{Conn: c, open: &l.open}, nil
		}
		l.open.Add(-1)
		_ = c.Close() // refusing is all there is to do
	}
}

type boundedConn struct {
	net.Conn
	open   *atomic.Int64
	closed atomic.Bool
}

// Close implements net.Conn and gives the place back, once.
func (c *boundedConn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.open.Add(-1)
	}
	return c.Conn.Close()
}

// CloseWrite ends the answer while the client may still be sending. net/http asks for it where it gives up on a body, so
// that the client reads the answer before the connection is reset.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// ServeUntil serves until ctx ends, then stops accepting and lets what is in flight finish within grace. It returns nil
// after an orderly end; connections that never sent a request do not make it a bad one. It changes srv's Handler.
func ServeUntil(ctx context.Context, srv *http.Server, l net.Listener, certFile, keyFile string, grace time.Duration) error {
	var inFlight atomic.Int64
	handler := srv.Handler
	srv.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inFlight.Add(1)
		defer inFlight.Add(-1)
		handler.ServeHTTP(w, r)
	})
	failed := make(chan error, 1)
	go func() {
		if certFile != "" {
			failed <- srv.ServeTLS(l, certFile, keyFile)
			return
		}
		failed <- srv.Serve(l)
	}()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	err := srv.Shutdown(stop)
	if err != nil {
		if n := inFlight.Load(); n > 0 {
			err = fmt.Errorf("%d requests did not end within %s: %w", n, grace, err)
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = nil // net/http waits 5s for a silent connection to say something
		}
		err = errors.Join(err, srv.Close())
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
