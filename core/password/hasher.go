package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"sync"
	"time"

	"github.com/gatehouse/gatehouse/core/gate"
	"github.com/gatehouse/gatehouse/core/secret"
	"github.com/gatehouse/gatehouse/third_party/argon2"
)

// Hasher hashes and verifies passwords with argon2id, a bounded number at a time. It is safe for concurrent use. Make one
// per process, since its bound is the process's bound.
type Hasher struct {
	params params
	gate   *gate.Gate
	arenas sync.Pool // of *argon2.Arena, about as many as there are permits; the collector takes those that nobody uses
	decoy  string    // a stored hash of the current costs that nothing matches
}

// NewHasher makes a Hasher. The settings are expected to have passed their Check; tests may go below its floor.
func NewHasher(s Settings) *Hasher {
	return &Hasher{
		params: s.params(),
		gate:   gate.New(s.permits(), s.QueueDeadline, guessCost(s.params())),
		decoy:  stored{s.params(), random(saltBytes), random(keyBytes)}.String(),
	}
}

// errRefused is returned by Hash for a password that Prepare refuses. Policy.Check has told the client before that.
var errRefused = errors.New("password: not a password that can be stored")

// Hash returns the PHC string ($argon2id$v=19$m=…,t=…,p=…$salt$key) of a password under a fresh salt. It prepares the
// password, as Verify does, so the two always agree; what Policy.Check returns stays as it is.
//
// It returns errs.ErrUnavailable, with a time to try again after, where no permit is to be had within the queue's deadline
// or the context's.
func (h *Hasher) Hash(ctx context.Context, password secret.String) (string, error) {
	prepared, ok := Prepare(password)
	if !ok {
		return "", errRefused
	}
	s := stored{h.params, random(saltBytes), make([]byte, keyBytes)}
	key, err := h.derive(ctx, s, prepared)
	if err != nil {
		return "", err
	}
	s.key = key
	return s.String(), nil
}

// Verify says whether the password is the one that was hashed, and whether the hash is weaker than the current settings,
// so that a caller who has just learnt the password can renew it. A password that Prepare refuses never matches, in the
// same time. The comparison takes the same time wherever the two differ.
//
// It returns errs.ErrUnavailable as Hash does, and ErrMalformedHash for a hash that cannot be read.
func (h *Hasher) Verify(ctx context.Context, hash string, password secret.String) (ok, needsRehash bool, err error) {
	s, err := parseStored(hash)
	if err != nil {
		return false, false, err
	}
	prepared, allowed := Prepare(password)
	key, err := h.derive(ctx, s, prepared)
	if err != nil {
		return false, false, err
	}
	same := subtle.ConstantTimeCompare(key, s.key) == 1
	return same && allowed, s.weakerThan(h.params), nil
}

// VerifyNothing does all that Verify does, against a hash of the current costs that no password matches. Call it for an
// account that does not exist, may not log in, or has no password, so that the time of the answer tells nothing.
func (h *Hasher) VerifyNothing(ctx context.Context, password secret.String) error {
	_, _, err := h.Verify(ctx, h.decoy, password)
	return err
}

// Announce keeps a place for a caller that asks the stores before it has a password hashed or verified, with the context that
// it gets; it calls off in any case. It returns errs.ErrUnavailable where the queue is too long: under a flood, a refusal
// costs nothing then but itself, and those who are let in find the stores free.
func (h *Hasher) Announce(ctx context.Context) (coming context.Context, off func(), err error) {
	return h.gate.Announce(ctx)
}

// Stats tells how busy the hasher is.
func (h *Hasher) Stats() gate.Stats { return h.gate.Stats() }

func (h *Hasher) derive(ctx context.Context, s stored, prepared secret.String) ([]byte, error) {
	if err := h.gate.Enter(ctx); err != nil {
		return nil, err
	}
	start := time.Now()
	defer func() { h.gate.Leave(time.Since(start)) }()
	arena, ok := h.arenas.Get().(*argon2.Arena)
	if !ok {
		arena = &argon2.Arena{}
	}
	key := s.derive(arena, prepared.Reveal())
	if s.memory <= h.params.memory { // a hash of other costs may have taken more than is to be kept
		h.arenas.Put(arena)
	}
	return key, nil
}

// guessCost guesses how long a hash takes, until the first ones have been timed: what a core without AVX2 takes, or a busy
// one with it, which fills 2 GiB a second. A guess too low costs a wait until the deadline, one too high a refusal that was
// not needed.
func guessCost(p params) time.Duration {
	return time.Duration(p.memory) * time.Duration(p.time) * time.Second >> 21
}

// random returns n random bytes; crypto/rand.Read never fails.
func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
