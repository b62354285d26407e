//go:build !live

package servicebus_test

import (
	"testing"
	"time"

	"github.com/gatehouse/gatehouse/internal/brokertest"
)

// hasVenue says whether there is a broker to test with.
func hasVenue() bool { return brokertest.Available() }

// venueOf makes the entities of a venue at the tests' own broker.
func venueOf(t *testing.T) venue {
	t.Helper()
	const lock, largest = 2 * time.Second, 10_000
	b := brokertest.Connect(t)
	return venue{
		connection: b.Connection(), sessions: b.Queue(t, brokertest.Options{Sessions: true}), plain: b.Queue(t, brokertest.Options{}),
		brief:         b.Queue(t, brokertest.Options{LockMS: int(lock.Milliseconds())}),
		briefSessions: b.Queue(t, brokertest.Options{LockMS: int(lock.Milliseconds()), Sessions: true}), lock: lock,
		bounded: b.Queue(t, brokertest.Options{MaxSize: largest}), largest: largest,
		topic: b.Topic(t, brokertest.Options{}, map[string]map[string]string{"all": nil, "notes": {"type": someType}, "others": {"label": otherType}}),
	}
}
