//go:build unix && !linux

package testenv

import "syscall"

// dieWithParent does nothing here: no such service of the kernel; the watcher alone ends orphans.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}
