package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// closedLoad asks again on each connection as soon as the answer is there: it finds how much the server can do. It says
// nothing about latency, since a server that stalls slows down those who ask. The client is as thin as it can be, so that
// the loader's core is not what is measured.
type closedLoad struct {
	addr        string
	connections int
	next        func(connection, n int) call
	done, bad   atomic.Int64
	refused     atomic.Int64 // 503: more than the server can do, which is an error where nobody expects it
	first       atomic.Pointer[error]
}

// run loads for the warm-up and then for d, between two calls of mark.
func (l *closedLoad) run(ctx context.Context, warmUp, d time.Duration, mark func()) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for w := range l.connections {
		workers.Go(func() { l.work(ctx, w) })
	}
	sleep(ctx, warmUp)
	mark()
	sleep(ctx, d)
	mark()
	err := ctx.Err()
	cancel()
	workers.Wait()
	return err
}

func (l *closedLoad) work(ctx context.Context, worker int) {
	var c *wire
	defer func() { c.close() }()
	for n := 0; ctx.Err() == nil; n++ {
		if c == nil {
			var err error
			if c, err = dial(ctx, l.addr); err != nil {
				l.fail(err)
				sleep(ctx, 10*time.Millisecond)
				continue
			}
		}
		status, err := c.ask(l.next(worker, n))
		switch {
		case err != nil:
			l.fail(err)
			c.close()
			c = nil
		case status == http.StatusServiceUnavailable:
			l.refused.Add(1)
		case status < 200 || status > 299:
			l.fail(fmt.Errorf("status %d", status))
		default:
			l.done.Add(1)
		}
	}
}

func (l *closedLoad) fail(err error) {
	l.bad.Add(1)
	l.first.CompareAndSwap(nil, &err)
}

// wire is one connection that speaks as much HTTP/1.1 as the server answers with: a status, headers, a length, a body.
type wire struct {
	conn       net.Conn
	in         *bufio.Reader
	out        []byte
	retryAfter bool // the last answer had the header
}

// askLimit bounds one answer; nothing that is measured may take longer.
const askLimit = 30 * time.Second

func dial(ctx context.Context, addr string) (*wire, error) {
	conn, err := (&net.Dialer{Timeout: askLimit}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &wire{conn: conn, in: bufio.NewReaderSize(conn, 8<<10)}, nil
}

func (w *wire) close() {
	if w != nil {
		_ = w.conn.Close() // it was only read from
	}
}

var (
	errLength = errors.New("an answer without a length")
	headerEnd = []byte("\r\n")
)

// ask sends a request and reads the answer whole. A server that never answers is stopped by whoever started it.
func (w *wire) ask(c call) (status int, err error) {
	w.out = c.appendTo(w.out[:0])
	if _, err := w.conn.Write(w.out); err != nil {
		return 0, err
	}
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, fmt.Errorf("not a status line: %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := -1
	w.retryAfter = false
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if bytes.Equal(line, headerEnd) {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case strings.EqualFold(string(name), "Retry-After"):
			w.retryAfter = true
		case strings.EqualFold(string(name), "Content-Length"):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, errLength
	}
	_, err = w.in.Discard(length)
	return status, err
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
