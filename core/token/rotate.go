package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse/gatehouse/core/database"
)

const (
	// JWKSMaxAge is how long clients may remember the JWK Set (the max-age it is answered with).
	JWKSMaxAge = 5 * time.Minute
	// overlap is how long a key verifies after it has retired. It counts the longest life that token.ttl allows and not the
	// one that is set, since another instance may have another setting and the next start yet another; then the leeway of
	// every check; then the time for which an instance that cannot look at the database may sign with a retired key.
	overlap = maxTTL + Leeway + 2*JWKSMaxAge
	// maxKeys bounds how many keys are published at one time, so that a script that rotates in a loop cannot make the
	// JWK Set grow without end. The schedule alone never has more than three.
	maxKeys = 100
	// deleteStep bounds how many expired keys go when one is made.
	deleteStep = 100
)

// ErrTooManyKeys means that as many keys are published as may be: rotating again has to wait until some have expired.
var ErrTooManyKeys = errors.New("there are too many signing keys: wait until some have expired, or revoke them")

// Policy is what new signing keys are, and when they come.
type Policy struct {
	Algorithm     Algorithm
	RotateEvery   time.Duration // how long a key signs
	PublishBefore time.Duration // how long before that its successor is published
}

// Due is when the successor of a key is to be published.
func (p Policy) Due(signsFrom time.Time) time.Time {
	return signsFrom.Add(p.RotateEvery - p.PublishBefore)
}

// Also is what belongs into the transaction of a change of the keys.
type Also func(ctx context.Context, tx *database.Tx) error

// Rotate makes a key that is published at once and signs ten seconds later, by when every instance has learned of it. All
// others retire at that moment, one that the schedule has published for later included, and verify until their last token
// has expired. Rotations at once follow one another; there is no moment at which no key signs. It returns ErrTooManyKeys,
// or errs.ErrUnavailable when the database is away.
func (k *Keys) Rotate(ctx context.Context, also ...Also) (Key, error) {
	made, err := k.change(ctx, func(ctx context.Context, repo repository, rows []keyRow, now time.Time) (*keyRow, error) {
		if len(rows) >= maxKeys {
			return nil, ErrTooManyKeys
		}
		return k.succeed(ctx, repo, rows, now, now.Add(publishedBefore))
	}, also...)
	if err != nil {
		return Key{}, fmt.Errorf("rotate signing keys: %w", err)
	}
	return *made, nil
}

// RotateIfDue publishes the next key where the schedule asks for one, and says which; nil where it does not. Any number of
// instances may call it at once: one of them makes the key. While nothing is due it reaches no store.
func (k *Keys) RotateIfDue(ctx context.Context) (*Key, error) {
	if !k.due(k.set.Load().rows, k.clock.Now()) {
		return nil, nil
	}
	made, err := k.change(ctx, func(ctx context.Context, repo repository, rows []keyRow, now time.Time) (*keyRow, error) {
		if !k.due(rows, now) { // another instance was first
			return nil, nil
		}
		return k.succeed(ctx, repo, rows, now, now.Add(k.policy.PublishBefore))
	})
	if err != nil {
		return nil, fmt.Errorf("rotate signing keys on schedule: %w", err)
	}
	return made, nil
}

// Revoke is for a key that has leaked: it makes a key that signs at once and deletes every other, so that no token they have
// signed counts any more, here from now on and on the other instances from their next look at the keys. Sessions and refresh
// tokens are not touched. It returns errs.ErrUnavailable when the database is away.
func (k *Keys) Revoke(ctx context.Context, also ...Also) (Key, error) {
	made, err := k.change(ctx, func(ctx context.Context, repo repository, _ []keyRow, now time.Time) (*keyRow, error) {
		row, err := newKeyRow(k.root, k.policy.Algorithm, now, now)
		if err != nil {
			return nil, err
		}
		if err := repo.insertSigningKey(ctx, row); err != nil {
			return nil, err
		}
		return &row, repo.deleteOtherSigningKeys(ctx, row.Kid)
	}, also...)
	if err != nil {
		return Key{}, fmt.Errorf("revoke signing keys: %w", err)
	}
	return *made, nil
}

func (k *Keys) due(rows []keyRow, now time.Time) bool {
	newest := newestRow(rows)
	return newest == nil || !now.Before(k.policy.Due(newest.ActiveFrom))
}

// change runs one instance's change of the keys after another, and then takes the outcome into use here. f gets the keys
// that have not expired, and gives the key that it made or nil.
func (k *Keys) change(ctx context.Context, f func(context.Context, repository, []keyRow, time.Time) (*keyRow, error), also ...Also) (*Key, error) {
	var made *Key
	err := k.inTurn(ctx, func(ctx context.Context, repo repository, rows []keyRow, now time.Time) error {
		made = nil
		row, err := f(ctx, repo, rows, now)
		if row != nil {
			made = new(row.describe(now))
		}
		return err
	}, also...)
	if err != nil {
		return nil, err
	}
	_ = k.Reload(ctx) // what was committed stands; where this fails the next look finds it
	return made, nil
}

// inTurn runs f in a transaction that waits for every other one of its kind, on the keys that have not expired.
func (k *Keys) inTurn(ctx context.Context, f func(context.Context, repository, []keyRow, time.Time) error, also ...Also) error {
	return k.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := tx.Lock(ctx, rootLock); err != nil {
			return err
		}
		repo := repository{tx}
		rows, err := repo.signingKeys(ctx)
		if err != nil {
			return err
		}
		now := k.clock.Now() // not before the lock is held, so that keys follow each other in time as well
		if err := f(ctx, repo, unexpired(rows, now), now); err != nil {
			return err
		}
		for _, and := range also {
			if err := and(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// succeed makes the key that signs from activeFrom on, and lets the others retire then: what signed before goes on until
// there is something that signs after. Where no key is left it signs at once. Keys for algorithms that this version does not
// know are left to the version that does.
func (k *Keys) succeed(ctx context.Context, repo repository, rows []keyRow, now, activeFrom time.Time) (*keyRow, error) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r keyRow) bool { return !Algorithm(r.Algorithm).valid() })
	if !slices.ContainsFunc(rows, func(r keyRow) bool { return !r.retired(now) }) {
		activeFrom = now
	}
	made, err := newKeyRow(k.root, k.policy.Algorithm, now, activeFrom)
	if err != nil {
		return nil, err
	}
	if err := repo.insertSigningKey(ctx, made); err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.retired(activeFrom) {
			continue
		}
		if err := repo.retireSigningKey(ctx, row.Kid, activeFrom, activeFrom.Add(overlap)); err != nil {
			return nil, err
		}
	}
	return &made, repo.deleteExpiredSigningKeys(ctx, now, deleteStep)
}

// newestRow is the row that nothing succeeds yet, or nil where there is none for an algorithm that this version knows.
func newestRow(rows []keyRow) *keyRow {
	for i := len(rows) - 1; i >= 0; i-- {
		if rows[i].RetiredAt == nil && Algorithm(rows[i].Algorithm).valid() {
			return &rows[i]
		}
	}
	return nil
}
