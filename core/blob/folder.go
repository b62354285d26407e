package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// folder keeps each file under its key. Keys are ours, of letters, digits and "/", "-" and ".", so that they are paths.
type folder struct{ path string }

const (
	folderMode fs.FileMode = 0o700
	fileMode   fs.FileMode = 0o600
	// unfinished ends the name of a file that is not whole yet. It follows from the key, so that remove finds it.
	unfinished = ".unfinished"
)

func (f folder) at(key string) string { return filepath.Join(f.path, filepath.FromSlash(key)) }

// put writes beside the place, syncs and renames, so that a power cut leaves the whole file or none.
func (f folder) put(ctx context.Context, key, _ string, content []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := f.at(key)
	if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
		return err
	}
	err := write(path+unfinished, content)
	if err == nil {
		err = os.Rename(path+unfinished, path)
	}
	if err != nil {
		return errors.Join(err, gone(os.Remove(path+unfinished)))
	}
	return syncFolder(filepath.Dir(path))
}

func write(path string, content []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fileMode)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncFolder makes a new name durable, where a folder can be synced.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (f folder) get(_ context.Context, key string) (io.ReadCloser, int64, error) {
	file, err := os.Open(f.at(key))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, 0, ErrNotFound
		}
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	return file, info.Size(), nil
}

func (f folder) remove(_ context.Context, key string) error {
	path := f.at(key)
	return errors.Join(gone(os.Remove(path)), gone(os.Remove(path+unfinished)))
}

// gone takes what was not there for removed.
func gone(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
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

func (folder) close() error { return nil }
