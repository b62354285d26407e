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
	// reloadInterval is the least time between two looks at the database for keys that tokens name and nobody here knows.
	reloadInterval = 5 * time.Second
	// reloadDeadline bounds one such look.
	reloadDeadline = time.Second
	// publishedBefore is how long a key that succeeds another is published before it signs. It is longer than
	// reloadInterval, so that every instance has had the chance to learn of it.
	publishedBefore = 2 * reloadInterval
)

// Keys is the signing keys of the installation. It is safe for concurrent use, and has no goroutine of its own.
type Keys struct {
	db    *database.DB
	root  *Root
	clock clock.Clock
	set   atomic.Pointer[keySet]

	reloading sync.Mutex // guards what follows, and lets one look at a time go to the database
	looked    time.Time  // when the last look for an unknown key ended
	failure   error      // of that look
}

// OpenKeys reads the signing keys. Where there is none yet it makes the first, and where the newest is for another
// algorithm it makes one for this, which is published at once and signs ten seconds later; the others go on verifying.
// Instances that start at once agree. A database that is away gives errs.ErrUnavailable.
func OpenKeys(ctx context.Context, db *database.DB, root *Root, algorithm Algorithm, clk clock.Clock) (*Keys, error) {
	k := &Keys{db: db, root: root, clock: clk}
	var rows []keyRow
	err := db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := tx.Lock(ctx, rootLock); err != nil {
			return err
		}
		repo := repository{tx}
		now := clk.Now()
		stored, err := repo.signingKeys(ctx)
		if err != nil {
			return err
		}
		rows = unexpired(stored, now)
		newest := newestRow(rows, now)
		if newest != nil && Algorithm(newest.Algorithm) == algorithm {
			return nil
		}
		activeFrom := now
		if newest != nil {
			activeFrom = latest(now, newest.ActiveFrom).Add(publishedBefore)
		}
		row, err := newKeyRow(root, algorithm, now, activeFrom)
		if err != nil {
			return err
		}
		rows = append(rows, row)
		return repo.insertSigningKey(ctx, row)
	})
	if err != nil {
		return nil, fmt.Errorf("open signing keys: %w", err)
	}
	set, err := newKeySet(root, rows)
	if err != nil {
		return nil, fmt.Errorf("open signing keys: %w", err)
	}
	k.set.Store(set)
	return k, nil
}

// newestRow is the row that will sign last, or nil where none may sign.
func newestRow(rows []keyRow, now time.Time) *keyRow {
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].RetiredAt == nil || now.Before(*rows[i].RetiredAt) {
			return &rows[i]
		}
	}
	return nil
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// JWKS gives the published keys as a JWK Set (RFC 7517 section 5), public members only, and a strong ETag for it. The bytes
// are shared: do not change them.
func (k *Keys) JWKS() (body []byte, etag string) {
	set := k.set.Load()
	return set.jwks, set.etag
}

// Reload looks at the database for keys that came or went. Every cached verification is dropped when the keys differ. When
// it fails the known keys stay in use.
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
// once in reloadInterval whatever their number; those that come meanwhile wait for that look, which is bounded. What nobody
// knows after that is refused, or answered as unavailable while the last look failed: it may be another instance's key.
func (k *Keys) find(ctx context.Context, kid string) (*signingKey, *keySet, error) {
	set := k.set.Load()
	if key := set.byKid[kid]; key != nil {
		return key, set, nil
	}
	k.reloading.Lock()
	defer k.reloading.Unlock()
	if since := k.clock.Now().Sub(k.looked); since < 0 || since >= reloadInterval {
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
