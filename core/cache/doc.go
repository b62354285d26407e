// Package cache keeps copies of what is true elsewhere: Redis is the connection shared with core/ratelimit, Store holds bytes
// for a time (in memory or in Redis), and Loading keeps typed values inside the process and loads what it lacks.
//
// Nothing here is ever the truth: an entry may vanish at any time, and whoever reads must be able to ask the database.
// Everything is bounded, in entries or bytes and in time.
package cache
