package argon2

// Arena is the memory of one hash after the other, so that it is not asked of the runtime, cleared and collected for each. Its
// zero value is ready. It belongs to one goroutine at a time, and keeps what the latest hash has left in it.
//
// This file is Gatehouse's own; README.md says where the others come from.
type Arena struct{ blocks []block }

// IDKey is the function of that name, with the same arguments and results, in the arena. The arena grows to the memory that
// a hash takes, and does not shrink.
func (a *Arena) IDKey(password, salt []byte, time, memory uint32, threads uint8, keyLen uint32) []byte {
	if time < 1 {
		panic("argon2: number of rounds too small")
	}
	if threads < 1 {
		panic("argon2: parallelism degree too low")
	}
	lanes := uint32(threads)
	h0 := initHash(password, salt, nil, nil, time, memory, lanes, keyLen, argon2id)
	length := max(memory/(syncPoints*lanes), 2) * syncPoints // of a lane, in blocks
	first := initBlocks(&h0, 2*lanes, lanes)                 // the first two of each lane
	blocks := a.room(length * lanes)
	for lane := range lanes {
		copy(blocks[lane*length:], first[2*lane:2*lane+2])
	}
	processBlocks(blocks, time, length*lanes, lanes, argon2id)
	return extractKey(blocks, length*lanes, lanes, keyLen)
}

// room gives n blocks, with what the hash before has left in them: the first pass writes each before it is read.
func (a *Arena) room(n uint32) []block {
	if uint64(cap(a.blocks)) < uint64(n) {
		a.blocks = make([]block, n)
	}
	return a.blocks[:n]
}
