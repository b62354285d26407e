package httpapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/gatehouse/gatehouse/core/authz"
	"github.com/gatehouse/gatehouse/core/errs"
)

type fileInput struct{ File File }

type fileOutput struct {
	Bytes int `json:"bytes" example:"1"`
}

// fileServer takes files that begin with "ok", of at most 6 MiB, and lets work look at each. Those that begin with "damaged"
// are a wrong input, all others of another type.
func fileServer(t testing.TB, work func(ctx context.Context, f File) error) http.Handler {
	t.Helper()
	rt := NewRouter("Test", "For tests.", "1")
	Handle(rt, Op{
		Method: http.MethodPut, Path: "/file", ID: "putFile", Tag: "Test", Summary: "Put", Description: "Puts.", Access: authz.Public,
		Upload: &Upload{
			Field: "file", Kind: "image", Formats: []string{"image/png"}, Limit: func() int64 { return 6 << 20 },
			Look: func(head []byte) (bool, error) {
				switch {
				case bytes.HasPrefix(head, []byte("ok")):
					return true, nil
				case bytes.HasPrefix(head, []byte("damaged")):
					return true, errs.ErrValidation
				default:
					return true, errs.ErrUnsupportedMediaType
				}
			},
		},
	}, func(ctx context.Context, in fileInput) (fileOutput, error) {
		return fileOutput{len(in.File)}, work(ctx, in.File)
	})
	h, err := rt.Serve(Dependencies{Settings: &Settings{MaxBody: 1 << 20}, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return h
}

func putFile(h http.Handler, contentType string, body []byte, length int64) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPut, "/file", bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.ContentLength = length
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAFileArrivesAsItIs(t *testing.T) {
	t.Parallel()
	for _, size := range []int{2, uploadFirstLook, 4 << 10, uploadHead - 1, uploadHead, uploadHead + 1, 1 << 20, 6 << 20} {
		want := append([]byte("ok"), bytes.Repeat([]byte{'x'}, size-2)...)
		h := fileServer(t, func(_ context.Context, f File) error {
			if !bytes.Equal(f, want) {
				return errors.New("another file")
			}
			return nil
		})
		form := []byte("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\n" + string(want) + "\r\n--b--\r\n")
		for _, announced := range []bool{true, false} {
			for contentType, body := range map[string][]byte{"image/png": want, "multipart/form-data; boundary=b": form} {
				length := int64(-1)
				if announced {
					length = int64(len(body))
				}
				w := putFile(h, contentType, body, length)
				require.Equal(t, http.StatusOK, w.Code, "%d bytes as %s: %s", size, contentType, w.Body)
				require.JSONEq(t, fmt.Sprintf(`{"bytes":%d}`, size), w.Body.String())
			}
		}
	}
}

// TestFilesShareOneMemory holds every file while others come: what does not fit waits, and is refused in time.
func TestFilesShareOneMemory(t *testing.T) {
	t.Parallel()
	atWork, goOn := make(chan struct{}, 20), make(chan struct{})
	h := fileServer(t, func(context.Context, File) error {
		atWork <- struct{}{}
		<-goOn
		return nil
	})
	large := append([]byte("ok"), make([]byte, 6<<20-2)...)
	var all errgroup.Group
	for range uploadMemory / len(large) {
		all.Go(func() error {
			if w := putFile(h, "image/png", large, int64(len(large))); w.Code != http.StatusOK {
				return errors.New(w.Body.String())
			}
			return nil
		})
	}
	for range uploadMemory / len(large) {
		<-atWork
	}
	start := time.Now()
	w := putFile(h, "image/png", large, int64(len(large)))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Equal(t, "2", w.Header().Get("Retry-After"))
	require.Less(t, time.Since(start), 2*uploadPatience)
	require.Equal(t, http.StatusUnsupportedMediaType, putFile(h, "image/png", bytes.Repeat([]byte("no"), 3<<20), 6<<20).Code, "refusing takes no memory")
	close(goOn)
	require.NoError(t, all.Wait())
	require.Equal(t, http.StatusOK, putFile(h, "image/png", large, -1).Code, "the memory came back")
}

// TestAFileThatIsTooLargeIsSoWhateverElseIsWrong sends bodies that do not announce their size.
func TestAFileThatIsTooLargeIsSoWhateverElseIsWrong(t *testing.T) {
	t.Parallel()
	h := fileServer(t, func(context.Context, File) error { return nil })
	const field = "--b\r\nContent-Disposition: form-data; name=\"%s\"\r\n\r\n%s\r\n"
	for name, c := range map[string]struct{ contentType, body string }{
		"a wrong input":        {"image/png", "damaged"},
		"a wrong file":         {"multipart/form-data; boundary=b", fmt.Sprintf(field, "file", "damaged")},
		"an unknown field":     {"multipart/form-data; boundary=b", fmt.Sprintf(field, "name", "x")},
		"two files":            {"multipart/form-data; boundary=b", strings.Repeat(fmt.Sprintf(field, "file", "ok"), 2)},
		"no boundary":          {"multipart/form-data", "x"},
		"of another type":      {"image/png", "x"},
		"a form of other type": {"multipart/form-data; boundary=b", fmt.Sprintf(field, "file", "x")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			small, large := http.StatusBadRequest, http.StatusRequestEntityTooLarge
			if strings.Contains(name, "type") { // 415 comes first
				small, large = http.StatusUnsupportedMediaType, http.StatusUnsupportedMediaType
			}
			require.Equal(t, small, putFile(h, c.contentType, []byte(c.body+"--b--\r\n"), -1).Code)
			w := putFile(h, c.contentType, []byte(c.body+strings.Repeat("x", 7<<20)), -1)
			require.Equal(t, large, w.Code, "%s", w.Body)
		})
	}
}

func TestAnUploadNeedsAFileInItsInput(t *testing.T) {
	t.Parallel()
	rt := NewRouter("Test", "For tests.", "1")
	require.PanicsWithValue(t, "an operation that takes a file has an input without a File", func() {
		Handle(rt, Op{
			Method: http.MethodPut, Path: "/file", ID: "putFile", Tag: "Test", Summary: "Put", Description: "Puts.", Access: authz.Public, Upload: &Upload{Field: "file"},
		}, func(context.Context, struct{}) (NoContent, error) { return NoContent{}, nil })
	})
}

func FuzzUpload(f *testing.F) {
	const boundary = "multipart/form-data; boundary=b"
	for _, contentType := range []string{"image/png", boundary, "multipart/form-data", "multipart/form-data; boundary=\"\"", "image/", "text/plain", "multipart/form-data; boundary=b; boundary=c"} {
		f.Add(contentType, []byte("ok"), int64(2))
	}
	for _, body := range []string{
		"", "--b--", "--b\r\n\r\n\r\n--b--", "--b\r\nContent-Disposition: form-data; name=file\r\n\r\nok\r\n--b--\r\n", "--b\r\nContent-Disposition: form-data; name=\"a/b~\"\r\n\r\nok\r\n--b--\r\n",
		"--b\r\nContent-Disposition: form-data; name=file\r\nContent-Transfer-Encoding: base64\r\n\r\nok\r\n--b\r\nContent-Disposition: form-data; name=file\r\n\r\nok\r\n--b--\r\n", strings.Repeat("--b\r\n", 100),
	} {
		f.Add(boundary, []byte(body), int64(-1))
	}
	h := fileServer(f, func(_ context.Context, file File) error {
		if !bytes.HasPrefix(file, []byte("ok")) {
			return errors.New("nobody has looked at it")
		}
		return nil
	})
	f.Fuzz(func(t *testing.T, contentType string, body []byte, length int64) {
		w := putFile(h, contentType, body, max(-1, length))
		require.Contains(t, []int{200, 400, 413, 415}, w.Code, "%s", w.Body)
	})
}
