package database

import (
	"errors"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// The faults of a URL. None of them holds the URL, since it holds a password.
var (
	errScheme       = errors.New("must start with sqlite: or postgres:// or postgresql://")
	errPostgresURL  = errors.New("is not a URL for PostgreSQL, or names files that cannot be read")
	errSQLiteURL    = errors.New("must be sqlite:<path>; the one parameter it takes is synchronous=off|normal|full")
	errNoDataFolder = errors.New("database: neither a URL nor a data folder is given")
)

// connectTimeout bounds one attempt to connect, where the URL has no connect_timeout of its own. It is short, so that a
// switch-over to another server is noticed in time.
const connectTimeout = 3 * time.Second

func engineOf(raw string) (Engine, error) {
	switch {
	case raw == "" || strings.HasPrefix(raw, "sqlite:"):
		return SQLite, nil
	case strings.HasPrefix(raw, "postgres://") || strings.HasPrefix(raw, "postgresql://"):
		return PostgreSQL, nil
	}
	return "", errScheme
}

// PlainTextBeyondLoopback says whether the URL may lead to a PostgreSQL on another machine without TLS: because sslmode
// is spelled disable, allow or prefer. It is false for SQLite and for a URL that cannot be read, which Open refuses.
func PlainTextBeyondLoopback(raw string) bool {
	if engine, err := engineOf(raw); err != nil || engine != PostgreSQL {
		return false
	}
	c, err := parsePostgres(raw)
	if err != nil {
		return false
	}
	if c.TLSConfig == nil && !isLoopback(c.Host) {
		return true
	}
	for _, f := range c.Fallbacks {
		if f.TLSConfig == nil && !isLoopback(f.Host) {
			return true
		}
	}
	return false
}

// parsePostgres reads the URL. Without an sslmode of its own, connections beyond loopback verify the server whole, and
// connections within it use TLS if it is offered; the environment's PGSSLMODE does not weaken that.
func parsePostgres(raw string) (*pgx.ConnConfig, error) {
	base, query, _ := strings.Cut(raw, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return nil, errPostgresURL
	}
	spelled := params.Get("sslmode") != ""
	if !spelled {
		params.Set("sslmode", "disable") // for a first look at the hosts
	}
	c, err := pgx.ParseConfig(base + "?" + params.Encode())
	if err != nil {
		return nil, errPostgresURL // the driver's own error can hold parts of the URL
	}
	if !spelled {
		params.Set("sslmode", "prefer")
		if beyondLoopback(c) {
			params.Set("sslmode", "verify-full")
		}
		if c, err = pgx.ParseConfig(base + "?" + params.Encode()); err != nil {
			return nil, errPostgresURL
		}
	}
	if params.Get("connect_timeout") == "" {
		c.ConnectTimeout = connectTimeout
	}
	if params.Get("target_session_attrs") == "" {
		// A standby takes the connection but none of our writes: pass on to the next host, or fail as if it were away.
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	return c, nil
}

func beyondLoopback(c *pgx.ConnConfig) bool {
	if !isLoopback(c.Host) {
		return true
	}
	for _, f := range c.Fallbacks {
		if !isLoopback(f.Host) {
			return true
		}
	}
	return false
}

// isLoopback says whether the host is this machine: a socket's path, localhost, or a loopback address.
func isLoopback(host string) bool {
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || filepath.IsAbs(host) {
		return true
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.Unmap().IsLoopback()
}

// sqliteFile is what a sqlite: URL says.
type sqliteFile struct {
	path        string
	synchronous string
}

// parseSQLite reads sqlite:<path>[?synchronous=…]; the empty URL is gatehouse.db in the data folder. The path is taken
// as it stands, without percent-decoding.
func parseSQLite(raw, dataDir string) (sqliteFile, error) {
	f := sqliteFile{synchronous: "full"}
	if raw == "" {
		if dataDir == "" {
			return f, errNoDataFolder
		}
		f.path = filepath.Join(dataDir, "gatehouse.db")
		return f, nil
	}
	path, query, _ := strings.Cut(strings.TrimPrefix(raw, "sqlite:"), "?")
	f.path = strings.TrimPrefix(path, "//")
	params, err := url.ParseQuery(query)
	if err != nil || f.path == "" || strings.HasSuffix(f.path, "/") || strings.HasPrefix(f.path, ":") {
		return f, errSQLiteURL
	}
	for name, values := range params {
		if name != "synchronous" || len(values) != 1 {
			return f, errSQLiteURL
		}
		f.synchronous = strings.ToLower(values[0])
	}
	switch f.synchronous {
	case "off", "normal", "full":
		return f, nil
	}
	return f, errSQLiteURL
}
