package testenv

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Need names something that tests need beside Go.
type Need string

// What can be needed.
const (
	PostgreSQL Need = "postgres"
	Bouncer    Need = "pgbouncer" // a pooler in front of PostgreSQL, which comes with it
	RedisStore Need = "redis"
	Browser    Need = "chromium"
	Strace     Need = "strace"     // shows system calls
	Compiler   Need = "cc"         // a C compiler, for Go's race detector
	Node       Need = "node"       // Node.js
	Azurite    Need = "azurite"    // Microsoft's emulator of Azure Blob Storage
	ServiceBus Need = "servicebus" // a broker that speaks as Azure Service Bus does
)

// Variables through which a test run learns where its servers, its browser and strace are, and through which a person says
// that others are to be used.
const (
	PostgresVariable = "TEST_POSTGRES_URL"
	// BouncerVariable leads to the server of PostgresVariable by way of PgBouncer in transaction mode.
	BouncerVariable  = "TEST_PGBOUNCER_URL"
	RedisVariable    = "TEST_REDIS_URL"
	ChromiumVariable = "TEST_CHROMIUM"
	StraceVariable   = "TEST_STRACE"
	AzuriteVariable  = "TEST_AZURITE_URL" // of the account that every Azurite has
	// ServiceBusVariable leads to what the broker is controlled by.
	ServiceBusVariable = "TEST_SERVICEBUS_URL"
)

// need is what the package knows about one Need.
type need struct {
	name     Need
	title    string
	variable string // empty: none
	packages []string
	docker   bool // an image can stand in
	find     func(context.Context) (string, bool)
}

// needs is in the order in which they are spoken of.
var needs = []need{
	{PostgreSQL, "PostgreSQL", PostgresVariable, []string{"postgresql"}, true, plain(findPostgres)},
	{Bouncer, "PgBouncer", BouncerVariable, []string{"pgbouncer"}, false, plain(findPgBouncer)},
	{RedisStore, "Redis", RedisVariable, []string{"redis-server"}, true, plain(findRedis)},
	{Browser, "Chromium", ChromiumVariable, []string{"chromium"}, false, findBrowser},
	{Strace, "strace", StraceVariable, []string{"strace"}, false, plain(findStrace)},
	{Compiler, "a C compiler", "", []string{"gcc", "libc6-dev"}, false, plain(findCompiler)},
	{Node, "Node.js", "", []string{"nodejs", "npm"}, false, plain(findNode)},
	{Azurite, "Node.js and npm", AzuriteVariable, []string{"nodejs", "npm"}, true, plain(findNPM)},
	{ServiceBus, "Node.js and npm", ServiceBusVariable, []string{"nodejs", "npm"}, false, plain(findNPM)},
}

func plain(find func() (string, bool)) func(context.Context) (string, bool) {
	return func(context.Context) (string, bool) { return find() }
}

// ParseNeeds reads names separated by commas.
func ParseNeeds(text string) ([]Need, error) {
	var out []Need
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		if !slices.ContainsFunc(needs, func(n need) bool { return n.name == Need(name) }) {
			return nil, fmt.Errorf("testenv: no such need: %s", name)
		}
		out = append(out, Need(name))
	}
	return out, nil
}

// Can says whether n is here: installed, or to be had from Docker. It says nothing of a server elsewhere that a TEST_
// variable may name; a test that starts its own server asks this.
func Can(ctx context.Context, n Need) bool {
	for _, known := range needs {
		if known.name == n {
			return known.here(ctx)
		}
	}
	return false
}

func (n need) here(ctx context.Context) bool {
	if _, ok := n.find(ctx); ok {
		return true
	}
	return n.docker && haveDocker(ctx)
}

// given says whether a person named the thing in its variable.
func (n need) given() bool { return n.variable != "" && os.Getenv(n.variable) != "" }

// Chromium gives the path of the browser: TEST_CHROMIUM, else one that is installed, else ErrUnavailable. Start it
// headless, without its sandbox (which root and most containers do not allow) and without background networking.
func Chromium(ctx context.Context) (string, error) {
	if path := os.Getenv(ChromiumVariable); path != "" {
		return path, nil
	}
	if path, ok := findBrowser(ctx); ok {
		return path, nil
	}
	return "", fmt.Errorf("chromium: %w", ErrUnavailable)
}
