package testenv

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/internal/loopback"
)

// onRedis runs the test where a server can be had; elsewhere there is no such case.
func onRedis(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if Can(t.Context(), RedisStore) {
		t.Run("redis", test)
	}
}

func TestRedisStopsRestartsPausesAndFlushes(t *testing.T) {
	t.Parallel()
	onRedis(t, func(t *testing.T) {
		t.Parallel()
		r, err := StartRedis(t.Context(), RedisOptions{Settings: map[string]string{"maxmemory": "64mb"}})
		require.NoError(t, err)
		require.NoError(t, r.Flush(t.Context()))

		require.NoError(t, r.Pause(t.Context()))
		brief, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err = PingRedis(brief, r.URL)
		cancel()
		require.Error(t, err)
		require.NoError(t, r.Resume(t.Context()))
		require.NoError(t, PingRedis(t.Context(), r.URL))

		before := r.PID()
		require.NoError(t, r.Restart(t.Context()))
		require.NotEqual(t, before, r.PID())
		require.NoError(t, PingRedis(t.Context(), r.URL))

		require.NoError(t, r.Pause(t.Context()))
		require.NoError(t, r.Stop())
		require.Error(t, PingRedis(t.Context(), r.URL))
	})
}

func TestRedisAsksForItsPassword(t *testing.T) {
	t.Parallel()
	onRedis(t, func(t *testing.T) {
		t.Parallel()
		r, err := StartRedis(t.Context(), RedisOptions{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, r.Stop()) })
		_, host, _ := strings.Cut(r.URL, "@")
		require.ErrorContains(t, PingRedis(t.Context(), "redis://"+host), "NOAUTH")
		require.ErrorContains(t, PingRedis(t.Context(), "redis://:wrong@"+host), "WRONGPASS")
	})
}

func TestRedisOnATakenPortSaysSo(t *testing.T) {
	t.Parallel()
	onRedis(t, func(t *testing.T) {
		t.Parallel()
		var lc net.ListenConfig
		l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer func() { require.NoError(t, l.Close()) }()
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_ = conn.Close()
			}
		}()
		_, err = StartRedis(t.Context(), RedisOptions{Port: l.Addr().(*net.TCPAddr).Port})
		require.ErrorIs(t, err, ErrEarlyExit)
	})
}

func TestPingRedisNeverQuotesTheURL(t *testing.T) {
	t.Parallel()
	err := PingRedis(t.Context(), "redis://:pass\x7fword@127.0.0.1:1")
	require.Error(t, err)
	require.NotContains(t, err.Error(), "pass")
}

// fakeDocker is a client whose containers are processes of this machine: enough to see each command that we send.
const fakeDocker = `#!/bin/sh
state=$(dirname "$0")
echo "$@" >>"$state/calls"
cmd=$1; shift
begin() { # and return once it leads a group, which it is known by
	setsid sh -c "$(cat "$state/$name.cmd")" >/dev/null 2>&1 &
	echo $! >"$state/$name.pid"
	while kill -0 $! 2>/dev/null && ! kill -0 -$! 2>/dev/null; do sleep 0.01; done
}
for name in "$@"; do :; done
case $cmd in
version) echo 28.0 ;;
run)
	while [ "$1" != redis:fake ]; do
		case $1 in
		--name) name=$2 ;;
		--publish) port=$(echo "$2" | cut -d: -f2) ;;
		esac
		shift
	done
	shift
	echo "$* --port $port" >"$state/$name.cmd"
	begin ;;
start) begin ;;
kill) kill -"$2" -"$(cat "$state/$name.pid")" ;;
wait) while kill -0 -"$(cat "$state/$name.pid")" 2>/dev/null; do sleep 0.05; done ;;
inspect)
	case $2 in
	*Pid*) cat "$state/$name.pid" ;;
	*) if kill -0 -"$(cat "$state/$name.pid")" 2>/dev/null; then echo true; else echo false; fi ;;
	esac ;;
logs) echo "its last words" ;;
rm) kill -KILL -"$(cat "$state/$name.pid")" 2>/dev/null; rm -f "$state/$name.pid" ;;
esac
`

func TestServersComeFromDockerToo(t *testing.T) {
	path, ok := findRedis()
	if !ok {
		return // the stand-in client runs the server itself
	}
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "docker"), []byte(fakeDocker), 0o755))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	require.True(t, haveDocker(t.Context()))

	port, err := loopback.FreePort(t.Context())
	require.NoError(t, err)
	c := &container{image: "redis:fake", port: port, inner: 6379, env: map[string]string{"A": "b"}, args: []string{path, "--bind", "127.0.0.1", "--save", "''"}}
	r := &Redis{URL: "redis://127.0.0.1:" + itoa(port), Port: port, host: c}
	require.NoError(t, r.Start(t.Context()))
	require.NoError(t, r.Restart(t.Context()))
	require.NotZero(t, r.PID())
	require.Equal(t, "its last words\n", c.log(t.Context()))
	require.NoError(t, r.Stop())
	require.Error(t, PingRedis(t.Context(), r.URL))

	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err)
	require.Contains(t, string(calls), "--publish 127.0.0.1:"+itoa(port)+":6379 --env A=b redis:fake")
	require.Contains(t, string(calls), "rm --force --volumes gatehouse-test-")
}

func TestAHostThatNeverAnswersIsGivenUp(t *testing.T) {
	t.Parallel()
	reason := errors.New("still deaf")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := answering(ctx, &native{process: &process{ended: make(chan struct{})}}, func(context.Context) error { return reason })
	require.ErrorIs(t, err, reason)
}
