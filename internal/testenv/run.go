package testenv

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// Run runs a command in the environment and gives its exit code, 128 plus the signal's number when one ended it. Signals
// that arrive on the channel go to the command and all that it started. When this process is killed, they end too.
func (e *Environment) Run(signals <-chan os.Signal, command []string) (int, error) {
	cmd, start, err := held(command)
	if err != nil {
		return 0, fmt.Errorf("testenv: %w", err)
	}
	defer func() { _ = start.Close() }()
	cmd.Env = append(os.Environ(), e.vars...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input(), os.Stdout, os.Stderr
	p, err := startProcess(cmd, syscall.SIGTERM)
	_ = cmd.ExtraFiles[0].Close() // the command has its own
	if err != nil {
		return 0, fmt.Errorf("testenv: %w", err)
	}
	w, err := watch(reapGroup, strconv.Itoa(p.pid()))
	if err != nil {
		return 0, err
	}
	defer w.dismiss()
	if _, err := start.WriteString("\n"); err != nil {
		return 0, fmt.Errorf("testenv: %w", err)
	}
	for {
		select {
		case <-p.ended:
			_ = syscall.Kill(-p.pid(), syscall.SIGTERM) // stragglers of the command; usually there are none
			return exitCode(cmd.ProcessState), nil
		case s := <-signals:
			if sig, ok := s.(syscall.Signal); ok {
				_ = syscall.Kill(-p.pid(), sig) // it may have ended this moment
			}
		}
	}
}

// hold is a shell that becomes the command once it is told to, and ends where nobody is left to tell it.
const hold = `read -r start <&3 || exit 125; exec 3<&-; exec "$@"`

// held makes a command that begins only when a line is written to start. Its group has a watcher by then, so that nothing it
// starts is out of reach when we are killed.
func held(command []string) (cmd *exec.Cmd, start *os.File, err error) {
	path, err := exec.LookPath(command[0])
	if err != nil {
		return nil, nil, err
	}
	told, start, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	args := append([]string{"-c", hold, "testenv", path}, command[1:]...)
	cmd = exec.CommandContext(context.Background(), "/bin/sh", args...) // ended by signals, not by a context
	cmd.ExtraFiles = []*os.File{told}
	return cmd, start, nil
}

// input is our standard input unless that is a terminal: the command is in a group of its own, which the terminal would
// stop at its first read.
func input() io.Reader {
	info, err := os.Stdin.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice != 0 {
		return nil
	}
	return os.Stdin
}

func exitCode(state *os.ProcessState) int {
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return state.ExitCode()
}
