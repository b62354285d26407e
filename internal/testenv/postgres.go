package testenv

import (
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

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatehouse/gatehouse/internal/loopback"
)

// postgresImage is what Docker is asked for where no PostgreSQL is installed.
const postgresImage = "postgres:17-alpine"

// defaultConnections lets many test packages share one cluster.
const defaultConnections = 400

// PostgresOptions say how a cluster is to be. The zero value is the fast one, which forgets its data in a crash of the
// machine.
type PostgresOptions struct {
	Fsync          bool              // durable as in production; slower
	Port           int               // of 127.0.0.1; 0 picks a free one. It stays the same over restarts.
	MaxConnections int               // 0 means 400
	Settings       map[string]string // any other server settings, which win
}

// Shutdown is how a running PostgreSQL is ended.
type Shutdown string

const (
	// Fast ends connections, rolls back what they did, and writes a checkpoint.
	Fast Shutdown = "fast"
	// Immediate drops everything at once, as a crash does; the next start recovers from the log.
	Immediate Shutdown = "immediate"
)

// Postgres is a private PostgreSQL cluster.
type Postgres struct {
	URL  string // of its superuser, in the database postgres
	Port int    // of 127.0.0.1
	host host
}

// StartPostgres makes a cluster and returns once it answers. ctx bounds the start alone; the cluster runs until Stop. It
// returns ErrUnavailable where neither the binaries nor Docker are there.
func StartPostgres(ctx context.Context, opts PostgresOptions) (*Postgres, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		p, err := startPostgres(ctx, opts)
		if err == nil {
			return p, nil
		}
		// Another process may have taken the port between our choice and its use.
		if !errors.Is(err, ErrEarlyExit) || opts.Port != 0 || attempt == attempts {
			return nil, fmt.Errorf("PostgreSQL: %w", err)
		}
	}
}

func startPostgres(ctx context.Context, opts PostgresOptions) (*Postgres, error) {
	port := opts.Port
	if port == 0 {
		var err error
		if port, err = loopback.FreePort(ctx); err != nil {
			return nil, err
		}
	}
	password := rand.Text()
	h, err := postgresHost(ctx, opts, port, password)
	if err != nil {
		return nil, err
	}
	address := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	p := &Postgres{URL: address.String(), Port: port, host: h}
	if err := p.Start(ctx); err != nil {
		return nil, errors.Join(err, p.Stop()) //nolint:contextcheck // it must be stopped also when ctx has ended
	}
	return p, nil
}

func postgresHost(ctx context.Context, opts PostgresOptions, port int, password string) (host, error) {
	if bin, ok := findPostgres(); ok {
		return nativePostgres(ctx, bin, opts, port, password)
	}
	if haveDocker(ctx) {
		return &container{
			image: postgresImage, port: port, inner: 5432,
			env:  map[string]string{"POSTGRES_PASSWORD": password},
			args: opts.arguments(),
		}, nil
	}
	return nil, ErrUnavailable
}

// nativePostgres makes an empty cluster in a new folder.
func nativePostgres(ctx context.Context, bin string, opts PostgresOptions, port int, password string) (*native, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	dir, err := as.folder("gatehouse-postgres-")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	n := &native{
		name: "postgres", dir: dir, as: as, path: filepath.Join(bin, "postgres"), onDeath: syscall.SIGQUIT,
		args: append([]string{"-D", data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port), "-c", "unix_socket_directories="}, opts.arguments()...),
	}
	if err := n.watched(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := n.initdb(ctx, bin, data, password); err != nil {
		n.discard(ctx)
		return nil, err
	}
	return n, nil
}

func (n *native) initdb(ctx context.Context, bin, data, password string) error {
	// A password, so that nobody else on this machine becomes superuser; the plain method, since SCRAM costs each of
	// thousands of connections milliseconds.
	secret := filepath.Join(n.dir, "password")
	if err := os.WriteFile(secret, []byte(password+"\n"), 0o600); err != nil {
		return err
	}
	if err := n.as.own(secret); err != nil {
		return err
	}
	err := n.once(ctx, filepath.Join(bin, "initdb"), "--pgdata", data, "--username", "postgres", "--pwfile", secret,
		"--auth", "password", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if err != nil {
		return err
	}
	return os.Remove(secret)
}

// arguments are the server settings in a stable order.
func (o PostgresOptions) arguments() []string {
	settings := map[string]string{"max_connections": strconv.Itoa(defaultConnections)}
	if o.MaxConnections > 0 {
		settings["max_connections"] = strconv.Itoa(o.MaxConnections)
	}
	if !o.Fsync {
		for _, name := range []string{"fsync", "synchronous_commit", "full_page_writes"} {
			settings[name] = "off"
		}
	}
	maps.Copy(settings, o.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// PID is the postmaster's process; 0 when a container's is not known.
func (p *Postgres) PID() int { return p.host.pid(context.Background()) }

// Start starts the cluster again after Halt, on the same port with the same data, and returns once it answers.
func (p *Postgres) Start(ctx context.Context) error {
	if err := p.host.start(ctx); err != nil {
		return err
	}
	return answering(ctx, p.host, p.ping)
}

// Halt ends the server in the given way and keeps its data.
func (p *Postgres) Halt(ctx context.Context, how Shutdown) error {
	sig := syscall.SIGINT
	if how == Immediate {
		sig = syscall.SIGQUIT
	}
	if err := end(ctx, p.host, sig); err != nil {
		return fmt.Errorf("halt PostgreSQL: %w", err)
	}
	return nil
}

// Restart is Halt and Start.
func (p *Postgres) Restart(ctx context.Context, how Shutdown) error {
	if err := p.Halt(ctx, how); err != nil {
		return err
	}
	return p.Start(ctx)
}

// Stop ends the server and removes its data. It may be called once.
func (p *Postgres) Stop() error {
	ctx := context.Background()
	err := p.Halt(ctx, Immediate) // the data goes as well: nothing to write down
	p.host.discard(ctx)
	return err
}

func (p *Postgres) ping(ctx context.Context) error { return PingPostgres(ctx, p.URL) }

// PingPostgres connects to the server at the URL and runs one statement.
func PingPostgres(ctx context.Context, address string) error {
	conn, err := pgconn.Connect(ctx, address)
	if err != nil {
		return errors.New(strings.TrimSpace(err.Error()))
	}
	_, err = conn.Exec(ctx, "SELECT 1").ReadAll()
	return errors.Join(err, conn.Close(ctx))
}
