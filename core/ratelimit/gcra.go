package ratelimit

import "time"

// GCRA keeps one number for each key, its theoretical arrival time: when the whole quota will be there again. Counting moves
// it into the future by one interval; a check whose move would take it further than the tolerance is refused.
//
// All times are whole microseconds. The interval is rounded up, so that the rate is never exceeded.

// pace is a Rate and a cost in these terms.
type pace struct {
	interval  int64 // between two when the quota is used up
	tolerance int64 // how far ahead the arrival time may be: count intervals
	step      int64 // what this check costs
}

func paceOf(c *Check) pace {
	count := int64(c.Limit.Rate.Count)
	interval := (c.Limit.Rate.Per.Microseconds() + count - 1) / count
	cost := min(max(int64(c.Cost), 1), count)
	return pace{interval: interval, tolerance: interval * count, step: interval * cost}
}

// settle brings a stored arrival time into its range. One in the past is an unused quota. One beyond the tolerance was left
// by a larger limit, or by a clock that went back, and must not close the key for longer than a used-up quota would.
func (p pace) settle(stored, now int64) int64 { return min(max(stored, now), now+p.tolerance) }

// excess is how much too early the check comes at the settled arrival time; above zero it is refused.
func (p pace) excess(arrival, now int64) int64 { return arrival + p.step - now - p.tolerance }

// decision describes the key with the arrival time that it has after the call.
func (p pace) decision(arrival, now, excess int64) Decision {
	return Decision{
		Allowed:    excess <= 0,
		Remaining:  int(max(p.tolerance-(arrival-now), 0) / p.interval),
		RetryAfter: time.Duration(max(excess, 0)) * time.Microsecond,
		Reset:      time.Duration(arrival-now) * time.Microsecond,
	}
}
