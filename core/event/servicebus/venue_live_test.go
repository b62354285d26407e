//go:build live

package servicebus_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// hasVenue says whether a real namespace is named:
//
//	SERVICEBUS_CONNECTION_STRING='Endpoint=sb://…' SERVICEBUS_SESSION_QUEUE=… SERVICEBUS_PLAIN_QUEUE=… \
//		go test -tags live ./core/event/servicebus
//
// Both queues are to be empty; the first requires sessions.
func hasVenue() bool { return os.Getenv("SERVICEBUS_CONNECTION_STRING") != "" }

// venueOf gives the queues of the namespace.
func venueOf(t *testing.T) venue {
	t.Helper()
	v := venue{connection: os.Getenv("SERVICEBUS_CONNECTION_STRING"), sessions: os.Getenv("SERVICEBUS_SESSION_QUEUE"), plain: os.Getenv("SERVICEBUS_PLAIN_QUEUE")}
	require.NotEmpty(t, v.sessions)
	require.NotEmpty(t, v.plain)
	return v
}
