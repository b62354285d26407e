package servicebus

import (
	"context"
	"net"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// Identify has the publisher come as somebody it is told, and without TLS.
func (p *Publisher) Identify(as azcore.TokenCredential) { p.at.identify = p.at.plainly(as) }

// Identify has the listener come as somebody it is told, and without TLS.
func (l *Listener) Identify(as azcore.TokenCredential) { l.at.identify = l.at.plainly(as) }

// plainly gives an identity over plain TCP, which the client itself allows for connection strings alone.
func (a address) plainly(as azcore.TokenCredential) func(*azservicebus.ClientOptions) (azcore.TokenCredential, error) {
	return func(o *azservicebus.ClientOptions) (azcore.TokenCredential, error) {
		o.NewWebSocketConn = func(ctx context.Context, _ azservicebus.NewWebSocketConnArgs) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", a.namespace)
		}
		return as, nil
	}
}
