package testenv

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// host runs one server: as a child process or in a container.
type host interface {
	// start starts the server, the first time or after it ended. It does not wait until it answers.
	start(ctx context.Context) error
	signal(ctx context.Context, sig syscall.Signal) error
	// wait returns once the server has ended.
	wait(ctx context.Context) error
	// ended says whether the server has ended by now.
	ended(ctx context.Context) bool
	pid(ctx context.Context) int
	// log gives the last lines that the server wrote.
	log(ctx context.Context) string
	// discard removes all that the server left. It must have ended.
	discard(ctx context.Context)
}

// native is a server from a binary of this machine, in a folder of its own.
type native struct {
	name    string
	dir     string
	as      identity
	path    string
	args    []string
	onDeath syscall.Signal // what ends the server at once and cleanly
	process *process
	watcher *watcher
}

// watched gives the folder a watcher before anything runs in it.
func (n *native) watched() error {
	w, err := watch(reap, n.pidFile(), strconv.Itoa(int(n.onDeath)), n.dir)
	if err != nil {
		return fmt.Errorf("start the watcher of %s: %w", n.name, err)
	}
	n.watcher = w
	return nil
}

func (n *native) pidFile() string { return filepath.Join(n.dir, "testenv.pid") }

func (n *native) logFile() string { return filepath.Join(n.dir, "server.log") }

// command makes a command that runs as the server's identity, in its folder, in the plainest environment.
func (n *native) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir = n.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + n.dir, "TMPDIR=" + n.dir}
	cmd.SysProcAttr = n.as.attributes()
	return cmd
}

// once runs a command of the server's to its end. It dies with us as the server does.
func (n *native) once(ctx context.Context, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var out bytes.Buffer
	cmd := n.command(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	p, err := startProcess(cmd, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	<-p.ended // which the context brings about too
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if !cmd.ProcessState.Success() {
		return fmt.Errorf("%s: %s: %s", filepath.Base(path), cmd.ProcessState, tail(out.Bytes()))
	}
	return nil
}

func (n *native) start(context.Context) error {
	out, err := os.OpenFile(n.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()                        // the child has its own handle
	cmd := n.command(context.Background(), n.path, n.args...) //nolint:contextcheck // the server outlives the context of its start
	cmd.Stdout, cmd.Stderr = out, out
	p, err := startProcess(cmd, n.onDeath)
	if err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.process = p
	return os.WriteFile(n.pidFile(), []byte(strconv.Itoa(p.pid())), 0o600)
}

func (n *native) signal(_ context.Context, sig syscall.Signal) error { return n.process.signal(sig) }

func (n *native) wait(ctx context.Context) error { return n.process.wait(ctx) }

func (n *native) ended(context.Context) bool { return n.process == nil || !n.process.running() }

func (n *native) pid(context.Context) int { return n.process.pid() }

func (n *native) log(context.Context) string {
	text, err := os.ReadFile(n.logFile())
	if err != nil {
		return ""
	}
	return tail(text)
}

func (n *native) discard(context.Context) {
	_ = os.RemoveAll(n.dir) // what is left is in the temporary folder
	n.watcher.dismiss()
}

// tail cuts text to its last two thousand bytes, which is enough to see why a server did not start.
func tail(text []byte) string {
	const limit = 2000
	if len(text) > limit {
		text = text[len(text)-limit:]
	}
	return string(text)
}

// Limits of what a server may take.
const (
	startLimit = 60 * time.Second
	stopLimit  = 10 * time.Second
	retryEvery = 10 * time.Millisecond
)

// answering returns once ping succeeds: it connects again and again, and gives up when the server has ended.
func answering(ctx context.Context, h host, ping func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(retryEvery)
	defer ticker.Stop()
	for {
		err := ping(ctx)
		if err == nil {
			return nil
		}
		if h.ended(ctx) {
			return fmt.Errorf("%w: %s", ErrEarlyExit, h.log(ctx))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w: %s", err, h.log(context.WithoutCancel(ctx)))
		case <-ticker.C:
		}
	}
}

// end sends the signals in turn, each with its time, until the server has ended.
func end(ctx context.Context, h host, signals ...syscall.Signal) error {
	for _, sig := range append(signals, syscall.SIGKILL) {
		if h.ended(ctx) {
			return nil
		}
		if err := h.signal(ctx, sig); err != nil && !h.ended(ctx) {
			return err
		}
		limited, cancel := context.WithTimeout(ctx, stopLimit)
		err := h.wait(limited)
		cancel()
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("the server does not end: %s", h.log(ctx))
}
