package event

import (
	"sync/atomic"
	"time"
)

// standing is how far a destination is, as this process saw it last.
type standing struct {
	behind, dead atomic.Int64
	oldest       atomic.Int64 // microseconds since 1970; 0 where nothing waits
}

// measured is how far one destination is, or several.
type measured struct {
	behind, dead int64
	oldest       *time.Time
}

func (m measured) plus(behind, dead int64, oldest *time.Time) measured {
	m.behind, m.dead = m.behind+behind, m.dead+dead
	if m.oldest == nil || oldest != nil && oldest.Before(*m.oldest) {
		m.oldest = oldest
	}
	return m
}

func (s *standing) note(m measured) {
	s.behind.Store(m.behind)
	s.dead.Store(m.dead)
	s.oldest.Store(0)
	if m.oldest != nil {
		s.oldest.Store(m.oldest.UnixMicro())
	}
}

// Standing is how far a destination is.
type Standing struct {
	Behind int64         // events that it has not got yet, those it does not want among them
	Dead   int64         // events that were set aside
	Oldest time.Duration // age of the oldest that it has not got; 0 where there is none
}

// Destinations lists the names of this program's destinations; those of a source go by the source's.
func (o *Outbox) Destinations() []string {
	names := make([]string, 0, len(o.fixed)+len(o.options.Sources))
	for _, d := range o.fixed {
		names = append(names, d.label)
	}
	for _, s := range o.options.Sources {
		names = append(names, s.Name)
	}
	return names
}

// Standing gives how far a destination of this program was when its relay last measured it, within some seconds; of a
// source, how far all of its destinations were. It asks nobody.
func (o *Outbox) Standing(destination string) Standing {
	s, ok := o.standings[destination]
	if !ok {
		return Standing{}
	}
	out := Standing{Behind: s.behind.Load(), Dead: s.dead.Load()}
	if oldest := s.oldest.Load(); oldest != 0 {
		out.Oldest = max(o.options.Clock.Now().Sub(time.UnixMicro(oldest)), 0)
	}
	return out
}
