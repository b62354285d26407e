package push

import "time"

const (
	// maxPeers bounds how many other instances are remembered.
	maxPeers = 1000
	// solitude is how long no other Bus has been heard by one that is alone.
	solitude = 5 * time.Second
)

// peer is another instance.
type peer struct {
	heard time.Duration
	gone  bool // it has said farewell; what still comes over another channel was sent before
}

// meet notes that this Bus is not alone: another was heard, or may be there unheard. What it told nobody while it was alone is
// told now. mu is held.
func (b *Bus) meet() {
	b.met = b.now()
	if len(b.withheld) > 0 {
		b.outbox.tellAll(b.withheld)
		clear(b.withheld)
	}
}

// withhold says whether a change of a topic need not be told, since this Bus is alone, and notes the topic then.
func (b *Bus) withhold(topic string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.isAlone() {
		return false
	}
	b.withheld[topic] = struct{}{}
	return true
}

// isAlone says whether no other Bus has been heard for a while in which every channel was alive; mu is held.
func (b *Bus) isAlone() bool {
	now := b.now()
	for _, l := range b.links {
		if now-l.proven >= silence { // which its timer is about to find
			return false
		}
	}
	return b.alive && now-b.met >= solitude
}

// hear notes what another Bus has said: a heartbeat, a farewell, or what has changed.
func (b *Bus) hear(m message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.meet()
	if m.Topic != "" {
		return
	}
	p, known := b.peers[m.From]
	if p.gone || !known && len(b.peers) >= maxPeers {
		return
	}
	b.peers[m.From] = peer{heard: b.now(), gone: m.Beat == 0}
}

// missPeers looks for instances that have fallen silent without a farewell, with a change, perhaps, that they could not tell
// any more. Everything is cleared once for them. mu is held.
func (b *Bus) missPeers() {
	now, missed := b.now(), false
	for origin, p := range b.peers {
		if now-p.heard > silence {
			delete(b.peers, origin)
			missed = missed || !p.gone
		}
	}
	if !missed {
		return
	}
	for _, f := range b.topics {
		f.clear()
	}
}
