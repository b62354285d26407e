// Package loopback draws ports of the loopback address for servers that tests and measurements start.
package loopback

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// drawn are the ports that this process has been given.
var drawn sync.Map

// FreePort draws a port of the loopback address that nobody listens on, and gives it to nobody else of this process. It lies
// below those that systems by default give to outgoing connections, and to listeners that ask for any, so that none of them
// takes it before its server listens, or while that is down.
func FreePort(ctx context.Context) (port int, err error) {
	for range 100 {
		port = 10_000 + rand.IntN(20_000) //nolint:gosec // a port is no secret
		if _, taken := drawn.LoadOrStore(port, true); taken {
			continue
		}
		var l net.Listener
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
		if ctx.Err() != nil {
			break
		}
	}
	return 0, fmt.Errorf("no port is free: %w", err)
}

// FreeAddr is FreePort as an address to listen on.
func FreeAddr(ctx context.Context) (string, error) {
	port, err := FreePort(ctx)
	return fmt.Sprintf("127.0.0.1:%d", port), err
}
