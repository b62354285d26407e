package password

import (
	"runtime/debug"
	"sync"
	"time"
)

// Each hash leaves its memory behind as garbage, and a process that has gone quiet collects it only minutes later. So the
// hasher gives it back to the system when it has been quiet for a while.
const (
	quietBeforeRelease = 10 * time.Second
	worthReleasingKiB  = 1 << 10 // a hash of less leaves nothing that matters
)

// releaser calls free once nothing has been used for a while. It owns no goroutine while it waits.
type releaser struct {
	free func()

	mu     sync.Mutex
	timer  *time.Timer
	closed bool
}

func newReleaser() *releaser { return &releaser{free: debug.FreeOSMemory} }

// used puts the release off.
func (r *releaser) used() {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
	case r.timer == nil:
		r.timer = time.AfterFunc(quietBeforeRelease, r.free)
	default:
		r.timer.Reset(quietBeforeRelease)
	}
}

// close ends the wait without a release.
func (r *releaser) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
}
