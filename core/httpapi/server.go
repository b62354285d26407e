package httpapi

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// The time-outs of the public listener: slow senders are cut by the first two, kept-alive connections by the third. The
// last is far beyond the slowest honest answer.
const (
	headerTimeout = 5 * time.Second
	bodyTimeout   = 30 * time.Second
	idleTimeout   = 90 * time.Second
	writeTimeout  = 60 * time.Second
)

// NewServer makes the public listener's server. logger gets what net/http has to say, at debug level.
func NewServer(s *Settings, handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout + bodyTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    int(s.MaxHeader),
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
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

// ServeUntil serves until ctx ends, then stops accepting and lets what is in flight finish within grace. It returns nil
// after an orderly end.
func ServeUntil(ctx context.Context, srv *http.Server, l net.Listener, certFile, keyFile string, grace time.Duration) error {
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
		err = errors.Join(err, srv.Close())
	}
	if ended := <-failed; !errors.Is(ended, http.ErrServerClosed) {
		err = errors.Join(err, ended)
	}
	return err
}
