package testenv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// aptScript installs the packages $@ and starts none of their services, on a machine that runs systemd as in a container.
const aptScript = `
set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap 'rm -f "$policy"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi
apt-get update -q
apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=600 "$@"
`

// dpkgFolder is locked while we install, so that two runs do not meet in apt's lists. It is the folder itself: no file is made.
const dpkgFolder = "/var/lib/dpkg"

// installLimit bounds one installation.
const installLimit = 20 * time.Minute

// mayInstall says whether packages may be installed without asking: by root on Debian and its kin, and on a CI machine
// that lets its user become root.
func mayInstall() bool {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return false
	}
	if os.Geteuid() == 0 {
		return true
	}
	_, err := exec.LookPath("sudo")
	return err == nil && os.Getenv("CI") == "true"
}

// install brings in the packages of all that is missing, unless another run did so while we waited for it.
func install(ctx context.Context, missing []need, progress io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, installLimit)
	defer cancel()
	unlock, err := lockFolder(dpkgFolder)
	if err != nil {
		return err
	}
	defer unlock()
	var packages []string
	for _, n := range missing {
		if _, ok := n.find(ctx); !ok {
			packages = append(packages, n.packages...)
		}
	}
	if len(packages) == 0 {
		return nil
	}
	sayf(progress, "installing %s with apt-get; this takes a few minutes, once", strings.Join(packages, " "))
	begin := time.Now()
	args := append([]string{"/bin/sh", "-c", aptScript, "testenv-install"}, packages...)
	if os.Geteuid() != 0 {
		args = append([]string{"sudo", "-n", "DEBIAN_FRONTEND=noninteractive"}, args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // lets the script clean up
	cmd.WaitDelay = stopLimit
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get: %w: %s", err, tail(out.Bytes()))
	}
	sayf(progress, "installed in %s", time.Since(begin).Round(time.Second))
	return nil
}

// lockFolder waits until no other process holds the folder's lock.
func lockFolder(path string) (unlock func(), err error) {
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), dir.Close())
	}
	return func() { _ = dir.Close() }, nil // closing lets the lock go
}

func sayf(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, "testenv: "+format+"\n", args...) // progress for a person; nothing depends on it
}
