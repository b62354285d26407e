// Command bench measures the product from outside: it builds the binary, makes the data, starts a private PostgreSQL (with
// fsync) and Redis, gives the server one core and the loader another, and offers load.
//
//	go -C bench run .                the rows of docs/reference/performance.md, beside a bare handler; where they hash, it does,
//	                                 and the product without outbox and audit trail is run, too
//	go -C bench run . burst          a thousand requests at once on each endpoint; fails where a bound is broken
//	go -C bench run . growth         the same work over tables of 1,000 to 1,000,000 users
//	go -C bench run . cost           what outbox and audit trail add to a registration and a refresh; fails where it is over a tenth
//	go -C bench run . start          from exec to healthy
//	go -C bench run . profile        where the server's time goes, as files for `go tool pprof`
//
// All load goes to the loopback address and is bounded in time and count. Rates are compared as ratios within one run; what
// may be compared between runs and machines is the CPU time of a request.
package main
