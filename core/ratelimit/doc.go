// Package ratelimit decides how often something may happen: a Limit is a name and a rate that modules declare and settings
// may replace, a Limiter counts against limits by key.
//
// The algorithm is GCRA (the generic cell rate algorithm) in whole microseconds. A key that was idle may do Count things at
// once, after that one each Per/Count; in any span of time t it does at most Count + t*Count/Per. What is refused costs
// nothing. Memory and Redis share the algorithm and one conformance suite; Failover joins them, so that the absence of Redis
// makes limits neither open nor closed: each instance then grants each key the quota once.
package ratelimit
