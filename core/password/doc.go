// Package password decides which passwords may be chosen, and hashes and verifies them.
//
// A password is prepared by the OpaqueString profile of PRECIS (RFC 8265, section 4.2) before anything looks at it, then
// measured in code points, and hashed whole: nothing is ever cut off. Hashing takes a permit, of which there are about as
// many as cores; whoever would wait too long for one is told so at once instead of queueing.
//
// The package never logs, never stores, and never echoes a password.
package password
