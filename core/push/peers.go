package push

// maxPeers bounds how many other instances are remembered.
const maxPeers = 1000

// hear notes a sign of life of another Bus, or its farewell.
func (b *Bus) hear(m message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if m.Beat == 0 {
		delete(b.peers, m.From)
		return
	}
	if _, known := b.peers[m.From]; known || len(b.peers) < maxPeers {
		b.peers[m.From] = b.now()
	}
}

// missPeers looks for instances that have fallen silent without a farewell, with a change, perhaps, that they could not tell
// any more. Everything is cleared once for them. mu is held.
func (b *Bus) missPeers() {
	now, missed := b.now(), false
	for origin, heard := range b.peers {
		if now-heard > silence {
			delete(b.peers, origin)
			missed = true
		}
	}
	if !missed {
		return
	}
	for _, f := range b.topics {
		f.clear()
	}
}
