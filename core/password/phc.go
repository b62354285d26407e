package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/gatehouse/gatehouse/third_party/argon2"
)

// ErrMalformedHash is returned for a stored hash that is not a PHC string of a known function within the bounds below.
// Its message holds nothing of the hash.
var ErrMalformedHash = errors.New("password: the stored hash is malformed or of an unknown kind")

// What a stored hash may ask for, so that no row of a database can exhaust memory or a core.
const (
	maxMemoryKiB = 256 << 10
	maxTime      = 16
	maxParallel  = 16
	minLaneKiB   = 8 // per lane (RFC 9106, section 3.1)

	minSaltBytes, maxSaltBytes = 8, 64
	minKeyBytes, maxKeyBytes   = 16, 64
	maxPHCBytes                = 256
)

// What a new hash has.
const (
	saltBytes = 16
	keyBytes  = 32
)

var phcEncoding = base64.RawStdEncoding.Strict()

// params are the costs of argon2id (RFC 9106); memory is in KiB.
type params struct {
	memory, time uint32
	parallel     uint8
}

// stored is one stored hash, taken apart.
type stored struct {
	params
	salt, key []byte
}

// parseStored reads a PHC string. Every kind of stored hash is told apart here and nowhere else.
func parseStored(text string) (stored, error) {
	rest, ok := strings.CutPrefix(text, "$argon2id$")
	if !ok || len(text) > maxPHCBytes {
		return stored{}, ErrMalformedHash
	}
	return parseArgon2id(rest)
}

// parseArgon2id reads what follows "$argon2id$", in the one spelling that String writes: no other version, order,
// leading zero, sign or padding.
func parseArgon2id(rest string) (stored, error) {
	part := strings.Split(rest, "$")
	if len(part) != 4 || part[0] != "v="+strconv.Itoa(argon2.Version) {
		return stored{}, ErrMalformedHash
	}
	cost := strings.Split(part[1], ",")
	if len(cost) != 3 {
		return stored{}, ErrMalformedHash
	}
	memory, okM := parseCost(cost[0], "m=", maxMemoryKiB)
	passes, okT := parseCost(cost[1], "t=", maxTime)
	lanes, okP := parseCost(cost[2], "p=", maxParallel)
	salt, errSalt := phcEncoding.DecodeString(part[2])
	key, errKey := phcEncoding.DecodeString(part[3])
	if !okM || !okT || !okP || errSalt != nil || errKey != nil || memory < minLaneKiB*lanes ||
		len(salt) < minSaltBytes || len(salt) > maxSaltBytes || len(key) < minKeyBytes || len(key) > maxKeyBytes ||
		strings.ContainsAny(rest, "\r\n") { // which the decoder of base64 would skip
		return stored{}, ErrMalformedHash
	}
	return stored{params{memory, passes, uint8(lanes)}, salt, key}, nil
}

// parseCost reads a decimal number from 1 to most behind its prefix.
func parseCost(text, prefix string, most uint32) (uint32, bool) {
	digits, ok := strings.CutPrefix(text, prefix)
	if !ok || digits == "" || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n <= uint64(most)
}

// String gives the PHC string.
func (s stored) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, s.memory, s.time, s.parallel,
		phcEncoding.EncodeToString(s.salt), phcEncoding.EncodeToString(s.key))
}

// derive computes the key for a prepared password, in an arena that has the memory which the costs name then.
func (s stored) derive(arena *argon2.Arena, prepared string) []byte {
	return arena.IDKey([]byte(prepared), s.salt, s.time, s.memory, s.parallel, uint32(len(s.key)))
}

// weakerThan says whether the hash should be renewed under the current costs.
func (s stored) weakerThan(current params) bool {
	return s.memory < current.memory || s.time < current.time || len(s.salt) < saltBytes || len(s.key) < keyBytes
}
