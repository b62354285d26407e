//go:build !live

package servicebus_test

import (
	"testing"

	"github.com/gatehouse/gatehouse/internal/brokertest"
)

// hasVenue says whether there is a broker to test with.
func hasVenue() bool { return brokertest.Available() }

// venueOf gives a queue of the tests' own broker that requires sessions, and one that has none.
func venueOf(t *testing.T) venue {
	t.Helper()
	b := brokertest.Connect(t)
	return venue{connection: b.Connection(), sessions: b.Queue(t, brokertest.Options{Sessions: true}), plain: b.Queue(t, brokertest.Options{})}
}
