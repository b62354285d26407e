package app

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/gatehouse/gatehouse/core/config"
	"github.com/gatehouse/gatehouse/core/database"
)

const (
	diskWorth     config.Size = 1 << 30   // less free space is worth a warning
	diskLimit     config.Size = 100 << 20 // less is a failure
	certWorth                 = 21 * 24 * time.Hour
	healthTimeout             = 2 * time.Second
)

// files looks at the folder and file of SQLite, and at the certificate.
func (e *examination) files() {
	if at := e.app.Target(); at.Engine == database.SQLite {
		e.sqliteFiles(at.Place)
	}
	if e.settings.http.TLSCert != "" {
		e.certificate()
	}
}

func (e *examination) sqliteFiles(path string) {
	dir := filepath.Dir(path)
	closed := true
	for _, f := range []struct {
		path, mode string
		allowed    fs.FileMode
	}{{dir, "700", 0o755}, {path, "600", 0o640}} {
		info, err := os.Stat(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			e.fail("data_dir", err.Error(), "let this user read and write "+dir)
			return
		}
		if runtime.GOOS != "windows" && info.Mode().Perm()&^f.allowed != 0 {
			closed = false
			e.strict("data_dir", fmt.Sprintf("%s has mode %04o: others may get at the accounts", f.path, info.Mode().Perm()), "chmod "+f.mode+" "+f.path)
		}
		if !writable(f.path) {
			closed = false
			e.fail("data_dir", f.path+" may not be written by this user", "give it to the user that runs the service")
		}
	}
	if closed {
		e.ok("data_dir", dir)
	}
	e.disk(dir)
}

// firstThere is the folder, or the first one above it that there is.
func firstThere(folder string) string {
	dir := folder
	for _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && filepath.Dir(dir) != dir; _, err = os.Stat(dir) {
		dir = filepath.Dir(dir)
	}
	return dir
}

// disk looks at the first folder of the path that there is.
func (e *examination) disk(folder string) {
	dir := firstThere(folder)
	if dir != folder && !writable(dir) {
		e.fail("data_dir", dir+" may not be written by this user, so that "+folder+" cannot be made", "give it to the user that runs the service, or set data_dir")
	}
	free, ok := freeSpace(dir)
	if !ok {
		return
	}
	text := fmt.Sprintf("%d MiB free in %s", free>>20, dir)
	switch {
	case free < diskLimit:
		e.fail("disk", text, "make room: a full disk refuses every write")
	case free < diskWorth:
		e.warn("disk", text, "make room soon: a full disk refuses every write")
	default:
		e.ok("disk", text)
	}
}

// certificate looks at the public listener's pair of files.
func (e *examination) certificate() {
	h := e.settings.http
	if info, err := os.Stat(h.TLSKey); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o004 != 0 {
		e.strict("http.tls_key", h.TLSKey+" may be read by everybody on this machine", "chmod 600 "+h.TLSKey)
	}
	pair, err := tls.LoadX509KeyPair(h.TLSCert, h.TLSKey)
	if err != nil {
		e.fail("http.tls_cert", err.Error(), "set a certificate chain and its key, both as PEM files")
		return
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		e.fail("http.tls_cert", err.Error(), "set another certificate")
		return
	}
	until := cert.NotAfter.UTC().Format(time.DateOnly)
	switch left := cert.NotAfter.Sub(e.app.options.Clock.Now()); {
	case left <= 0:
		e.fail("http.tls_cert", "the certificate ended on "+until, "renew it")
	case left < certWorth:
		e.warn("http.tls_cert", "the certificate ends on "+until, "renew it, and start again")
	default:
		e.ok("http.tls_cert", "the certificate is good until "+until)
	}
}

// listeners says whether each address is free, or taken by an instance that runs.
func (e *examination) listeners(ctx context.Context) {
	e.listener(ctx, "http.addr", e.settings.http.Addr, e.settings.http.BasePath+"/healthz")
	if e.settings.ops.Addr != "" {
		e.listener(ctx, "ops.addr", e.settings.ops.Addr, "/healthz")
	}
	if _, port, err := net.SplitHostPort(e.settings.http.Addr); err == nil && port != "0" && e.settings.http.Addr == e.settings.ops.Addr {
		e.fail("ops.addr", "is the same as http.addr", "set another port")
	}
}

func (e *examination) listener(ctx context.Context, setting, addr, health string) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		_ = l.Close() // nobody connected
		e.ok(setting, addr+" is free")
	case !errors.Is(err, syscall.EADDRINUSE):
		e.fail(setting, listenFault(setting, addr, err).Error(), "set an address of this machine, as host:port")
	case setting == "http.addr" && e.settings.http.TLSCert != "":
		e.warn(setting, addr+" is in use", "nothing, if that is this service; else stop the other program or set another address")
	case healthy(ctx, addr, health):
		e.ok(setting, addr+" is in use by a Gatehouse that runs")
	default:
		e.fail(setting, addr+" is in use by another program", "stop it, or set another address")
	}
}

// healthy asks whatever listens at the address whether it is one of us.
func healthy(ctx context.Context, addr, path string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+path, http.NoBody)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	var body struct {
		Status string `json:"status"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<10)).Decode(&body)
	return err == nil && res.StatusCode == http.StatusOK && body.Status == "ok"
}
