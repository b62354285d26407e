package faults_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/test/drive"
)

// memory gives the resident memory of a process in MiB, now and at most so far. Only Linux tells it.
func memory(t *testing.T, pid int) (now, peak float64) {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			now = kib / 1024
		case name == "VmHWM":
			peak = kib / 1024
		}
	}
	return now, peak
}

func connect(t *testing.T, s *drive.Server) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.URL, "http://"), 10*time.Second)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(2*time.Minute)))
	return conn
}

// endless gives the same bytes again, as often as it is asked up to its size.
type endless struct {
	piece string
	left  int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, io.EOF
	}
	n := 0
	for n+len(e.piece) <= len(p) && e.left > 0 {
		n += copy(p[n:], e.piece)
		e.left -= len(e.piece)
	}
	return n, nil
}

// TestStatement22LargeAndDeepInputIsRefusedAtOnce sends each thing to a server of its own, so that its memory is known.
func TestStatement22LargeAndDeepInputIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // nothing tells the memory of another process
	}
	const post = "POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	sized := func(n int) string { return fmt.Sprintf("%sContent-Length: %d\r\n\r\n", post, n) }
	member := `,"e1":"` + strings.Repeat("x", 24) + `"`
	for name, c := range map[string]struct {
		head    string
		body    endless
		offends int // bytes of the body up to the offending one
		status  int
	}{
		"a gibibyte in chunks": {post + "Transfer-Encoding: chunked\r\n\r\n", endless{"1000\r\n" + strings.Repeat("x", 4096) + "\r\n", 1 << 30}, 1 << 20, http.StatusRequestEntityTooLarge},
		"a gibibyte announced": {sized(1 << 30), endless{strings.Repeat(" ", 4096), 1 << 30}, 0, http.StatusRequestEntityTooLarge},
		"a mebibyte of header": {"GET /users/me HTTP/1.1\r\nHost: x\r\n", endless{"X-Filler: " + strings.Repeat("x", 4000) + "\r\n", 1 << 20}, 64 << 10, http.StatusRequestHeaderFieldsTooLarge},
		"deep JSON":            {sized(1 << 20), endless{strings.Repeat("[", 1024), 1 << 20}, 1 << 20, http.StatusBadRequest},
		"wide JSON":            {sized(12+30_000*len(member)) + `{"email":"x"`, endless{member, 30_000 * len(member)}, 30_000 * len(member), http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := drive.Start(t, "data_dir="+t.TempDir(), noLimits)
			before, _ := memory(t, s.PID())
			fastest := time.Hour
			for range 5 { // the machine may have other work
				conn := connect(t, s)
				answered := make(chan time.Duration, 1)
				var written time.Time
				var mu sync.Mutex
				go func() {
					res, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err != nil {
						t.Error(err)
						answered <- time.Hour
						return
					}
					defer func() { _ = res.Body.Close() }()
					if res.StatusCode != c.status {
						t.Errorf("status %d", res.StatusCode)
					}
					mu.Lock()
					defer mu.Unlock()
					answered <- time.Since(written)
				}()
				body, buf := c.body, make([]byte, 16<<10)
				mu.Lock()
				written = time.Now()
				mu.Unlock()
				_, err := io.WriteString(conn, c.head)
				for total := 0; err == nil; {
					var n int
					if n, err = body.Read(buf); err != nil {
						break
					}
					total += n
					if total-n < c.offends { // what comes later is not the offending byte
						mu.Lock()
						written = time.Now()
						mu.Unlock()
					}
					_, err = conn.Write(buf[:n])
				}
				fastest = min(fastest, <-answered)
				_ = conn.Close()
			}
			_, peak := memory(t, s.PID())
			t.Logf("answered after %s, %.0f MiB above %.0f", fastest, peak-before, before)
			require.Less(t, fastest, 200*time.Millisecond)
			require.Less(t, peak-before, 64.0)
		})
	}
}

// TestStatement22SlowSendersAreCut takes as long as the time-outs, which are 5 s for a header and 30 s for all.
func TestStatement22SlowSendersAreCut(t *testing.T) {
	t.Parallel()
	s := drive.Start(t, "data_dir="+t.TempDir(), noLimits)
	for name, c := range map[string]struct {
		begin, drop string
		within      time.Duration
	}{
		"silent":        {"", "", 5 * time.Second},
		"a slow header": {"GET /users/me HTTP/1.1\r\nHost: x\r\n", "X: y\r\n", 5 * time.Second},
		"a slow body":   {"POST /auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{", " ", 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, s)
			begun := time.Now()
			_, err := io.WriteString(conn, c.begin)
			require.NoError(t, err)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			go func() {
				tick := time.NewTicker(500 * time.Millisecond)
				defer tick.Stop()
				for c.drop != "" && ctx.Err() == nil {
					<-tick.C
					_, _ = io.WriteString(conn, c.drop) // until it is cut
				}
			}()
			_, _ = io.Copy(io.Discard, conn) // an answer, an end or a reset: whichever, it ends
			took := time.Since(begun)
			require.InDelta(t, c.within.Seconds(), took.Seconds(), 4, "it was cut after %s", took)
		})
	}
}

// TestStatement22ConnectionsCostLittleAndEnd opens many that say nothing, and many that were served once and stay.
func TestStatement22ConnectionsCostLittleAndEnd(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		return // nothing tells the memory of another process
	}
	many := drive.Often(1_000, 8_000) // with ours and the server's in one test run, 10,000 are more than some machines allow
	for name, c := range map[string]struct {
		request string
		each    float64 // MiB
		ends    time.Duration
	}{
		"silent":     {"", 100.0 / 10_000, 5 * time.Second},
		"kept alive": {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 250.0 / 10_000, 90 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := drive.Start(t, "data_dir="+t.TempDir(), noLimits)
			before, _ := memory(t, s.PID())
			conns := make([]net.Conn, many)
			for i := range conns {
				conns[i] = connect(t, s)
				if c.request != "" {
					_, err := io.WriteString(conns[i], c.request)
					require.NoError(t, err)
					res, err := http.ReadResponse(bufio.NewReader(conns[i]), nil)
					require.NoError(t, err)
					require.Equal(t, http.StatusOK, res.StatusCode)
				}
			}
			_, peak := memory(t, s.PID())
			t.Logf("%d connections cost %.1f MiB", many, peak-before)
			require.Less(t, peak-before, c.each*float64(many)+10, "10 MiB are what the server needs anyway")
			require.Equal(t, http.StatusOK, s.Status("/healthz"), "others are served")
			if c.ends > 10*time.Second && drive.Often(0, 1) == 0 {
				return // their end is a matter of the long set
			}
			begun := time.Now()
			for _, conn := range conns {
				_, _ = io.Copy(io.Discard, conn) // a reset is an end too
			}
			require.Less(t, time.Since(begun), c.ends+10*time.Second)
		})
	}
}

func TestStatement22ConnectionsBeyondTheMostAreRefused(t *testing.T) {
	t.Parallel()
	s := drive.Start(t, "data_dir="+t.TempDir(), noLimits, "http.max_connections=20")
	held := make([]net.Conn, 0, 20)
	for range 20 {
		held = append(held, connect(t, s))
	}
	require.Eventually(t, func() bool {
		conn := connect(t, s)
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(time.Second)))
		n, err := conn.Read(make([]byte, 1))
		return n == 0 && err != nil && !os.IsTimeout(err) // at once, not after the header's time-out
	}, 4*time.Second, 10*time.Millisecond)
	for _, conn := range held {
		require.NoError(t, conn.Close())
	}
	require.Eventually(t, func() bool { return s.Status("/healthz") == http.StatusOK }, 10*time.Second, 10*time.Millisecond, "there is room again")
}
