package clock

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// noise is how far a Synced may be off before it moves. It never goes back by less.
	noise = time.Millisecond
	// longTrip is the round trip of a measurement that says too little, once there is a better one.
	longTrip = 500 * time.Millisecond
)

// Synced is a machine's clock kept in step with one that several machines share, the database's. Before the first
// measurement it is the machine's own. It is safe for concurrent use, and telling the time costs no lock.
type Synced struct {
	base   Clock
	offset atomic.Int64 // what Now adds; whole microseconds

	mu       sync.Mutex
	known    bool
	estimate time.Duration // of how far the shared clock is ahead of base
}

// NewSynced makes a clock over the machine's.
func NewSynced(base Clock) *Synced { return &Synced{base: base} }

// Now implements Clock.
func (s *Synced) Now() time.Time { return s.base.Now().Add(time.Duration(s.offset.Load())) }

// Offset is how far the clock is ahead of the machine's.
func (s *Synced) Offset() time.Duration { return time.Duration(s.offset.Load()) }

// Measure asks for the shared time and follows it. ask's error is given back, and changes nothing. Measure often enough that
// the machine's clock cannot drift far.
func (s *Synced) Measure(ask func() (time.Time, error)) error {
	sent, started := s.base.Now(), time.Now()
	shared, err := ask()
	if err != nil {
		return err
	}
	trip := time.Since(started)
	if passed := s.base.Now().Sub(sent); passed < 0 || passed > trip+noise {
		return nil // the machine's clock was set meanwhile
	}
	s.take(shared.Sub(sent.Add(trip/2)), trip)
	return nil
}

// take follows a measurement. The shared clock was asked at some moment of the round trip, so that half of it bounds the
// error on either side: an estimate within those bounds is as good as the measurement, and one outside is wrong. So delays
// on the way, however long or uneven, move nothing by themselves.
func (s *Synced) take(measured, trip time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known && trip > longTrip {
		return
	}
	switch off := measured - s.estimate; {
	case !s.known, off.Abs() > trip: // far outside: some clock was set
		s.estimate = measured
	case off > trip/2:
		s.estimate = measured - trip/2
	case off < -trip/2:
		s.estimate = measured + trip/2
	}
	s.known = true
	if (s.estimate - s.Offset()).Abs() > noise {
		s.offset.Store(int64(s.estimate.Truncate(time.Microsecond)))
	}
}
