package testenv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// azuriteImage is what Docker is asked for where no Node.js is installed.
const azuriteImage = "mcr.microsoft.com/azure-storage/azurite:3.35.0"

// azuriteAccount is the account that every Azurite has.
const azuriteAccount = "devstoreaccount1"

//go:embed azurite/package.json
var azuritePackage []byte

//go:embed azurite/package-lock.json
var azuriteLock []byte

// azurite is Microsoft's emulator of Azure Blob Storage, in memory.
type azurite struct {
	url  string // of its account
	host host
}

// startAzurite returns once the emulator answers. It returns ErrUnavailable where neither Node.js nor Docker is there.
func startAzurite(ctx context.Context, progress io.Writer) (*azurite, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		a, err := tryAzurite(ctx, progress)
		if err == nil {
			return a, nil
		}
		// Another process may have taken the port between our choice and its use.
		if !errors.Is(err, ErrEarlyExit) || attempt == attempts {
			return nil, fmt.Errorf("azurite: %w", err)
		}
	}
}

func tryAzurite(ctx context.Context, progress io.Writer) (*azurite, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	h, err := azuriteHost(ctx, port, progress)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: azuriteAccount}
	a := &azurite{url: address.String(), host: h}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, a.stop()) //nolint:contextcheck // it must be stopped also when ctx has ended
	}
	if err := answering(ctx, h, func(ctx context.Context) error { return pingAzurite(ctx, a.url) }); err != nil {
		return nil, errors.Join(err, a.stop()) //nolint:contextcheck // as above
	}
	return a, nil
}

func azuriteHost(ctx context.Context, port int, progress io.Writer) (host, error) {
	// Clients of a newer API version than the emulator's are let in; nothing is reported to its makers.
	args := []string{"--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"}
	if _, ok := findNPM(); !ok {
		if !haveDocker(ctx) {
			return nil, ErrUnavailable
		}
		return &container{image: azuriteImage, port: port, inner: 10000, args: append([]string{"azurite-blob", "--blobHost", "0.0.0.0"}, args...)}, nil
	}
	node, _ := findNode() // findNPM has seen to it
	packages, err := installPackages(ctx, "azurite", azuritePackage, azuriteLock, progress)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gatehouse-azurite-")
	if err != nil {
		return nil, err
	}
	main := filepath.Join(packages, "node_modules", "azurite", "dist", "src", "blob", "main.js")
	args = append([]string{main, "--blobHost", "127.0.0.1", "--blobPort", strconv.Itoa(port)}, args...)
	// It runs as ourselves, who own the packages: nobody else may read a cache folder.
	n := &native{name: "azurite", dir: dir, path: node, args: args, onDeath: syscall.SIGKILL}
	if err := n.watched(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return n, nil
}

// stop ends the emulator and removes what it left. It may be called once.
func (a *azurite) stop() error {
	ctx := context.Background()
	err := end(ctx, a.host)
	a.host.discard(ctx)
	return err
}

// pingAzurite wants an answer of Azure's kind: without a signature it is a refusal.
func pingAzurite(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"?comp=list", http.NoBody) //nolint:gosec // whoever runs the tests names the server
	if err != nil {
		return err
	}
	req.Close = true
	res, err := (&http.Client{}).Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.Header.Get("X-Ms-Request-Id") == "" {
		return fmt.Errorf("%s is no Azure Blob Storage: %s", address, res.Status)
	}
	return nil
}
