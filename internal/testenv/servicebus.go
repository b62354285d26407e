package testenv

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// serviceBus is a broker of ours that speaks as Azure Service Bus does. What it has is the URL that it is controlled by. It
// runs on Node.js.
var serviceBus = emulated{
	need: ServiceBus, title: "Service Bus", variable: ServiceBusVariable, host: serviceBusHost, ping: pingServiceBus,
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

// pingServiceBus wants an answer of our broker.
func pingServiceBus(ctx context.Context, address string) error {
	return visit(ctx, address, func(res *http.Response) error {
		var answer struct {
			Broker string `json:"broker"`
		}
		if err := json.NewDecoder(io.LimitReader(res.Body, 1<<16)).Decode(&answer); err != nil || answer.Broker != serviceBusName {
			return fmt.Errorf("%s is no broker of these tests: %s", address, res.Status)
		}
		return nil
	})
}
