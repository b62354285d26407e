package testenv

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

//go:embed servicebus/package.json
var serviceBusPackage []byte

//go:embed servicebus/package-lock.json
var serviceBusLock []byte

//go:embed servicebus/broker.js
var serviceBusBroker []byte

//go:embed servicebus/entities.js
var serviceBusEntities []byte

// serviceBusName is what the broker calls itself.
const serviceBusName = "servicebus-for-tests"

// serviceBus is a broker that speaks as Azure Service Bus does, in memory.
type serviceBus struct {
	url  string // of what it is controlled by
	host host
}

// startServiceBus returns once the broker answers. It returns ErrUnavailable where Node.js or npm is missing.
func startServiceBus(ctx context.Context, progress io.Writer) (*serviceBus, error) {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		s, err := tryServiceBus(ctx, progress)
		if err == nil {
			return s, nil
		}
		// Another process may have taken the port between our choice and its use.
		if !errors.Is(err, ErrEarlyExit) || attempt == attempts {
			return nil, fmt.Errorf("service bus: %w", err)
		}
	}
}

func tryServiceBus(ctx context.Context, progress io.Writer) (*serviceBus, error) {
	port, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	h, err := serviceBusHost(ctx, port, progress)
	if err != nil {
		return nil, err
	}
	address := url.URL{Scheme: "http", Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port))}
	s := &serviceBus{url: address.String(), host: h}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, s.stop()) //nolint:contextcheck // it must be stopped also when ctx has ended
	}
	if err := answering(ctx, h, func(ctx context.Context) error { return pingServiceBus(ctx, s.url) }); err != nil {
		return nil, errors.Join(err, s.stop()) //nolint:contextcheck // as above
	}
	return s, nil
}

func serviceBusHost(ctx context.Context, port int, progress io.Writer) (host, error) {
	node, ok := findNode()
	if _, npm := findNPM(); !ok || !npm {
		return nil, ErrUnavailable
	}
	packages, err := installPackages(ctx, "servicebus", serviceBusPackage, serviceBusLock, progress)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "gatehouse-servicebus-")
	if err != nil {
		return nil, err
	}
	n := &native{name: "servicebus", dir: dir, path: node, args: []string{filepath.Join(dir, "broker.js"), strconv.Itoa(port)}, onDeath: syscall.SIGKILL}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "broker.js"), serviceBusBroker, 0o600),
		os.WriteFile(filepath.Join(dir, "entities.js"), serviceBusEntities, 0o600),
		os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(dir, "node_modules")),
	)
	if err == nil {
		err = n.watched()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return n, nil
}

// stop ends the broker and removes what it left. It may be called once.
func (s *serviceBus) stop() error {
	ctx := context.Background()
	err := end(ctx, s.host)
	s.host.discard(ctx)
	return err
}

// pingServiceBus wants an answer of our broker.
func pingServiceBus(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody) //nolint:gosec // whoever runs the tests names the server
	if err != nil {
		return err
	}
	req.Close = true
	res, err := (&http.Client{}).Do(req) //nolint:gosec // as above
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Broker string `json:"broker"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&answer); err != nil || answer.Broker != serviceBusName {
		return fmt.Errorf("%s is no broker of these tests: %s", address, res.Status)
	}
	return nil
}
