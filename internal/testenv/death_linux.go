package testenv

import "syscall"

// dieWithParent has the kernel send sig to the child when the thread that forks it ends.
func dieWithParent(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
