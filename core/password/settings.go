package password

import (
	"fmt"
	"runtime"
	"time"

	"github.com/gatehouse/gatehouse/core/config"
)

// Settings are the settings under "password".
type Settings struct {
	Memory        config.Size   `conf:"memory" default:"19MiB" doc:"memory of one password hash (argon2id), 7MiB to 256MiB; hashes of weaker settings are renewed at login"`
	Time          int           `conf:"time" default:"2" doc:"passes of one password hash over its memory, 1 to 16; memory × time is at least 35MiB"`
	Parallel      int           `conf:"parallel" default:"1" doc:"lanes of one password hash, 1 to 16; more than 1 lets one hash use several cores"`
	Permits       int           `conf:"permits" default:"0" doc:"password hashes at a time; 0 means one per core"`
	QueueDeadline time.Duration `conf:"queue_deadline" default:"2s" doc:"longest wait for a password hash to begin; whoever would wait longer gets 503 at once"`
}

// DefaultSettings are the settings where nothing is set: the second of OWASP's equal choices for argon2id.
func DefaultSettings() Settings {
	return Settings{Memory: 19 << 20, Time: 2, Parallel: 1, Permits: 0, QueueDeadline: 2 * time.Second}
}

// The weakest choice that OWASP calls equal to the default is 7 MiB with 5 passes.
const (
	minMemory  config.Size = 7 << 20
	minWork    config.Size = 35 << 20
	maxPermits             = 1024
)

// Check reports settings that are too weak, or that no hash may have.
func (s Settings) Check(report func(field, fault string)) {
	if s.Memory < minMemory || s.Memory > maxMemoryKiB<<10 || s.Memory%(1<<10) != 0 {
		report("memory", fmt.Sprintf("must be whole KiB from %s to %s", minMemory, config.Size(maxMemoryKiB<<10)))
	}
	if s.Time < 1 || s.Time > maxTime {
		report("time", fmt.Sprintf("must be 1 to %d", maxTime))
	} else if s.Memory >= minMemory && s.Memory*config.Size(s.Time) < minWork {
		report("time", fmt.Sprintf("memory × time must be at least %s", minWork))
	}
	if s.Parallel < 1 || s.Parallel > maxParallel {
		report("parallel", fmt.Sprintf("must be 1 to %d", maxParallel))
	}
	if s.Permits < 0 || s.Permits > maxPermits {
		report("permits", fmt.Sprintf("must be 0 to %d", maxPermits))
	}
	if s.QueueDeadline <= 0 || s.QueueDeadline > time.Minute {
		report("queue_deadline", "must be more than 0 and at most 1m")
	}
}

func (s Settings) params() params {
	return params{memory: uint32(s.Memory >> 10), time: uint32(s.Time), parallel: uint8(s.Parallel)}
}

func (s Settings) permits() int {
	if s.Permits > 0 {
		return s.Permits
	}
	return runtime.GOMAXPROCS(0)
}
