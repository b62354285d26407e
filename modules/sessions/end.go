package sessions

import (
	"context"
	"time"

	"github.com/gatehouse/gatehouse/core/account"
	"github.com/gatehouse/gatehouse/core/database"
	"github.com/gatehouse/gatehouse/core/event"
)

const (
	// endedShown is how long an ended session is shown to its owner, and kept.
	endedShown = 30 * 24 * time.Hour
	// mostListed bounds a list: whoever has more sessions sees the newest.
	mostListed = 1000
	// pruneStep is how many rows a step of Prune deletes at most.
	pruneStep = 1000
)

// End ends one live session of an account. It returns ErrNotFound for one that does not live, or is another's.
func (s *Service) End(ctx context.Context, owner account.ID, id account.SessionID, why Reason) error {
	ended := false
	err := s.deps.DB.InTx(ctx, func(ctx context.Context, tx *database.Tx) (err error) {
		ended, err = s.EndTx(ctx, tx, owner, id, why)
		return err
	})
	if err == nil && !ended {
		err = ErrNotFound
	}
	return err
}

// EndTx ends one live session of an account: its refresh tokens die with it, and access tokens are refused as soon as its
// state is forgotten. It says false, and changes nothing, for a session that does not live or is another's: the first
// reason stays.
func (s *Service) EndTx(ctx context.Context, tx *database.Tx, owner account.ID, id account.SessionID, why Reason) (bool, error) {
	ended, err := repository{tx}.end(ctx, owner, id, why, s.deps.Clock.Now())
	if err != nil || !ended {
		return false, err
	}
	s.forget(tx, id)
	return true, s.tellTx(ctx, tx, owner, why, id)
}

// EndAllTx ends every live session of an account, but for the exceptions, and says how many. A session that starts
// meanwhile escapes unless the transaction has locked the account's row, as everything that makes an account unfit to log
// in does.
func (s *Service) EndAllTx(ctx context.Context, tx *database.Tx, owner account.ID, why Reason, except ...account.SessionID) (int, error) {
	ids, err := repository{tx}.endAll(ctx, owner, why, s.deps.Clock.Now(), except)
	if err != nil {
		return 0, err
	}
	s.forget(tx, ids...)
	return len(ids), s.tellTx(ctx, tx, owner, why, ids...)
}

// tellTx tells of the end of sessions, and writes it down.
func (s *Service) tellTx(ctx context.Context, tx *database.Tx, owner account.ID, why Reason, ids ...account.SessionID) error {
	events := make([]event.Event, 0, len(ids)+1)
	for _, id := range ids {
		if why == ReasonReuse {
			events = append(events, ReuseDetected{UserID: owner, SessionID: id})
		}
		events = append(events, Revoked{UserID: owner, SessionID: id, Reason: why})
	}
	if err := s.deps.Events.Append(ctx, tx, events...); err != nil {
		return err
	}
	if act, ok := actOf(owner, why, ids); ok {
		return s.deps.Audit.Append(ctx, tx, act)
	}
	return nil
}

// List gives an account's live sessions, the newest first.
func (s *Service) List(ctx context.Context, owner account.ID) ([]Session, error) {
	return repository{s.deps.DB}.list(ctx, owner, s.deps.Clock.Now())
}

// ListEnded gives an account's sessions that ended in the last 30 days, those that expired among them, the last to end
// first.
func (s *Service) ListEnded(ctx context.Context, owner account.ID) ([]Session, error) {
	now := s.deps.Clock.Now()
	return repository{s.deps.DB}.listEnded(ctx, owner, now.Add(-endedShown), now)
}

// Prune deletes sessions that nobody is shown any more, a bounded number of them, and says whether there may be more. It
// keeps one that expired for want of use until 30 days after its absolute life: an index on the idle expiry would make
// each refresh dearer. Nothing depends on it but space.
func (s *Service) Prune(ctx context.Context) (more bool, err error) {
	n, err := repository{s.deps.DB}.prune(ctx, s.deps.Clock.Now().Add(-endedShown))
	return n >= pruneStep, err
}
