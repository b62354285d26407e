package testenv

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// identity is whom servers run as. PostgreSQL refuses to run as root, and a test server has no business being root.
type identity struct {
	credential *syscall.Credential // nil: as ourselves
}

// unprivileged gives postgres, else nobody, where we are root; ourselves otherwise.
func unprivileged() (identity, error) {
	if os.Geteuid() != 0 {
		return identity{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return identity{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
	}
	return identity{}, fmt.Errorf("%w: servers do not run as root, and there is no user postgres or nobody", ErrUnavailable)
}

// attributes are a child's, so that it runs as this identity.
func (id identity) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: id.credential}
}

// folder makes a private temporary folder that this identity owns.
func (id identity) folder(pattern string) (string, error) {
	dir, err := os.MkdirTemp(id.tempRoot(), pattern)
	if err != nil {
		return "", err
	}
	if err := id.own(dir); err != nil {
		return "", err
	}
	return dir, nil
}

// own gives the file to this identity.
func (id identity) own(path string) error {
	if id.credential == nil {
		return nil
	}
	return os.Chown(path, int(id.credential.Uid), int(id.credential.Gid))
}

// tempRoot is TMPDIR, unless another identity could not pass through the folders above it.
func (id identity) tempRoot() string {
	root := os.TempDir()
	if id.credential == nil {
		return root
	}
	for dir := root; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&0o001 == 0 {
			return "/tmp"
		}
		if dir == filepath.Dir(dir) {
			return root
		}
	}
}
