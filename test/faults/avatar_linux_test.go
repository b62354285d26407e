package faults_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/png"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gatehouse/gatehouse/test/drive"
)

// putAvatar sends a picture and gives the answer's status, 0 where there was none, and how long it took.
func putAvatar(s *drive.Server, token string, file []byte) (status int, took time.Duration) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPut, s.URL+"/users/me/avatar", bytes.NewReader(file))
	if err != nil {
		return 0, 0
	}
	req.Header.Set("Content-Type", "image/png")
	req.Header.Set("Authorization", "Bearer "+token)
	start := time.Now()
	res, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return 0, time.Since(start)
	}
	defer func() { _ = res.Body.Close() }()
	return res.StatusCode, time.Since(start)
}

// header is a PNG of a size that holds no pixels, and then whatever fills it up.
func header(width, height uint32, depth, colour byte, fill int) []byte {
	chunk := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, width), height)...)
	chunk = append(chunk, depth, colour, 0, 0, 0)
	file := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), chunk...)
	return append(binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(chunk)), make([]byte, fill)...)
}

// truncated is as large as a picture may be, and lacks its end.
func truncated(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	m := image.NewNRGBA64(image.Rect(0, 0, 5000, 5000))
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, m))
	return b.Bytes()[:b.Len()-100]
}

// TestStatement22TwentyPictureBombsAtOnce sends each kind to a server of its own, so that its memory is known.
func TestStatement22TwentyPictureBombsAtOnce(t *testing.T) { //nolint:paralleltest // it looks at time, which other tests would take
	const fill = 4 << 20
	for name, c := range map[string]struct {
		file   []byte
		most   float64 // MiB
		within time.Duration
		early  bool // refused by its first bytes, so that nobody decodes it
		want   []int
	}{
		"65535 × 65535":           {header(65535, 65535, 8, 6, fill), 64, 200 * time.Millisecond, true, []int{400}},
		"over 25 megapixels":      {header(5001, 5000, 8, 6, fill), 64, 200 * time.Millisecond, true, []int{400}},
		"not a picture":           {bytes.Repeat([]byte("no"), fill/2), 64, 200 * time.Millisecond, true, []int{415}},
		"truncated, 25 megapixel": {truncated(t), 400, time.Minute, false, []int{400, 503}},
	} {
		t.Run(name, func(t *testing.T) {
			s := drive.Start(t, "data_dir="+t.TempDir(), noLimits)
			s.Register("ada@example.com")
			token := s.MustLogIn("ada@example.com")
			before, _ := memory(t, s.PID())
			fastest, answered := time.Hour, 0
			for range 3 { // the machine may have other work
				slowest := time.Duration(0)
				var mu sync.Mutex
				var all sync.WaitGroup
				for range 20 {
					all.Go(func() {
						status, took := putAvatar(s, token, c.file)
						mu.Lock()
						defer mu.Unlock()
						slowest = max(slowest, took)
						if status != 0 {
							answered++
						}
						// A client that is still sending may find the connection closed before it reads why.
						if status != 0 && !slices.Contains(c.want, status) {
							t.Errorf("status %d", status)
						}
					})
				}
				all.Wait()
				fastest = min(fastest, slowest)
			}
			_, peak := memory(t, s.PID())
			t.Logf("all within %s, %.0f MiB above %.0f", fastest, peak-before, before)
			require.Greater(t, answered, 3*20/2)
			require.Equal(t, c.early, s.Metric("pictures_decoded_total") == 0)
			require.Less(t, fastest, c.within)
			require.Less(t, peak-before, c.most)
			require.Equal(t, http.StatusOK, s.Send("GET", "/users/me", token, "").Status)
		})
	}
}

// TestAFullDiskWhileUploadingRefusesAndLeavesNothing lets files of the server grow no further than the database needs.
func TestAFullDiskWhileUploadingRefusesAndLeavesNothing(t *testing.T) {
	t.Parallel()
	var picture bytes.Buffer
	m := image.NewNRGBA(image.Rect(0, 0, 512, 512))
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 3) // that no encoder makes small
	}
	require.NoError(t, png.Encode(&picture, m))
	dir := t.TempDir()
	s := drive.Start(t, "data_dir="+dir, noLimits)
	s.Register("ada@example.com")
	token := s.MustLogIn("ada@example.com")
	limit := func(bytes uint64) {
		require.NoError(t, unix.Prlimit(s.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil))
	}
	for _, most := range []uint64{0, 1 << 10} { // neither the job nor the picture fits
		limit(most)
		status, _ := putAvatar(s, token, picture.Bytes())
		require.Equal(t, http.StatusServiceUnavailable, status)
	}
	limit(unix.RLIM_INFINITY)
	require.Eventually(t, func() bool { return len(filesBelow(t, filepath.Join(dir, "blobs"))) == 0 }, 30*time.Second, 50*time.Millisecond)
	require.Contains(t, string(s.Send("GET", "/users/me", token, "").Body), `"avatar_url":null`)
	status, _ := putAvatar(s, token, picture.Bytes())
	require.Equal(t, http.StatusOK, status)
	require.Len(t, filesBelow(t, filepath.Join(dir, "blobs")), 2)
}

func filesBelow(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	return names
}
