package push

import "time"

// Signal says to all instances that it is worth a look, and nothing about at what.
type Signal struct {
	bus   *Bus
	name  string
	heard func()
}

// NewSignal makes a signal while modules are built. heard is called at each Raise, here and on other instances, and whenever
// one may have been missed; it returns at once and asks nothing of the Bus. A name is a topic's: taken once, and the same on
// every instance and version.
func NewSignal(b *Bus, name string, heard func()) *Signal {
	b.follow(name, follower{
		drop:   func([]string) error { heard(); return nil },
		clear:  heard,
		setTTL: func(time.Duration) {},
	})
	return &Signal{bus: b, name: name, heard: heard}
}

// Raise calls heard here, and has the other instances told, if there are any, with the next change that is, or within about
// 10 ms. It waits for nothing and never fails: what nobody takes is offered again for a while, so whoever must not miss
// anything looks by themselves from time to time.
func (s *Signal) Raise() {
	s.heard()
	if s.bus.outbox != nil {
		s.bus.outbox.raise(s.name)
	}
}
