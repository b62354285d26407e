package audit

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
)

const (
	// lateFor is how long after an erasure something about the account may still come in: what another instance has refused
	// and not written yet, or a request that was under way.
	lateFor = 2 * time.Hour
	// erasuresOutlive is by how much an erasure is kept longer than every row that it explains.
	erasuresOutlive = 24 * time.Hour
	// forgetStep is how many erasures a statement deletes at most.
	forgetStep = 1000
)

// Prune drops batches that are older than the retention, one after the other and each as a whole, and keeps their seals. It
// takes out what came in about accounts after they were erased.
func (t *Trail) Prune(ctx context.Context) error {
	repo := repository{t.options.DB}
	now := t.options.Clock.Now()
	late, err := repo.erasedSince(ctx, now.Add(-lateFor))
	if err != nil {
		return err
	}
	for id := range late {
		if err := t.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error { return repository{tx}.erase(ctx, id) }); err != nil {
			return err
		}
	}
	before := now.Add(-t.options.Settings.Retention)
	for more := true; more; {
		if more, err = t.dropOldest(ctx, before); err != nil {
			return err
		}
	}
	first, err := repo.list(ctx, filter{behind: &uuid.Nil}, false, 1)
	if err != nil {
		return err
	}
	oldest := now
	if len(first) > 0 && first[0].at.Before(now) {
		oldest = first[0].at
	}
	for {
		n, err := repo.forgetErasures(ctx, oldest.Add(-erasuresOutlive), forgetStep)
		if err != nil || n < forgetStep {
			return err
		}
	}
}

// dropOldest drops the oldest batch whose rows are there, if its newest row is old enough, and says whether it did.
func (t *Trail) dropOldest(ctx context.Context, before time.Time) (dropped bool, err error) {
	err = t.options.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		repo := repository{tx}
		h, err := repo.lockHead(ctx) // so that no two processes drop the same
		if err != nil {
			return err
		}
		s, found, err := repo.seal(ctx, h.dropped+1)
		dropped = found && !s.newest.After(before)
		if err != nil || !dropped {
			return err
		}
		now := t.options.Clock.Now()
		s.droppedAt = &now
		s.dropSignature = t.keys.sign(s.dropDigest())
		if err := repo.drop(ctx, s); err != nil {
			return err
		}
		h.dropped = s.number
		return repo.setHead(ctx, t.keys.signedHead(h))
	})
	return dropped, err
}

// EraseTx takes what is personal out of what an account did and what was done to it, in the transaction that deletes the
// account. That it happened stays, with ids alone, until it is dropped.
func (t *Trail) EraseTx(ctx context.Context, tx *database.Tx, id account.ID) error {
	repo, now := repository{tx}, t.options.Clock.Now()
	if err := repo.insertErasure(ctx, id, now, t.keys.erasureMAC(id, now)); err != nil {
		return err
	}
	return repo.erase(ctx, id)
}

// erasureMAC shows that it was the program that erased an account.
func (k keys) erasureMAC(id account.ID, at time.Time) []byte {
	return record{hmac.New(sha256.New, k.row)}.text("gatehouse audit erasure v1").bytes(id[:]).number(at.UnixMicro()).sum()
}

// mostExported bounds an export, all of which is in memory at once.
const mostExported = 10_000

// Export gives what an account did and what was done to it, the newest first; nil where there is nothing. Who else did it,
// and from where, is not the account's to know.
func (t *Trail) Export(ctx context.Context, id account.ID) ([]Entry, error) {
	repo := repository{t.options.DB}
	own, err := repo.list(ctx, filter{actor: id}, true, mostExported)
	if err != nil {
		return nil, err
	}
	others, err := repo.list(ctx, filter{target: id}, true, mostExported)
	if err != nil {
		return nil, err
	}
	var all []Entry
	for _, r := range own {
		if r.target != id {
			r.email = "" // of somebody else
		}
		all = append(all, entryOf(r))
	}
	for _, r := range others {
		if r.actor == id {
			continue // it is there already
		}
		if !r.actor.IsZero() {
			r.actor, r.ip, r.userAgent = account.ID{}, "", ""
		}
		all = append(all, entryOf(r))
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(b.ID.String(), a.ID.String()) })
	return all[:min(len(all), mostExported)], nil
}
