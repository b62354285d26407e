package servicebus

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

const (
	// The client tries again by itself where a link was cut, such as one that had been idle; the relay does so after that.
	clientRetries  = 2
	retryDelay     = 200 * time.Millisecond
	maxRetryDelay  = 2 * time.Second
	closeDeadline  = 2 * time.Second
	applicationTag = "gatehouse"
)

// open makes a client. It asks nobody: the first operation connects.
func (a address) open() (*azservicebus.Client, error) {
	options := &azservicebus.ClientOptions{
		ApplicationID: applicationTag,
		TLSConfig:     &tls.Config{MinVersion: tls.VersionTLS12},
		RetryOptions:  azservicebus.RetryOptions{MaxRetries: clientRetries, RetryDelay: retryDelay, MaxRetryDelay: maxRetryDelay},
	}
	if !a.key.IsZero() {
		key := a.key.Reveal()
		if a.plainText { // the client takes it as it is
			options.TLSConfig = nil
		}
		return azservicebus.NewClientFromConnectionString(withoutEntity(key), options)
	}
	identify := a.identify
	if identify == nil {
		identify = ofMachine
	}
	identity, err := identify(options)
	if err != nil {
		return nil, fmt.Errorf("find the identity of this machine: %w", err)
	}
	return azservicebus.NewClient(a.namespace, identity, options)
}

// ofMachine is the identity that Azure, or the environment, gives the machine.
func ofMachine(*azservicebus.ClientOptions) (azcore.TokenCredential, error) {
	return azidentity.NewDefaultAzureCredential(nil)
}

// withoutEntity takes the entity out of a connection string: parse has seen that it is the url's.
func withoutEntity(key string) string {
	var kept []string
	for part := range strings.SplitSeq(key, ";") {
		if name, _, _ := strings.Cut(part, "="); !strings.EqualFold(name, "EntityPath") {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ";")
}

// shut closes whatever can be closed, and waits a little. What is left the broker notices by itself.
func shut(ctx context.Context, c interface {
	Close(ctx context.Context) error
}) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeDeadline)
	defer cancel()
	_ = c.Close(ctx) // it is given up in any case
}
