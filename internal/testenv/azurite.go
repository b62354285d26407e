package testenv

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
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

// azurite is Microsoft's emulator of Azure Blob Storage. It runs on Node.js or in Docker.
var azurite = emulated{
	need: Azurite, title: "Azurite", variable: AzuriteVariable, path: azuriteAccount, host: azuriteHost, ping: pingAzurite,
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

// pingAzurite wants an answer of Azure's kind: without a signature it is a refusal.
func pingAzurite(ctx context.Context, address string) error {
	return visit(ctx, strings.TrimSuffix(address, "/")+"?comp=list", func(res *http.Response) error {
		if res.Header.Get("X-Ms-Request-Id") == "" {
			return fmt.Errorf("%s is no Azure Blob Storage: %s", address, res.Status)
		}
		return nil
	})
}
