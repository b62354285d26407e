package testenv

import (
	"context"
	"os/exec"
	"runtime"
	"syscall"
)

// process is a child that does not outlive us: on Linux the kernel signals it when we die; elsewhere the watcher does.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed once the child has been waited for
}

// startProcess starts cmd; onDeath is what it is sent should this process die first.
func startProcess(cmd *exec.Cmd, onDeath syscall.Signal) (*process, error) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // a Ctrl-C is for us to pass on, in our order
	dieWithParent(cmd.SysProcAttr, onDeath)
	p := &process{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel watches the thread that forked, not the process; so that thread stays with the child to its end.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		defer close(p.ended)
		_ = cmd.Wait() // the outcome is in cmd.ProcessState
	}()
	return p, <-started
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) signal(sig syscall.Signal) error { return p.cmd.Process.Signal(sig) }

// wait returns once the child has ended, or ctx has.
func (p *process) wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// running says whether the child has not been waited for yet.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}
