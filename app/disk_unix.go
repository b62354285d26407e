//go:build linux || darwin

package app

import (
	"golang.org/x/sys/unix"

	"github.com/gatehouse/gatehouse/core/config"
)

// freeSpace is what this user may still write to the file system of a folder.
func freeSpace(dir string) (config.Size, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return config.Size(st.Bavail) * config.Size(st.Bsize), true // no disk has 8 EiB
}

// writable says whether this user may write a file, or into a folder.
func writable(path string) bool { return unix.Access(path, unix.W_OK) == nil }
