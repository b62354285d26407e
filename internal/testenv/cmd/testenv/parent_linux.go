package main

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// endWithParent has the kernel send us SIGTERM when whoever started us, make for instance, is killed.
func endWithParent() {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(syscall.SIGTERM), 0, 0, 0) // without it, the run goes on to its end
}
