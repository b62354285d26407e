package mail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// folder keeps each letter as a file, for people who develop.
type folder struct{ path string }

// The letters hold links that let people in.
const (
	folderMode fs.FileMode = 0o700
	suffix                 = ".eml"
)

// deliver writes the letter whole or not at all. A message that was written before keeps its file name, so that it is
// replaced.
func (f folder) deliver(ctx context.Context, m Message, l letter, stamp string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(f.path, folderMode); err != nil {
		return fmt.Errorf("make the mail folder: %w", err)
	}
	name, err := f.earlier(m.ID)
	if err != nil {
		return fmt.Errorf("read the mail folder: %w", err)
	}
	if name == "" {
		name = stamp + "-" + m.ID + suffix
	}
	if err := f.write(name, l.raw); err != nil {
		return fmt.Errorf("write a mail: %w", err)
	}
	return nil
}

// earlier finds the file of a message that was written before; empty is none.
func (f folder) earlier(id string) (string, error) {
	dir, err := os.Open(f.path)
	if err != nil {
		return "", err
	}
	defer func() { _ = dir.Close() }() // it was only read
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if len(name) == len(stampFormat)+1+len(id)+len(suffix) && strings.HasSuffix(name, "-"+id+suffix) {
			return name, nil
		}
	}
	return "", nil
}

func (f folder) write(name string, raw []byte) error {
	tmp, err := os.CreateTemp(f.path, ".unfinished-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(raw)
	if err == nil {
		err = tmp.Sync()
	}
	err = errors.Join(err, tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(f.path, name))
	}
	if err != nil {
		_ = os.Remove(tmp.Name()) // no more than a leftover
		return err
	}
	return f.sync()
}

// sync makes the new name durable, where a folder can be synced.
func (f folder) sync() error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(f.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// probe wants the folder, or the first one above it that is there, to be a folder.
func (f folder) probe(context.Context) error {
	for path := f.path; ; path = filepath.Dir(path) {
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return fmt.Errorf("%s is no folder", path)
		case err == nil:
			return nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) || filepath.Dir(path) == path:
			return err
		}
	}
}
