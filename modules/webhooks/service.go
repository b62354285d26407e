package webhooks

import (
	"context"
	"reflect"
	"time"

	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/page"
	"github.com/gatehouse/gatehouse/core/secret"
)

const (
	// mostActive bounds what each event and each worker has to do.
	mostActive = 100
	// activeLock is taken by whoever makes a webhook active.
	activeLock = "webhooks.active"
)

// Create makes a webhook, which gets the events from now on, and gives the secret that its receiver verifies with: nobody
// is shown it again. It returns ErrTooMany where there are 100 active ones.
func (s *Service) Create(ctx context.Context, n NewHook) (Hook, secret.String, error) {
	now := s.deps.Clock.Now()
	h := Hook{ID: newID(), URL: n.URL, Description: n.Description, Types: n.Types, IsActive: true, Version: 1, CreatedAt: now, UpdatedAt: now}
	sealed, text, err := s.newSecret(h.ID)
	if err != nil {
		return Hook{}, secret.String{}, err
	}
	h.secret = sealed
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := admitActiveTx(ctx, tx); err != nil {
			return err
		}
		if err := (repository{tx}).insert(ctx, h); err != nil {
			return err
		}
		if err := s.deps.Events.AddDestination(ctx, tx, h.ID.destination()); err != nil {
			return err
		}
		return s.deps.Audit.Append(ctx, tx, actOn(actCreate, h.ID, map[string]any{"host": h.host()}))
	})
	wanted := audit.Act{Action: actCreate, Details: map[string]any{"host": h.host()}}
	return h, text, s.deps.Audit.RefuseConflict(ctx, wanted, err)
}

// admitActiveTx makes way for one active webhook more, or returns ErrTooMany.
func admitActiveTx(ctx context.Context, tx *database.Tx) error {
	if err := tx.Lock(ctx, activeLock); err != nil {
		return err
	}
	full, err := repository{tx}.hasActive(ctx, mostActive)
	if err == nil && full {
		err = ErrTooMany
	}
	return err
}

// ByID gives a webhook, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id ID) (Hook, error) {
	return repository{s.deps.DB}.byID(ctx, id)
}

// List gives a page of the webhooks, the newest first, behind a position or, with nil, from the beginning.
func (s *Service) List(ctx context.Context, limit int, after *page.Position) (page.Page[Hook], error) {
	rows, err := page.Collect(newestHooks.Segments(after), limit+1, func(segment page.Segment, n int) ([]Hook, error) {
		return repository{s.deps.DB}.list(ctx, segment, n)
	})
	if err != nil {
		return page.Page[Hook]{}, err
	}
	return page.Cut(rows, limit, func(last Hook) (string, error) { return s.deps.Cursors.Encode(hooksScope, last.CreatedAt, last.ID) })
}

// Change changes a webhook, and gives it as it is then. expect, unless it is nil, looks at the webhook as it is before,
// locked, and its error is returned. One that is made active again goes on where it was, as far as events are kept. It
// returns ErrNotFound, and ErrTooMany where there are 100 active ones.
func (s *Service) Change(ctx context.Context, id ID, c Change, expect func(Hook) error) (next Hook, err error) {
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		was, err := repository{tx}.lock(ctx, id)
		if err != nil {
			return err
		}
		if expect != nil {
			if err := expect(was); err != nil {
				return err
			}
		}
		now := s.deps.Clock.Now()
		if next = c.of(was, now); reflect.DeepEqual(next, was) {
			return nil
		}
		next.Version, next.UpdatedAt = was.Version+1, now
		return s.changeTx(ctx, tx, was, next)
	})
	if err != nil {
		return Hook{}, s.deps.Audit.RefuseConflict(ctx, actOn(actChange, id, nil), err)
	}
	return next, nil
}

func (s *Service) changeTx(ctx context.Context, tx *database.Tx, was, next Hook) error {
	if next.IsActive && !was.IsActive {
		if err := admitActiveTx(ctx, tx); err != nil {
			return err
		}
		if err := s.deps.Events.AddDestination(ctx, tx, next.ID.destination()); err != nil {
			return err
		}
	}
	s.deps.Events.DestinationChanged(tx)
	if err := (repository{tx}).update(ctx, next); err != nil {
		return err
	}
	return s.deps.Audit.Append(ctx, tx, changeOf(was, next))
}

// Delete deletes a webhook with its log and all that waits for it, or returns ErrNotFound.
func (s *Service) Delete(ctx context.Context, id ID) error {
	return s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := (repository{tx}).delete(ctx, id); err != nil {
			return err
		}
		if err := s.deps.Events.RemoveDestination(ctx, tx, id.destination()); err != nil {
			return err
		}
		return s.deps.Audit.Append(ctx, tx, actOn(actDelete, id, nil))
	})
}

// Rotate gives a webhook another secret. Deliveries are signed with both until the time that it gives, so that the receiver
// can move; of a secret before that nothing is left. It returns ErrNotFound.
func (s *Service) Rotate(ctx context.Context, id ID) (text secret.String, previousUntil time.Time, err error) {
	sealed, text, err := s.newSecret(id)
	if err != nil {
		return secret.String{}, time.Time{}, err
	}
	now := s.deps.Clock.Now()
	previousUntil = now.Add(s.settings.SecretOverlap)
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		s.deps.Events.DestinationChanged(tx)
		if err := (repository{tx}).rotate(ctx, id, sealed, previousUntil, now); err != nil {
			return err
		}
		return s.deps.Audit.Append(ctx, tx, actOn(actRotate, id, nil))
	})
	return text, previousUntil, err
}
