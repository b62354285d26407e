package main

import (
	"errors"
	"os"
	"strings"

	"github.com/google/pprof/profile"
)

// hashers begin the names of what hashes passwords. With several lanes argon2 works in goroutines of its own, and its callers
// do not stand above it.
var hashers = []string{"github.com/gatehouse/gatehouse/core/password.", "github.com/gatehouse/gatehouse/third_party/argon2.", "golang.org/x/crypto/blake2b."}

// collectors begin the names of what frees memory beside the requests.
var collectors = []string{"runtime.gcBgMarkWorker", "runtime.bgsweep", "runtime.bgscavenge"}

// engines begin the names of what is the database, where that is part of the process.
var engines = []string{"modernc.org/sqlite"}

var errNoSamples = errors.New("the profile of the server has no samples")

// shared is a CPU profile's time in parts: what hashed passwords, what freed memory, and what was the database.
type shared struct{ hashing, collecting, engine float64 }

// shares takes a profile apart. A hash takes many times what is beside it, and not the same beside other load: a hash that
// is timed for itself would leave less certainty than there is to find.
func shares(file string) (out shared, err error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return out, err
	}
	p, err := profile.ParseData(raw)
	if err != nil {
		return out, err
	}
	var all float64
	for _, s := range p.Sample {
		n := float64(s.Value[len(s.Value)-1]) // nanoseconds
		all += n
		switch {
		case under(s, hashers):
			out.hashing += n
		case under(s, collectors):
			out.collecting += n
		case under(s, engines):
			out.engine += n
		}
	}
	if all == 0 {
		return out, errNoSamples
	}
	return shared{out.hashing / all, out.collecting / all, out.engine / all}, nil
}

// under says whether one of the functions is on the sample's stack.
func under(s *profile.Sample, functions []string) bool {
	for _, l := range s.Location {
		for _, f := range l.Line {
			for _, prefix := range functions {
				if strings.HasPrefix(f.Function.Name, prefix) {
					return true
				}
			}
		}
	}
	return false
}
