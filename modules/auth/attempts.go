package auth

import (
	"context"
	"encoding/hex"
	"errors"
	"net/netip"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
	"github.com/gatehouse/gatehouse/core/ratelimit"
)

// Guessing is slowed down per account, whether it exists or not and however its address is spelled. An attempt counts as
// failed from before the password is looked at until it succeeds, so that a thousand guesses at once are still ten. An
// address from which the account signed in lately has a budget of its own, so that strangers cannot lock its owner out.
const (
	loginWindow  = 15 * time.Minute
	firstDelay   = 30 * time.Second // once the budget is used up; doubled by each further failure
	longestDelay = time.Hour
	knownFor     = 30 * 24 * time.Hour

	pruneEvery   = 64  // attempts of this process
	mostAttempts = 400 // rows kept of one in 256: about 100,000 in all, those that expire last
)

// attempt is a login under way. The zero attempt is one that nobody counts.
type attempt struct {
	digest []byte // of the budget that it counts on
	place  place
}

// place is an account at a client's address.
type place struct {
	known  []byte // digest under which it is remembered
	budget []byte // digest of what is counted there, once it is known
}

// failures is a budget's row.
type failures struct {
	count        int
	blockedUntil time.Time
	expiresAt    time.Time
}

// beginAttempt counts an attempt, or returns errs.ErrRateLimited while the account is slowed down.
func (s *Service) beginAttempt(ctx context.Context, email account.Email, id account.ID, addr netip.Addr) (attempt, error) {
	if !s.deps.Limits.Enabled() {
		return attempt{}, nil
	}
	owner := id.String()
	if id.IsZero() {
		owner = email.Canonical() // nothing is known about it, and finding that out costs the same
	}
	a := attempt{digest: s.strangersDigest(email.Canonical()), place: s.placeOf(owner, addr)}
	s.pruneSometimes(ctx, a)
	isKnown, err := repository{s.deps.DB}.isKnown(ctx, a.place.known, s.deps.Clock.Now())
	if err != nil {
		return attempt{}, err
	}
	if isKnown {
		a.digest = a.place.budget
	}
	return a, s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error { return s.countTx(ctx, tx, a) })
}

// countTx takes one from the budget. The lock makes those who race for a row's first failure wait for each other.
func (s *Service) countTx(ctx context.Context, tx *database.Tx, a attempt) error {
	if err := tx.Lock(ctx, "auth.attempts."+hex.EncodeToString(a.digest[:8])); err != nil {
		return err
	}
	f, err := repository{tx}.failures(ctx, a.digest)
	if err != nil {
		return err
	}
	now := s.deps.Clock.Now() // behind the read, which is what waits for the lock
	if now.Before(f.blockedUntil) {
		return errs.ErrRateLimited.WithDetail("too many failed logins; try again later").WithRetryAfter(f.blockedUntil.Sub(now))
	}
	return repository{tx}.putFailures(ctx, a.digest, f.next(now, s.limits.failures.Rate.Count, s.limits.failures.Rate.Per))
}

// next is the row after one more failure.
func (f failures) next(now time.Time, budget int, window time.Duration) failures {
	if !now.Before(f.expiresAt) {
		f = failures{expiresAt: now.Add(window)}
	}
	f.count++
	f.blockedUntil = now
	if over := f.count - budget; over >= 0 {
		f.blockedUntil = now.Add(delay(over))
		f.expiresAt = f.blockedUntil.Add(window)
	}
	return f
}

func delay(over int) time.Duration {
	if over > 7 { // 30 s doubled seven times is past the longest
		return longestDelay
	}
	return min(firstDelay<<over, longestDelay)
}

// succeedTx gives the budget back whole and remembers the address.
func (s *Service) succeedTx(ctx context.Context, tx *database.Tx, id account.ID, a attempt) error {
	if a.digest == nil {
		return nil
	}
	if err := (repository{tx}).forgetFailures(ctx, a.digest); err != nil {
		return err
	}
	return repository{tx}.remember(ctx, id, a.place, s.deps.Clock.Now().Add(knownFor))
}

// forgiveTx gives the budgets back whole and remembers the address: whoever set a new password by mail is the owner, however
// much strangers have guessed, and logs in from here.
func (s *Service) forgiveTx(ctx context.Context, tx *database.Tx, email account.Email, id account.ID, addr netip.Addr) error {
	if !s.deps.Limits.Enabled() {
		return nil
	}
	if err := (repository{tx}).forgetFailures(ctx, s.strangersDigest(email.Canonical())); err != nil {
		return err
	}
	here := s.placeOf(id.String(), addr)
	return s.succeedTx(ctx, tx, id, attempt{digest: here.budget, place: here})
}

// strangersDigest names the budget that everyone shares who tries an account from an address that is not known to it.
func (s *Service) strangersDigest(canonical string) []byte { return s.digest("account", canonical) }

// placeOf names an account at an address, and its budget there.
func (s *Service) placeOf(owner string, addr netip.Addr) place {
	key := ratelimit.KeyForAddress(addr)
	return place{known: s.digest("known", owner, key), budget: s.digest("account at", owner, key)}
}

// giveUp uncounts an attempt that ended without an answer about the password, such as one that found no time to hash.
func (s *Service) giveUp(ctx context.Context, a attempt, cause error) {
	if a.digest == nil || errors.Is(cause, ErrInvalidCredentials) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := (repository{s.deps.DB}).uncount(ctx, a.digest, s.deps.Clock.Now()); err != nil {
		s.deps.Logger.WarnContext(ctx, "an unanswered login stays counted as failed", "cause", err)
	}
}

// pruneSometimes drops what has expired, and what stands beyond the cap, among the rows whose digests begin as this one's
// do: digests are spread evenly, so a range of them stands for all, and each step is small. Nothing depends on it but space.
func (s *Service) pruneSometimes(ctx context.Context, a attempt) {
	if s.attempts.Add(1)%pruneEvery != 0 {
		return
	}
	if err := (repository{s.deps.DB}).prune(ctx, a, s.deps.Clock.Now(), mostAttempts); err != nil {
		s.deps.Logger.WarnContext(ctx, "expired login attempts stay for now", "cause", err)
	}
}
