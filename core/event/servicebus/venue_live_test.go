//go:build live

package servicebus_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// hasVenue says whether a real namespace is named:
//
//	SERVICEBUS_CONNECTION_STRING='Endpoint=sb://…' SERVICEBUS_SESSION_QUEUE=… SERVICEBUS_PLAIN_QUEUE=… SERVICEBUS_TOPIC=… \
//		go test -tags live ./core/event/servicebus
//
// docs/how-to/azure-service-bus.md says what they are to be like.
func hasVenue() bool { return os.Getenv("SERVICEBUS_CONNECTION_STRING") != "" }

// occupied is held by the one test that uses the namespace.
var occupied sync.Mutex

// venueOf gives the entities of the namespace to one test after the other.
func venueOf(t *testing.T) venue {
	t.Helper()
	occupied.Lock()
	t.Cleanup(occupied.Unlock)
	v := venue{
		connection: os.Getenv("SERVICEBUS_CONNECTION_STRING"), sessions: os.Getenv("SERVICEBUS_SESSION_QUEUE"), plain: os.Getenv("SERVICEBUS_PLAIN_QUEUE"),
		lock: 5 * time.Second, largest: 256 << 10, topic: os.Getenv("SERVICEBUS_TOPIC"),
	}
	require.NotEmpty(t, v.sessions)
	require.NotEmpty(t, v.plain)
	require.NotEmpty(t, v.topic)
	v.brief, v.briefSessions, v.bounded = v.plain, v.sessions, v.plain
	return v
}
