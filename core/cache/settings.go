package cache

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/gatehouse/gatehouse/core/secret"
)

// RedisSettings are the settings under "redis".
type RedisSettings struct {
	URL     secret.String `conf:"url" doc:"Redis, as redis://[user:password@]host[:port][/database], or rediss:// for TLS, which is verified; empty means none"`
	Prefix  string        `conf:"prefix" default:"gatehouse" doc:"what every key in Redis begins with, before the installation id"`
	Timeout time.Duration `conf:"timeout" default:"100ms" doc:"longest wait for an answer of Redis before going on without it"`
}

// Bounds of the settings.
const (
	minRedisTimeout = 5 * time.Millisecond
	maxRedisTimeout = 5 * time.Second
	maxPrefix       = 64
)

// Check reports what is wrong with the settings. No report holds the URL.
func (s RedisSettings) Check(report func(field, fault string)) {
	if !s.URL.IsZero() {
		if _, err := parseURL(s.URL); err != nil {
			report("url", err.Error())
		}
	}
	if !validPrefix(s.Prefix) {
		report("prefix", "must be 1 to 64 of A-Z a-z 0-9 . _ -")
	}
	if s.Timeout < minRedisTimeout || s.Timeout > maxRedisTimeout {
		report("timeout", "must be from 5ms to 5s")
	}
}

// PlainTextBeyondLoopback says whether the URL sends commands, and with them the password, unencrypted to another machine.
func PlainTextBeyondLoopback(u secret.String) bool {
	parsed, err := url.Parse(u.Reveal())
	if err != nil || parsed.Scheme != "redis" {
		return false
	}
	host := parsed.Hostname()
	if host == "" || strings.EqualFold(host, "localhost") {
		return false
	}
	addr, err := netip.ParseAddr(host)
	return err != nil || !addr.Unmap().IsLoopback()
}

// The faults of a URL. They name what is wrong and never quote it, since it holds a password.
var (
	errURLSyntax   = errors.New("is not a valid URL")
	errURLScheme   = errors.New("must begin with redis:// or rediss://")
	errURLQuery    = errors.New("takes no query and no fragment")
	errURLPort     = errors.New("has a port outside 1 to 65535")
	errURLDatabase = errors.New("has a path that is not a database number from 0 to 65535")
)

// parseURL turns the URL into the options that say where the server is and how to sign in.
func parseURL(u secret.String) (rueidis.ClientOption, error) {
	var opt rueidis.ClientOption
	parsed, err := url.Parse(u.Reveal())
	switch {
	case err != nil || parsed.Opaque != "":
		return opt, errURLSyntax
	case parsed.Scheme != "redis" && parsed.Scheme != "rediss":
		return opt, errURLScheme
	case parsed.RawQuery != "" || parsed.Fragment != "":
		return opt, errURLQuery
	}
	host, port := parsed.Hostname(), parsed.Port()
	if host == "" {
		host = "localhost"
	}
	if port == "" {
		port = "6379"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return opt, errURLPort
	}
	if path := strings.TrimPrefix(parsed.Path, "/"); path != "" {
		n, err := strconv.ParseUint(path, 10, 16)
		if err != nil {
			return opt, errURLDatabase
		}
		opt.SelectDB = int(n)
	}
	opt.InitAddress = []string{net.JoinHostPort(host, port)}
	opt.Username = parsed.User.Username()
	opt.Password, _ = parsed.User.Password()
	if parsed.Scheme == "rediss" {
		opt.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host}
	}
	return opt, nil
}

func validPrefix(s string) bool {
	if s == "" || len(s) > maxPrefix {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return true
}
