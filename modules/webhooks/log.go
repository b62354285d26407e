package webhooks

import (
	"context"
	"errors"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/audit"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
	"github.com/gatehouse/gatehouse/core/page"
)

// Log gives a page of the attempts at deliveries to a webhook, the newest first, behind a position or, with nil, from the
// beginning. It returns ErrNotFound for a webhook that is not there.
func (s *Service) Log(ctx context.Context, id ID, limit int, after *page.Position) (page.Page[Attempt], error) {
	if _, err := s.ByID(ctx, id); err != nil {
		return page.Page[Attempt]{}, err
	}
	rows, err := page.Collect(newestAttempts.Segments(after), limit+1, func(segment page.Segment, n int) ([]Attempt, error) {
		return repository{s.deps.DB}.attempts(ctx, id, segment, n)
	})
	if err != nil {
		return page.Page[Attempt]{}, err
	}
	return page.Cut(rows, limit, func(last Attempt) (string, error) { return s.deps.Cursors.Encode(attemptsScope(id), last.At, last.ID) })
}

// Redeliver has the event of an attempt sent to its webhook again, soon and with the same id, whatever became of it before.
// It returns ErrNotFound, ErrInactive, and ErrNotKept for an event that is no more.
func (s *Service) Redeliver(ctx context.Context, id, of ID) error {
	act := actOn(actRedeliver, id, map[string]any{"delivery_id": of})
	return s.deps.Audit.RefuseConflict(ctx, act, s.tryRedelivery(ctx, id, of, act))
}

func (s *Service) tryRedelivery(ctx context.Context, id, of ID, act audit.Act) error {
	h, err := s.ByID(ctx, id)
	if err != nil {
		return err
	}
	a, err := repository{s.deps.DB}.attempt(ctx, id, of)
	if err != nil {
		return err
	}
	if !h.IsActive {
		return ErrInactive
	}
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if _, err := s.deps.Events.ReplayTx(ctx, tx, id.destination(), a.Event); err != nil {
			return err
		}
		return s.deps.Audit.Append(ctx, tx, act)
	})
	if errors.Is(err, event.ErrNotFound) {
		return ErrNotKept
	}
	if errors.Is(err, event.ErrNoDestination) { // deleted meanwhile
		return ErrNotFound
	}
	return err
}

// Test sends an event of its own to a webhook, active or not, and gives what became of it. It returns ErrNotFound.
func (s *Service) Test(ctx context.Context, id ID, by account.ID) (Attempt, error) {
	h, err := s.ByID(ctx, id)
	if err != nil {
		return Attempt{}, err
	}
	keys, err := s.keys(h, s.deps.Clock.Now())
	if err != nil {
		return Attempt{}, err
	}
	e, err := s.testEvent(h, by)
	if err != nil {
		return Attempt{}, err
	}
	a, _ := s.send(ctx, h.URL, keys, e) // what it came to is in the attempt
	if err := ctx.Err(); err != nil {
		return Attempt{}, err
	}
	err = s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if err := (repository{tx}).insertAttempts(ctx, id, []attempt{a}); err != nil {
			return err
		}
		return s.deps.Audit.Append(ctx, tx, actOn(actTest, id, map[string]any{"delivery_id": a.id}))
	})
	return a.logged(), err
}

func (a attempt) logged() Attempt {
	l := Attempt{ID: a.id, Event: a.event, Type: a.name, At: a.at, Took: a.took}
	if a.status != 0 {
		l.Status = &a.status
	}
	if a.fault != "" {
		l.Fault = &a.fault
	}
	return l
}
