package database

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
)

// JoinFS lets packages that share a name for their migrations each embed their own: it has the files of all. Numbers go on
// from one package to the next, and a file that two of them have is the first's.
func JoinFS(parts ...fs.FS) fs.FS { return joined(parts) }

type joined []fs.FS

// Open implements fs.FS.
func (j joined) Open(name string) (fs.File, error) {
	var first error = &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	for i, part := range j {
		f, err := part.Open(name)
		if err == nil {
			return f, nil
		}
		if i == 0 || !errors.Is(err, fs.ErrNotExist) {
			first = err
		}
	}
	return nil, first
}

// ReadDir implements fs.ReadDirFS.
func (j joined) ReadDir(name string) ([]fs.DirEntry, error) {
	var all []fs.DirEntry
	var missing error
	for _, part := range j {
		list, err := fs.ReadDir(part, name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil {
			missing = err
		}
		all = append(all, list...)
	}
	if len(all) == 0 && missing != nil {
		return nil, missing
	}
	slices.SortStableFunc(all, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return slices.CompactFunc(all, func(a, b fs.DirEntry) bool { return a.Name() == b.Name() }), nil
}
