package testenv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// drawn are the ports that FreePort has given to this process.
var drawn sync.Map

// FreePort draws a port of the loopback address that nobody listens on, and gives it to nobody else of this process. It lies
// below those that the system gives to outgoing connections and to listeners that ask for any port, so that none of them takes
// it before its server listens, or while that is down.
func FreePort(ctx context.Context) (int, error) {
	for range 100 {
		port := 10_000 + rand.IntN(20_000) //nolint:gosec // a port is no secret
		if _, taken := drawn.LoadOrStore(port, true); taken {
			continue
		}
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
	}
	return 0, errors.New("no port is free")
}
