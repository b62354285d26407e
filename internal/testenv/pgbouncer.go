package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatehouse/gatehouse/internal/loopback"
)

// bouncerConf is all that a PgBouncer is told: the database of any name is that of the server behind it. Five connections
// to each make clients take turns. It is left no start-up parameter to ignore, so that one which does not pass is seen.
const bouncerConf = `[databases]
* = host='%s' port=%d

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = md5
auth_file = %s
pool_mode = transaction
default_pool_size = 5
max_client_conn = 1000
server_tls_sslmode = prefer
server_login_retry = 1
log_connections = 0
log_disconnections = 0
`

// PgBouncer is a private pooler in front of a PostgreSQL, in transaction mode.
type PgBouncer struct {
	URL  string // as the server's, with the pooler's port
	Port int    // of 127.0.0.1
	host host
}

// StartPgBouncer puts a pooler in front of the server at the URL, for its user alone, and returns once the server answers
// through it. ctx bounds the start alone; the pooler runs until Stop. It returns ErrUnavailable where the binary is not
// there.
func StartPgBouncer(ctx context.Context, server string) (*PgBouncer, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		b, err := startPgBouncer(ctx, server)
		if err == nil {
			return b, nil
		}
		// Another process may have taken the port between our choice and its use.
		if !errors.Is(err, ErrEarlyExit) || attempt == attempts {
			return nil, fmt.Errorf("PgBouncer: %w", err)
		}
	}
}

func startPgBouncer(ctx context.Context, server string) (*PgBouncer, error) {
	path, ok := findPgBouncer()
	if !ok {
		return nil, ErrUnavailable
	}
	behind, err := pgconn.ParseConfig(server)
	if err != nil {
		return nil, errors.New("the server's URL cannot be read") // the driver's own error can hold parts of it
	}
	port, err := loopback.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	h, err := nativePgBouncer(path, behind, port)
	if err != nil {
		return nil, err
	}
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(behind.User, behind.Password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/" + behind.Database,
		RawQuery: "sslmode=disable",
	}
	b := &PgBouncer{URL: address.String(), Port: port, host: h}
	if err := b.start(ctx); err != nil {
		return nil, errors.Join(err, b.Stop()) //nolint:contextcheck // it must be stopped also when ctx has ended
	}
	return b, nil
}

// nativePgBouncer makes a new folder with the pooler's settings, where no other user reads the password.
func nativePgBouncer(path string, behind *pgconn.Config, port int) (*native, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := as.folder("gatehouse-pgbouncer-")
	if err != nil {
		return nil, err
	}
	users, conf := filepath.Join(dir, "users.txt"), filepath.Join(dir, "pgbouncer.ini")
	for file, text := range map[string]string{
		users: quoted(behind.User) + " " + quoted(behind.Password) + "\n",
		conf:  fmt.Sprintf(bouncerConf, behind.Host, behind.Port, port, users),
	} {
		if err := errors.Join(os.WriteFile(file, []byte(text), 0o600), as.own(file)); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	n := &native{name: "pgbouncer", dir: dir, as: as, path: path, args: []string{conf}, onDeath: syscall.SIGKILL} // it has nothing to save
	if err := n.watched(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return n, nil
}

// quoted is text as PgBouncer's list of users takes it.
func quoted(text string) string { return `"` + strings.ReplaceAll(text, `"`, `""`) + `"` }

func (b *PgBouncer) start(ctx context.Context) error {
	if err := b.host.start(ctx); err != nil {
		return err
	}
	return answering(ctx, b.host, func(ctx context.Context) error { return PingPostgres(ctx, b.URL) })
}

// Stop ends the pooler, and with it every connection through it, and removes its folder. It may be called once.
func (b *PgBouncer) Stop() error {
	ctx := context.Background()
	err := end(ctx, b.host) // a gentler signal waits for clients, in newer versions
	b.host.discard(ctx)
	return err
}
