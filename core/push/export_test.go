package push

// Company is how long a signal waits for others.
const Company = company

// PassSolitude makes a Bus believe that it has heard no other for long enough.
func (b *Bus) PassSolitude() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.met = b.now() - solitude
}

// IsAlone says whether changes are told nobody.
func (b *Bus) IsAlone() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.isAlone()
}
