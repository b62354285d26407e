package ratelimit

import (
	"strconv"
	"time"
)

// PolicyHeader gives the value of RateLimit-Policy for the checks of a request: "login";q=10;w=60, the quota and its time in
// seconds, a comma between several (draft-ietf-httpapi-ratelimit-headers, a structured-field list, RFC 9651).
func PolicyHeader(checks ...Check) string {
	var room [128]byte
	b := room[:0]
	for i := range checks {
		limit := checks[i].Limit
		b = appendName(b, i, limit.Name)
		b = append(b, ";q="...)
		b = strconv.AppendInt(b, int64(limit.Rate.Count), 10)
		b = append(b, ";w="...)
		b = strconv.AppendInt(b, int64(limit.Rate.Per/time.Second), 10)
	}
	return string(b)
}

// StateHeader gives the value of RateLimit for the checks and their decisions: "login";r=7;t=42, what remains and the seconds
// until the whole quota is there again.
func StateHeader(checks []Check, decisions []Decision) string {
	var room [128]byte
	b := room[:0]
	for i := range decisions {
		b = appendName(b, i, checks[i].Limit.Name)
		b = append(b, ";r="...)
		b = strconv.AppendInt(b, int64(decisions[i].Remaining), 10)
		b = append(b, ";t="...)
		b = strconv.AppendInt(b, seconds(decisions[i].Reset), 10)
	}
	return string(b)
}

// RetryAfter gives how long to wait before every refused check is allowed, in whole seconds rounded up, at least one; zero
// where none was refused. Its seconds are the value of Retry-After (RFC 9110, section 10.2.3).
func RetryAfter(decisions []Decision) time.Duration {
	var longest time.Duration
	refused := false
	for i := range decisions {
		if !decisions[i].Allowed {
			refused = true
			longest = max(longest, decisions[i].RetryAfter)
		}
	}
	if !refused {
		return 0
	}
	return time.Duration(max(seconds(longest), 1)) * time.Second
}

// appendName adds the i-th member's name. Names need no escape: see Limit.
func appendName(b []byte, i int, name string) []byte {
	if i > 0 {
		b = append(b, ", "...)
	}
	b = append(b, '"')
	b = append(b, name...)
	return append(b, '"')
}

func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
