package token

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse/gatehouse/core/clock"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/errs"
)

const (
	// ReloadInterval is the most time between two calls of Reload in a process that serves, and the least between two looks
	// at the database for keys that tokens name and nobody here knows.
	ReloadInterval = 5 * time.Second
	// reloadDeadline bounds one such look.
	reloadDeadline = time.Second
	// publishedBefore is how long a key that is made by hand is published before it signs: two intervals, so that every
	// instance has learned of it even if one look of it failed.
	publishedBefore = 2 * ReloadInterval
)

// Keys is the signing keys of the installation. It is safe for concurrent use, and has no goroutine of its own: the process
// that serves calls Reload and RotateIfDue every ReloadInterval.
type Keys struct {
	db     *database.DB
	root   *Root
	policy Policy
	clock  clock.Clock
	set    atomic.Pointer[keySet]

	reloading sync.Mutex // guards what follows, and lets one look at a time go to the database
	looked    time.Time  // when the last look for an unknown key ended
	failure   error      // of that look
}

// OpenKeys reads the signing keys. Where there is none yet it makes the first, and where the newest is for another
// algorithm than the policy's it rotates to one for that; the others go on verifying. Instances that start at once agree.
// A database that is away gives errs.ErrUnavailable.
func OpenKeys(ctx context.Context, db *database.DB, root *Root, policy Policy, clk clock.Clock) (*Keys, error) {
	k := &Keys{db: db, root: root, policy: policy, clock: clk}
	var known []keyRow
	err := k.inTurn(ctx, func(ctx context.Context, repo repository, rows []keyRow, now time.Time) error {
		known = rows
		if newest := newestRow(rows); newest != nil && Algorithm(newest.Algorithm) == policy.Algorithm {
			return nil
		}
		if _, err := k.succeed(ctx, repo, rows, now, now.Add(publishedBefore)); err != nil {
			return err
		}
		var err error
		known, err = repo.signingKeys(ctx)
		known = unexpired(known, now)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open signing keys: %w", err)
	}
	set, err := newKeySet(root, known)
	if err != nil {
		return nil, fmt.Errorf("open signing keys: %w", err)
	}
	k.set.Store(set)
	return k, nil
}

// JWKS gives the published keys as a JWK Set (RFC 7517 section 5), public members only, and a strong ETag for it. The bytes
// are shared: do not change them.
func (k *Keys) JWKS() (body []byte, etag string) {
	set := k.set.Load()
	return set.jwks, set.etag
}

// Reload looks at the database for keys that came or went, which makes this process publish, sign and verify with them. Every
// cached verification is dropped when the keys differ. When it fails the known keys stay in use.
func (k *Keys) Reload(ctx context.Context) error {
	k.reloading.Lock()
	defer k.reloading.Unlock()
	return k.reload(ctx)
}

func (k *Keys) reload(ctx context.Context) error {
	rows, err := repository{k.db}.signingKeys(ctx)
	if err != nil {
		return fmt.Errorf("read signing keys: %w", err)
	}
	rows = unexpired(rows, k.clock.Now())
	if k.set.Load().madeFrom(rows) {
		return nil
	}
	set, err := newKeySet(k.root, rows)
	if err != nil {
		return err
	}
	k.set.Store(set)
	return nil
}

// find gives the key of that id and the set that it is from. For an id that nobody here has seen it looks at the database,
// once in ReloadInterval whatever their number; those that come meanwhile wait for that look, which is bounded. What nobody
// knows after that is refused, or answered as unavailable while the last look failed: it may be another instance's key.
func (k *Keys) find(ctx context.Context, kid string) (*signingKey, *keySet, error) {
	set := k.set.Load()
	if key := set.byKid[kid]; key != nil {
		return key, set, nil
	}
	k.reloading.Lock()
	defer k.reloading.Unlock()
	if since := k.clock.Now().Sub(k.looked); since < 0 || since >= ReloadInterval {
		// The caller may leave while others wait for the answer, so only the deadline ends the look.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadDeadline)
		k.failure = k.reload(ctx)
		cancel()
		k.looked = k.clock.Now()
	}
	set = k.set.Load()
	if key := set.byKid[kid]; key != nil {
		return key, set, nil
	}
	if k.failure != nil {
		return nil, nil, errs.ErrUnavailable.WithCause(k.failure)
	}
	return nil, nil, errUnknownKey
}
