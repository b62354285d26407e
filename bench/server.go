package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/internal/loopback"
)

// server is a running process that answers HTTP.
type server struct {
	addr, ops string
	started   time.Duration // from exec to the first answer
	cmd       *exec.Cmd
	log       *os.File
	done      chan struct{}
	err       error
}

func (s *server) pid() int { return s.cmd.Process.Pid }

// serve starts the product on a store with further settings. Its log goes to a file, as in production to a pipe.
func (s *stage) serve(ctx context.Context, st *store, more map[string]string) (*server, error) {
	addr, err := loopback.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	ops, err := loopback.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(common)
	maps.Copy(settings, st.settings)
	maps.Copy(settings, more)
	settings["http.addr"], settings["ops.addr"] = addr, ops
	running := context.WithoutCancel(ctx) // stop ends it, as an operator would
	srv := &server{addr: addr, ops: ops, cmd: exec.CommandContext(running, s.binary, append([]string{"serve"}, arguments(settings)...)...)}
	return srv, s.start(ctx, srv)
}

// serveBare starts the bare handler, which is its own operations listener.
func (s *stage) serveBare(ctx context.Context, flags []string) (*server, error) {
	addr, err := loopback.FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	running := context.WithoutCancel(ctx) // as above
	srv := &server{addr: addr, ops: addr, cmd: exec.CommandContext(running, s.self, append([]string{"bare", "-addr", addr}, flags...)...)}
	return srv, s.start(ctx, srv)
}

// start returns once the server answers.
func (s *stage) start(ctx context.Context, srv *server) error {
	var err error
	if srv.log, err = os.Create(filepath.Join(s.dir, "server.log")); err != nil {
		return err
	}
	srv.cmd.Dir = s.dir
	srv.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir}
	srv.cmd.Stdout, srv.cmd.Stderr = srv.log, srv.log
	begun := time.Now()
	if err := startPinned(srv.cmd, s.cores); err != nil {
		return err
	}
	srv.done = make(chan struct{})
	go func() {
		srv.err = srv.cmd.Wait()
		close(srv.done)
	}()
	for !srv.healthy(ctx) {
		select {
		case <-srv.done:
			return fmt.Errorf("the server ended: %w\n%s", srv.err, srv.lastWords())
		case <-ctx.Done():
			return errors.Join(ctx.Err(), srv.stop())
		case <-time.After(time.Millisecond):
		}
		if time.Since(begun) > time.Minute {
			return errors.Join(errors.New("the server does not answer"), srv.stop())
		}
	}
	srv.started = time.Since(begun)
	return nil
}

// healthy asks once, on a connection of its own and without a client's machinery, so that little of the time is ours.
func (s *server) healthy(ctx context.Context) bool {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Second)) // the read fails where this did
	if _, err := conn.Write([]byte("GET /healthz HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")); err != nil {
		return false
	}
	status := make([]byte, len("HTTP/1.1 200"))
	_, err = conn.Read(status)
	return err == nil && string(status) == "HTTP/1.1 200"
}

// stop ends the server as an operator would, and with force where that takes too long.
func (s *server) stop() error {
	if s == nil || s.done == nil {
		return nil
	}
	defer func() { _ = s.log.Close() }()
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-s.done:
	case <-time.After(15 * time.Second):
		_ = s.cmd.Process.Kill() // as above
		<-s.done
		return errors.New("the server did not end at SIGTERM")
	}
	return nil
}

func (s *server) lastWords() []byte {
	raw, err := os.ReadFile(s.log.Name())
	if err != nil {
		return nil
	}
	return bytes.TrimSpace(raw[max(0, len(raw)-2000):])
}

// profile asks the server where its time goes.
func (s *server) profile(ctx context.Context, d time.Duration, file string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.ops, int(d.Seconds()))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	client := http.Client{Timeout: d + 10*time.Second}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", res.Status)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(res.Body)
	return errors.Join(err, out.Close())
}
