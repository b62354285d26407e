package ratelimit

import (
	"context"
	"errors"
	"time"
)

// MaxChecks is the most checks of one call.
const MaxChecks = 8

// Check is one thing to count: once, or Cost times, against the limit under the key. Keys of different limits do not meet.
// A key holds no personal data in the clear but addresses, since Redis shows it to its operators. Cost zero is one; more
// than the limit's count is the whole quota.
type Check struct {
	Limit *Limit
	Key   string
	Cost  int
}

// Decision is the outcome of one Check. Where any check of a call is refused nothing was counted, and the other decisions
// say what would have been allowed.
type Decision struct {
	Allowed    bool
	Remaining  int           // how many more would be allowed now
	RetryAfter time.Duration // until the same check is allowed if nothing else is counted; zero when allowed
	Reset      time.Duration // until the whole quota is there again
}

// Limiter counts. Allow decides over all checks as one: either every one is counted or none, and the decisions come in the
// order of the checks. No two checks of a call have the same limit and key. A Limiter whose store is away returns an error
// wrapping errs.ErrUnavailable; any other error is a mistake in the call.
//
// Peek decides as Allow would and counts nothing.
type Limiter interface {
	Allow(ctx context.Context, checks ...Check) ([]Decision, error)
	Peek(ctx context.Context, checks ...Check) ([]Decision, error)
}

// Allowed says whether every decision of a call allows: whether Allow has counted.
func Allowed(decisions []Decision) bool {
	for i := range decisions {
		if !decisions[i].Allowed {
			return false
		}
	}
	return true
}

var (
	errTooMany = errors.New("ratelimit: too many checks in one call")
	errNoLimit = errors.New("ratelimit: a check without a limit in bounds")
	errCost    = errors.New("ratelimit: a negative cost")
	errTwice   = errors.New("ratelimit: two checks of the same limit and key in one call")
)

// verify finds mistakes in a call.
func verify(checks []Check) error {
	if len(checks) > MaxChecks {
		return errTooMany
	}
	for i := range checks {
		c := &checks[i]
		if c.Limit == nil || c.Limit.Rate.check() != nil {
			return errNoLimit
		}
		if c.Cost < 0 {
			return errCost
		}
		for j := range i {
			if checks[j].Key == c.Key && checks[j].Limit.Name == c.Limit.Name {
				return errTwice
			}
		}
	}
	return nil
}
