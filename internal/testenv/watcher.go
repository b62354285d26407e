package testenv

import (
	"io"
	"os/exec"
	"syscall"
)

// A watcher is a small shell that outlives us if we are killed: it sleeps on a pipe that closes with us, and then runs
// its script. It is told "done" when there is nothing left to clean.
type watcher struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

// reap ends process $1 with signal $2, by force after five seconds, and removes folder $3.
const reap = `
pid=$(cat "$1" 2>/dev/null)
if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then
	kill -CONT "$pid" 2>/dev/null
	kill -"$2" "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done
	kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$3"`

// reapGroup ends process group $1, by force after five seconds.
const reapGroup = `
kill -TERM -"$1" 2>/dev/null
n=0
while kill -0 -"$1" 2>/dev/null && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done
kill -KILL -"$1" 2>/dev/null`

// reapContainer removes container $1.
const reapContainer = `docker rm --force --volumes "$1" >/dev/null 2>&1`

// watch starts a watcher that runs script with args once this process is gone.
func watch(script string, args ...string) (*watcher, error) {
	guard := "trap '' HUP INT QUIT TERM\nread -r word\n[ \"$word\" = done ] && exit 0\n" + script
	cmd := exec.Command("/bin/sh", append([]string{"-c", guard, "testenv-watcher"}, args...)...) //nolint:noctx // it must outlive every context
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // out of reach of the terminal's signals
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &watcher{cmd: cmd, in: in}, nil
}

// dismiss ends the watcher without running its script.
func (w *watcher) dismiss() {
	if w == nil {
		return
	}
	_, _ = io.WriteString(w.in, "done\n") // fails only where the watcher is gone already
	_ = w.in.Close()
	_ = w.cmd.Wait()
}
