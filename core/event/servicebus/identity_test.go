//go:build !live

package servicebus_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database/databasetest"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/event/servicebus"
	"github.com/gatehouse/gatehouse/internal/brokertest"
)

// identity is somebody who has a token, or gets none.
type identity struct {
	token string
	err   error
}

// GetToken implements azcore.TokenCredential.
func (i identity) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: i.token, ExpiresOn: time.Now().Add(time.Hour)}, i.err
}

// refusing is an Entra that knows nobody.
type refusing struct{}

// Do implements policy.Transporter.
func (refusing) Do(r *http.Request) (*http.Response, error) {
	const says = `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`
	return &http.Response{
		StatusCode: http.StatusUnauthorized, Status: "401 Unauthorized", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(says)),
	}, nil
}

// publisherAs makes a publisher that comes with an identity.
func publisherAs(t *testing.T, url string, as azcore.TokenCredential) *servicebus.Publisher {
	t.Helper()
	p, err := servicebus.NewPublisher(servicebus.Destination{Name: "notes", URL: url})
	require.NoError(t, err)
	t.Cleanup(func() { p.Close(context.Background()) })
	p.Identify(as)
	return p
}

func TestWhoHasAnIdentitySendsAndReceivesWithoutAKey(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{})
	url, as := "servicebus://"+b.Namespace()+"/"+queue, identity{token: b.Identity()}
	p := publisherAs(t, url, as)
	require.NoError(t, p.Probe(t.Context()))
	events := eventsOf(account.NewID(), 0, 3)
	for _, fault := range p.Publish(t.Context(), events) {
		require.NoError(t, fault)
	}
	require.Equal(t, idsOf(events), ids(b.Contents(t, queue).Active))
	i := newInbox(t, databasetest.SQLite(t))
	count, stop := i.listen(t, servicebus.Receiver{URL: url}, once, func(l *servicebus.Listener) { l.Identify(as) })
	count.wait(t, 3)
	stop()
	require.Equal(t, 3, i.effects(t))
	require.Equal(t, 3, b.Contents(t, queue).Completed)
}

func TestWhatIsWrongWithAnIdentityIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	if !brokertest.Available() {
		return
	}
	b := brokertest.Connect(t)
	queue := b.Queue(t, brokertest.Options{})
	url, at := "servicebus://"+b.Namespace()+"/"+queue, queue+" at "+b.Namespace()
	unknown, err := azidentity.NewClientSecretCredential("tenant", "client", "marker", &azidentity.ClientSecretCredentialOptions{
		ClientOptions: azcore.ClientOptions{Transport: refusing{}}, DisableInstanceDiscovery: true,
	})
	require.NoError(t, err)
	none := azidentity.NewCredentialUnavailableError("DefaultAzureCredential: failed to acquire a token.\nAttempted credentials:\n\tEnvironmentCredential: missing environment variable AZURE_TENANT_ID")
	for name, c := range map[string]struct {
		as   azcore.TokenCredential
		says string
	}{
		"it has no right":        {identity{token: "eyJhbGciOiJub25lIn0.e30."}, "the key or identity is wrong, or has no right to " + at},
		"Entra does not know it": {unknown, "the identity of this machine got no token for " + at + ": ClientSecretCredential"},
		"there is none":          {identity{err: none}, "this machine has no identity for " + at + "; set connection_string, or give it one"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := publisherAs(t, url, c.as)
			l, err := servicebus.NewListener(servicebus.Receiver{Name: "notes.inbox", URL: url, Concurrency: 1, MaxDeliveries: 1},
				event.Receive("notes.inbox", once), servicebus.ListenOptions{Logger: slog.New(slog.DiscardHandler)})
			require.NoError(t, err)
			l.Identify(c.as)
			for _, err := range []error{p.Probe(t.Context()), l.Probe(t.Context())} {
				require.ErrorContains(t, err, c.says)
				require.NotContains(t, err.Error(), "\n")
				require.NotContains(t, err.Error(), "marker")
			}
			for _, fault := range p.Publish(t.Context(), eventsOf(account.NewID(), 0, 2)) {
				require.ErrorContains(t, fault, c.says)
				require.Equal(t, event.Away(errors.New(fault.Error())), fault, "it costs no attempt")
			}
		})
	}
}
