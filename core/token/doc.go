// Package token makes and checks what proves who somebody is: access tokens (JWT, RFC 9068), refresh tokens, and under both
// the root secret of the installation and the signing keys.
//
// The root secret is one random value per installation. It is kept in the database, wrapped by the master key, and every
// other symmetric key is derived from it for one purpose. Signing keys are kept in the database, sealed under such a
// derived key, and held by each process as an immutable set: checking a token reaches no store, unless the token names a
// key that nobody here has seen, and then at most once in a few seconds for all such tokens together.
//
// The package never decides whether a session is alive, never fetches a key that a token points at, and never logs.
package token
