package testenv

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/internal/loopback"
)

// redisImage is what Docker is asked for where no Redis is installed.
const redisImage = "redis:7.2-alpine"

// redisLimit bounds one exchange with Redis.
const redisLimit = 5 * time.Second

// RedisOptions say how a Redis is to be. It never writes to disk: a restart forgets everything.
type RedisOptions struct {
	Port     int               // of 127.0.0.1; 0 picks a free one. It stays the same over restarts.
	Settings map[string]string // any other server settings, such as maxmemory
}

// Redis is a private Redis server.
type Redis struct {
	URL  string // with its password, database 0
	Port int    // of 127.0.0.1
	host host
}

// StartRedis returns once the server answers. ctx bounds the start alone; the server runs until Stop. It returns
// ErrUnavailable where neither the binary nor Docker is there.
func StartRedis(ctx context.Context, opts RedisOptions) (*Redis, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		r, err := startRedis(ctx, opts)
		if err == nil {
			return r, nil
		}
		// Another process may have taken the port between our choice and its use.
		if !errors.Is(err, ErrEarlyExit) || opts.Port != 0 || attempt == attempts {
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
}

func startRedis(ctx context.Context, opts RedisOptions) (*Redis, error) {
	port := opts.Port
	if port == 0 {
		var err error
		if port, err = loopback.FreePort(ctx); err != nil {
			return nil, err
		}
	}
	password := rand.Text()
	h, err := redisHost(ctx, opts, port, password)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "redis", User: url.UserPassword("default", password), Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	r := &Redis{URL: address.String(), Port: port, host: h}
	if err := r.Start(ctx); err != nil {
		return nil, errors.Join(err, r.Stop()) //nolint:contextcheck // it must be stopped also when ctx has ended
	}
	return r, nil
}

func redisHost(ctx context.Context, opts RedisOptions, port int, password string) (host, error) {
	settings := map[string]string{"requirepass": password, "save": `""`, "appendonly": "no"}
	maps.Copy(settings, opts.Settings)
	if path, ok := findRedis(); ok {
		return nativeRedis(path, settings, port)
	}
	if !haveDocker(ctx) {
		return nil, ErrUnavailable
	}
	args := []string{"redis-server"}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "--"+name, strings.Trim(settings[name], `"`))
	}
	return &container{image: redisImage, port: port, inner: 6379, args: args}, nil
}

// nativeRedis makes a new folder with the server's settings, where no other user reads the password.
func nativeRedis(path string, settings map[string]string, port int) (*native, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := as.folder("gatehouse-redis-")
	if err != nil {
		return nil, err
	}
	var conf strings.Builder
	fmt.Fprintf(&conf, "bind 127.0.0.1\nport %d\ndir %s\ndaemonize no\n", port, dir)
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&conf, "%s %s\n", name, settings[name])
	}
	file := filepath.Join(dir, "redis.conf")
	if err := errors.Join(os.WriteFile(file, []byte(conf.String()), 0o600), as.own(file)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	n := &native{name: "redis", dir: dir, as: as, path: path, args: []string{file}, onDeath: syscall.SIGKILL} // it has nothing to save
	if err := n.watched(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return n, nil
}

// PID is the server's process; 0 when a container's is not known.
func (r *Redis) PID() int { return r.host.pid(context.Background()) }

// Start starts the server again after Halt, on the same port and empty, and returns once it answers.
func (r *Redis) Start(ctx context.Context) error {
	if err := r.host.start(ctx); err != nil {
		return err
	}
	return answering(ctx, r.host, func(ctx context.Context) error { return PingRedis(ctx, r.URL) })
}

// Halt ends the server, also a paused one.
func (r *Redis) Halt(ctx context.Context) error {
	if r.host.ended(ctx) {
		return nil
	}
	if err := end(ctx, r.host); err != nil {
		return fmt.Errorf("halt redis: %w", err)
	}
	return nil
}

// Restart is Halt and Start; what the server held is lost.
func (r *Redis) Restart(ctx context.Context) error {
	if err := r.Halt(ctx); err != nil {
		return err
	}
	return r.Start(ctx)
}

// Pause freezes the server: connections stay and new ones are accepted by the kernel, but nothing answers.
func (r *Redis) Pause(ctx context.Context) error { return r.host.signal(ctx, syscall.SIGSTOP) }

// Resume ends a Pause.
func (r *Redis) Resume(ctx context.Context) error { return r.host.signal(ctx, syscall.SIGCONT) }

// Flush empties every database of the server.
func (r *Redis) Flush(ctx context.Context) error { return askRedis(ctx, r.URL, "FLUSHALL") }

// Stop ends the server and removes what it left. It may be called once.
func (r *Redis) Stop() error {
	ctx := context.Background()
	err := r.Halt(ctx)
	r.host.discard(ctx)
	return err
}

// PingRedis connects to the server at the URL and asks it to answer.
func PingRedis(ctx context.Context, address string) error { return askRedis(ctx, address, "PING") }

// askRedis sends one command without arguments, after the password if the URL has one.
func askRedis(ctx context.Context, address, command string) error {
	u, err := url.Parse(address)
	if err != nil {
		return errors.New("not a Redis URL") // the parser's own words would quote the password
	}
	ctx, cancel := context.WithTimeout(ctx, redisLimit)
	defer cancel()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", hostPort(u))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	replies := bufio.NewReader(conn)
	if password, ok := u.User.Password(); ok {
		login := []string{"AUTH", password}
		if name := u.User.Username(); name != "" {
			login = []string{"AUTH", name, password}
		}
		if err := exchange(conn, replies, login...); err != nil {
			return err
		}
	}
	return exchange(conn, replies, command)
}

func hostPort(u *url.URL) string {
	if u.Port() == "" {
		return net.JoinHostPort(u.Hostname(), "6379")
	}
	return u.Host
}

// exchange writes one command in Redis's protocol (RESP) and reads its one-line answer.
func exchange(conn net.Conn, replies *bufio.Reader, words ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(word), word)
	}
	if _, err := conn.Write([]byte(b.String())); err != nil {
		return err
	}
	line, err := replies.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "+") {
		return fmt.Errorf("redis answers %s", strings.TrimSpace(line))
	}
	return nil
}
