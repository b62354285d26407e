package faults_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gatehouse/gatehouse/test/drive"
)

// TestAFullDiskRefusesWritesAndKeepsReads takes the room for writing away in two ways: from each file, which anyone may do
// to a process of theirs, and from the file system, which takes the right to mount one.
func TestAFullDiskRefusesWritesAndKeepsReads(t *testing.T) {
	t.Parallel()
	t.Run("files may not grow", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		s := drive.Start(t, "data_dir="+dir, noLimits)
		limit := func(bytes uint64) {
			require.NoError(t, unix.Prlimit(s.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil))
		}
		fullDisk(t, s, func() {
			info, err := os.Stat(filepath.Join(dir, "gatehouse.db-wal"))
			require.NoError(t, err)
			limit(uint64(info.Size()))
		}, func() { limit(unix.RLIM_INFINITY) })
	})
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=6m")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		return // the right is root's, and not in every container
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	fullDisk(t, drive.Start(t, "data_dir="+filepath.Join(dir, "data"), noLimits), func() {
		require.Error(t, os.WriteFile(filler, make([]byte, 8<<20), 0o600), "the disk is full now")
	}, func() { require.NoError(t, os.Remove(filler)) })
}

func fullDisk(t *testing.T, s *drive.Server, fill, free func()) {
	t.Helper()
	require.Equal(t, http.StatusCreated, s.Register("ada@example.com").Status)
	token := s.MustLogIn("ada@example.com")
	fill()
	var refused drive.Answer
	for i := range 200 {
		if refused = s.Register(fmt.Sprintf("full-%d@example.com", i)); refused.Status != http.StatusCreated {
			break
		}
	}
	require.Equal(t, http.StatusServiceUnavailable, refused.Status, "%s", refused.Body)
	require.NotEmpty(t, refused.Header.Get("Retry-After"))
	require.Equal(t, http.StatusOK, s.Send("GET", "/users/me", token, "").Status, "reads go on")
	free()
	require.Eventually(t, func() bool { return s.Register("after@example.com").Status == http.StatusCreated }, 10*time.Second, 10*time.Millisecond)
	s.MustLogIn("ada@example.com")
}
