package app

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A burst leaves memory behind: the stacks and buffers of a thousand requests, 19 MiB for each password hash at a time. The
// collector runs when more is asked for, so that a process that has gone quiet would keep all of it for minutes.
const (
	lookEvery      = 5 * time.Second
	quiet          = 2 << 20 // bytes asked for since the last look; jobs and probes ask for less than a tenth of that
	worthReleasing = 4 << 20 // bytes
)

// memoryState is what the runtime says about itself.
type memoryState struct {
	allocated uint64 // bytes that were asked for since the start
	held      uint64 // bytes that the system has given, and not got back
}

// memoryKeeper gives memory back where hardly any was asked for since it looked last, and more is held than was left after it
// did so last. Where there is work it leaves that to the collector: pages that come back cost more than they save.
type memoryKeeper struct {
	read func() memoryState
	free func()

	allocated, floor uint64
}

func newMemoryKeeper() *memoryKeeper {
	return &memoryKeeper{read: readMemory, free: freeMemory}
}

// run looks again and again until ctx ends.
func (k *memoryKeeper) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			k.look()
		}
	}
}

func (k *memoryKeeper) look() {
	now := k.read()
	if now.allocated-k.allocated < quiet && now.held > k.floor+k.floor/10+worthReleasing {
		k.free()
		now = k.read()
		k.floor = now.held
	}
	k.allocated = now.allocated
}

// freeMemory collects twice, since what lies in a sync.Pool outlives the first time: net/http keeps the buffers of its
// connections there.
func freeMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}

func readMemory() memoryState {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return memoryState{allocated: samples[0].Value.Uint64(), held: samples[1].Value.Uint64() - samples[2].Value.Uint64()}
}
